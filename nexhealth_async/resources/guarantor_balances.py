"""Guarantor balances: what those who pay for patients owe (v3)."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, Need, Row
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
    """Which balances are wanted; ``guarantor_id`` or ``updated_since`` must be among them."""

    guarantor_id: int | None
    """Only the balance of this person."""
    show_zero_balances: bool | None
    """True: also those who owe nothing; the server leaves them out else."""


class GuarantorBalanceOptions(TypedDict, total=False):
    """How one guarantor's balance is wanted."""

    include: Sequence[GuarantorBalanceInclude] | None
    """Parts to send along."""


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
    v3=Row(
        method="GET",
        path="/guarantor_balances/{id}",
        subdomain=Need.NONE,
        filters=filter_names(GuarantorBalanceOptions),
    ),
)


class GuarantorBalances(Resource):
    """What those who pay for patients owe."""

    __slots__ = ()

    def walk(self, **filters: Unpack[GuarantorBalanceFilters]) -> "Walk[m.GuarantorBalance]":
        """Walk the balances of the guarantors of one location; v3 only.

        ``GET /guarantor_balances``

        The API wants ``guarantor_id`` or ``updated_since``, and leaves out those who owe nothing
        unless ``show_zero_balances=True``: without it, a debt that was paid just disappears.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(
        self, id: int, /, **options: Unpack[GuarantorBalanceOptions]
    ) -> "m.GuarantorBalance":
        """Get one guarantor's balance, by the balance's id; v3 only.

        ``GET /guarantor_balances/{id}``

        Raises `NotFound` for an id the account does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
