"""Payments: money received and refunds (v3)."""

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

__all__ = ["NewPayment", "PaymentFilters", "PaymentInclude", "PaymentOptions", "Payments"]

PaymentInclude: TypeAlias = Literal[
    "patient", "provider", "guarantor", "claim", "charge", "payment_plan", "payment_type"
]
"""Parts of a payment that are sent on request."""


class PaymentFilters(BilledFilters, total=False):
    """Filters for listing payments.

    One of ``patient_id``, ``provider_id``, ``guarantor_id``, ``charge_id``, ``claim_id``,
    ``transaction_id`` and ``updated_since`` is required.
    """

    charge_id: int | None
    """Only those that pay this charge."""
    claim_id: int | None
    """Only those that came from this claim."""
    transaction_id: str | None
    """Only the rows of this payment: the text `NewPayment` was given."""


class PaymentOptions(PracticeScoped, total=False):
    """Options for getting one payment."""

    include: Sequence[PaymentInclude] | None
    """Related data to include."""


class NewPayment(LedgerEntry, total=False):
    """A payment to be written to the practice's ledger, or money given back."""

    amount: Required[Amount]
    """In whole units, as ``Decimal("-138.50")`` dollars.

    Negative is money received, since it lowers the balance; positive is a refund, which not
    every system takes.
    """
    payment_type_id: int
    """Its kind, as ``payment_types`` lists them."""
    paid_at: datetime
    """Time of the payment, with a time zone; the ledger keeps only the day."""


LIST: "Endpoint[m.Payment]" = Endpoint(
    resource="payments",
    verb="walk",
    model="Payment",
    v3=listing(
        "/payments",
        PaymentFilters,
        one_of=(
            "patient_id",
            "provider_id",
            "guarantor_id",
            "charge_id",
            "claim_id",
            "transaction_id",
            "updated_since",
        ),
    ),
)

GET: "Endpoint[m.Payment]" = Endpoint(
    resource="payments",
    verb="get",
    model="Payment",
    v3=OperationSpec(method="GET", path="/payments/{id}", filters=filter_names(PaymentOptions)),
)

CREATE: Endpoint[None] = Endpoint(
    resource="payments",
    verb="create",
    model=None,
    v3=OperationSpec(
        method="POST",
        path="/payments",
        success=ACCEPTED,
        safe=False,
        location=ScopeNeed.REQUIRED,
        wrap="payment",
        lookup_hint="Ask payments.walk(transaction_id=...) for it, again after some minutes.",
    ),
)


class Payments(Resource):
    """Money received for patients, and money given back."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PaymentFilters]) -> "Walk[m.Payment]":
        """Iterate over the payments of one location; v3 only.

        ``GET /payments``

        One payment may be several rows, with one ``transaction_id``. Amounts received are
        negative. The API requires one filter besides the location. Removed payments are left out
        unless ``include_deleted=True``.

        Raises:
            InvalidArgumentError: No filter is given.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PaymentOptions]) -> "m.Payment":
        """Get one payment; v3 only.

        ``GET /payments/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)

    async def create(self, **fields: Unpack[NewPayment]) -> None:
        """Have a payment, or a refund, written to the practice's ledger; v3 only.

        ``POST /payments``

        Pass a negative ``amount`` for money received and a positive one for a refund. The API only
        accepts the request and returns no record. The payment appears in
        ``payments.walk(transaction_id=...)`` when the practice's system has it, minutes or hours
        later, perhaps as several rows, and the event ``payment_insertion`` reports the outcome.

        Raises:
            InvalidArgumentError: The amount is neither a ``Decimal`` nor an ``int``, or the
                ``transaction_id`` is blank or longer than 50 characters.
            MissingScopeError: No practice or no location is given or bound.
            InvalidRequestError: The API refuses the request for another reason.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
            OutcomeUnknownError: The response was lost. A payment is never sent again automatically.
        """
        check_entry(fields, fields.get("amount"))
        await self._client.execute(CREATE, fields)

    async def confirm(
        self,
        *,
        transaction_id: str,
        amount: Decimal | int | None = None,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is a result, not an error
        events: EventSource | None = None,
        **scope: Unpack[LocationScoped],
    ) -> "WriteResult[tuple[m.Payment, ...]]":
        """Wait until a payment is in the ledger, or is known not to get there; v3 only.

        The record of the result is the rows with this ``transaction_id``. One payment may become
        several rows; with ``amount``, as passed to `create`, the write is complete when they add
        up. Polls have growing pauses, and each is a request. With ``events=`` (see
        `EventBus`), webhooks report the outcome and polls are rare. Only webhooks report a
        failure. After ``timeout`` seconds (None: no limit) the status is ``waiting``.

        Polls that fail temporarily are repeated; other errors of a call are raised.

        Raises:
            InvalidArgumentError: ``transaction_id`` is blank.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
        """
        filters = {**scope, "transaction_id": transaction_id}
        return await confirm_entry(
            confirmation_calls(self._client, LIST),
            transaction_id,
            filters,
            amount=amount,
            timeout=timeout,
            events=events,
        )
