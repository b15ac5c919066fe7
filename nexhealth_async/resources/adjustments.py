"""Adjustments: corrections of what patients owe (v3)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, Required, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._confirmation import confirmation_calls
from nexhealth_async.resources.ledger import (
    ACCEPTED,
    Amount,
    BilledFilters,
    LedgerEntry,
    check_entry,
    listing,
)
from nexhealth_async.resources.options import LocationScoped, PracticeScoped, filter_names
from nexhealth_async.workflows.confirmation import WriteResult
from nexhealth_async.workflows.confirmation_rules import confirm_entry
from nexhealth_async.workflows.event_bus import EventSource

__all__ = [
    "AdjustmentFilters",
    "AdjustmentInclude",
    "AdjustmentOptions",
    "Adjustments",
    "NewAdjustment",
]

AdjustmentInclude: TypeAlias = Literal[
    "patient", "provider", "guarantor", "claim", "charge", "adjustment_type"
]
"""Parts of an adjustment that are sent on request."""


class AdjustmentFilters(BilledFilters, total=False):
    """Filters for listing adjustments.

    One of ``patient_id``, ``provider_id``, ``guarantor_id``, ``claim_id``, ``charge_id`` and
    ``updated_since`` is required.
    """

    claim_id: int | None
    """Only those that came from this claim."""
    charge_id: int | None
    """Only those that correct this charge."""


class AdjustmentOptions(PracticeScoped, total=False):
    """Options for getting one adjustment."""

    include: Sequence[AdjustmentInclude] | None
    """Related data to include."""


class NewAdjustment(LedgerEntry, total=False):
    """A correction to be written to the practice's ledger."""

    amount: Required[Amount]
    """In whole units, as ``Decimal("-20.00")`` dollars; negative lowers the balance."""
    adjustment_type_id: int
    """Its kind, as ``adjustment_types`` lists them."""
    adjusted_at: datetime
    """The time it counts from, with a zone; the ledger keeps the day only."""


LIST: "Endpoint[m.Adjustment]" = Endpoint(
    resource="adjustments",
    verb="walk",
    model="Adjustment",
    v3=listing(
        "/adjustments",
        AdjustmentFilters,
        one_of=(
            "patient_id",
            "provider_id",
            "guarantor_id",
            "claim_id",
            "charge_id",
            "updated_since",
        ),
    ),
)

GET: "Endpoint[m.Adjustment]" = Endpoint(
    resource="adjustments",
    verb="get",
    model="Adjustment",
    v3=OperationSpec(
        method="GET", path="/adjustments/{id}", filters=filter_names(AdjustmentOptions)
    ),
)

CREATE: Endpoint[None] = Endpoint(
    resource="adjustments",
    verb="create",
    model=None,
    v3=OperationSpec(
        method="POST",
        path="/adjustments",
        success=ACCEPTED,
        safe=False,
        location=ScopeNeed.REQUIRED,
        wrap="adjustment",
        lookup_hint="Look for its transaction_id in adjustments.walk(patient_id=...), "
        "again after some minutes.",
    ),
)


class Adjustments(Resource):
    """Corrections of what patients owe that are neither charge nor payment."""

    __slots__ = ()

    def walk(self, **filters: Unpack[AdjustmentFilters]) -> "Walk[m.Adjustment]":
        """Iterate over the adjustments of one location; v3 only.

        ``GET /adjustments``

        The API requires one filter besides the location, and has none for ``transaction_id``.
        Removed ones are left out unless ``include_deleted=True``.

        Raises:
            InvalidArgumentError: No filter is given.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[AdjustmentOptions]) -> "m.Adjustment":
        """Get one adjustment; v3 only.

        ``GET /adjustments/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)

    async def create(self, **fields: Unpack[NewAdjustment]) -> None:
        """Have an adjustment written to the practice's ledger; v3 only.

        ``POST /adjustments``

        A negative ``amount`` lowers what the patient owes. The API only accepts the request and
        returns no record. The adjustment appears in ``adjustments.walk(patient_id=...)``, with its
        ``transaction_id``, when the practice's system has it, minutes or hours later, and the
        event ``adjustment_insertion`` reports the outcome.

        Raises:
            InvalidArgumentError: The amount is neither a ``Decimal`` nor an ``int``, or the
                ``transaction_id`` is blank or longer than 50 characters.
            MissingScopeError: No practice or no location is given or bound.
            InvalidRequestError: The API refuses the request for another reason.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
            OutcomeUnknownError: The response was lost. An adjustment is never sent again
                automatically.
        """
        check_entry(fields, fields.get("amount"))
        await self._client.execute(CREATE, fields)

    async def confirm(
        self,
        *,
        transaction_id: str,
        patient_id: int,
        amount: Decimal | int | None = None,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is a result, not an error
        events: EventSource | None = None,
        **scope: Unpack[LocationScoped],
    ) -> "WriteResult[tuple[m.Adjustment, ...]]":
        """Wait until an adjustment is in the ledger, or is known not to get there; v3 only.

        The record of the result is the rows with this ``transaction_id``. One adjustment may become
        several rows; with ``amount``, as passed to `create`, the write is complete when they add
        up. Polls have growing pauses, and each is a walk over the patient's
        adjustments. With ``events=`` (see
        `EventBus`), webhooks report the outcome and polls are rare. Only webhooks report a
        failure. After ``timeout`` seconds (None: no limit) the status is ``waiting``.

        Polls that fail temporarily are repeated; other errors of a call are raised.

        Raises:
            InvalidArgumentError: ``transaction_id`` is blank.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
        """
        filters = {**scope, "patient_id": patient_id}
        return await confirm_entry(
            confirmation_calls(self._client, LIST),
            transaction_id,
            filters,
            amount=amount,
            timeout=timeout,
            events=events,
        )
