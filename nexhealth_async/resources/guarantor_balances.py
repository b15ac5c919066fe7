"""Guarantor balances: what those who pay for patients owe (v3)."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import SortedFilters, listing
from nexhealth_async.resources.options import filter_names

__all__ = [
    "GuarantorBalanceFilters",
    "GuarantorBalanceInclude",
    "GuarantorBalanceOptions",
    "GuarantorBalances",
]

GuarantorBalanceInclude: TypeAlias = Literal["guarantor"]
"""Parts of a guarantor's balance that are sent on request."""


class GuarantorBalanceFilters(SortedFilters, total=False):
    """Filters for listing balances; ``guarantor_id`` or ``updated_since`` is required."""

    guarantor_id: int | None
    """Only the balance of this person."""
    show_zero_balances: bool | None
    """True: also those who owe nothing; the server leaves them out else."""


class GuarantorBalanceOptions(TypedDict, total=False):
    """Options for getting one guarantor's balance."""

    include: Sequence[GuarantorBalanceInclude] | None
    """Related data to include."""


LIST: "Endpoint[m.GuarantorBalance]" = Endpoint(
    resource="guarantor_balances",
    verb="walk",
    model="GuarantorBalance",
    v3=listing(
        "/guarantor_balances",
        GuarantorBalanceFilters,
        one_of=("guarantor_id", "updated_since"),
    ),
)

GET: "Endpoint[m.GuarantorBalance]" = Endpoint(
    resource="guarantor_balances",
    verb="get",
    model="GuarantorBalance",
    v3=OperationSpec(
        method="GET",
        path="/guarantor_balances/{id}",
        subdomain=ScopeNeed.NONE,
        filters=filter_names(GuarantorBalanceOptions),
    ),
)


class GuarantorBalances(Resource):
    """Balances of the people who pay for patients."""

    __slots__ = ()

    def walk(self, **filters: Unpack[GuarantorBalanceFilters]) -> "Walk[m.GuarantorBalance]":
        """Iterate over the balances of the guarantors of one location; v3 only.

        ``GET /guarantor_balances``

        The API requires ``guarantor_id`` or ``updated_since``, and leaves out those who owe nothing
        unless ``show_zero_balances=True``: without it, a debt that was paid just disappears.

        Raises:
            InvalidArgumentError: No filter is given.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(
        self, id: int, /, **options: Unpack[GuarantorBalanceOptions]
    ) -> "m.GuarantorBalance":
        """Get one guarantor's balance, by the balance's id; v3 only.

        ``GET /guarantor_balances/{id}``

        Raises:
            NotFoundError: The account has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
