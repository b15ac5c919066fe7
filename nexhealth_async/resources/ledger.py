"""Charges, payments, adjustments, claims, balances, fees and payment plans.

All of it is there in v3 only, and only for keys that NexHealth has enabled for ledger data.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.errors import InvalidArgument
from nexhealth_async.filters import (
    AdjustmentFilters,
    AdjustmentOptions,
    AdjustmentTypeFilters,
    ChargeFilters,
    ChargeOptions,
    ClaimFilters,
    ClaimOptions,
    FeeScheduleFilters,
    FeeScheduleOptions,
    FeeScheduleProcedureFilters,
    GuarantorBalanceFilters,
    GuarantorBalanceOptions,
    InsuranceBalanceFilters,
    LocationScoped,
    NewAdjustment,
    NewPayment,
    PaymentFilters,
    PaymentOptions,
    PaymentPlanFilters,
    PaymentPlanOptions,
    PaymentTypeFilters,
    PracticeScoped,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Noun
from nexhealth_async.workflows.confirmation_rules import ConfirmationCalls, entry_written

if TYPE_CHECKING:
    from nexhealth_async.workflows.confirmation import Written
    from nexhealth_async.workflows.event_bus import Events

__all__ = [
    "AdjustmentTypes",
    "Adjustments",
    "Charges",
    "Claims",
    "FeeScheduleProcedures",
    "FeeSchedules",
    "GuarantorBalances",
    "InsuranceBalances",
    "PaymentPlans",
    "PaymentTypes",
    "Payments",
]

_TRANSACTION_ID_LENGTH = 50
"""Reference: ``POST /payments`` and ``POST /adjustments``, ``transaction_id``."""


class Charges(Noun):
    """What patients were charged for their treatment."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ChargeFilters]) -> Walk[m.Charge]:
        """Walk the charges of one location; v3 only.

        ``GET /charges``

        The API wants one filter besides the location; ``updated_since`` long ago asks for all.
        Removed ones are left out unless ``include_deleted=True``.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._caller.walk(to.CHARGES, filters)

    async def get(self, id: int, /, **options: Unpack[ChargeOptions]) -> m.Charge:
        """Get one charge; v3 only.

        ``GET /charges/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.CHARGES_GET, options, id)


class Payments(Noun):
    """Money received for patients, and money given back."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PaymentFilters]) -> Walk[m.Payment]:
        """Walk the payments of one location; v3 only.

        ``GET /payments``

        One payment may be several rows, with one ``transaction_id``. Amounts received are
        negative. The API wants one filter besides the location. Removed payments are left out
        unless ``include_deleted=True``.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._caller.walk(to.PAYMENTS, filters)

    async def get(self, id: int, /, **options: Unpack[PaymentOptions]) -> m.Payment:
        """Get one payment; v3 only.

        ``GET /payments/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.PAYMENTS_GET, options, id)

    async def create(self, **fields: Unpack[NewPayment]) -> None:
        """Have a payment, or a refund, written to the practice's ledger; v3 only.

        ``POST /payments``

        Give a negative ``amount`` for money received and a positive one for money given back. The
        API only takes the order and sends nothing to return: the payment appears in
        ``payments.walk(transaction_id=...)`` when the practice's system has it, minutes or hours
        later, perhaps in several rows, and the event ``payment_insertion`` tells how it ended.

        Raises `InvalidArgument` for an amount that is no ``Decimal`` or whole number and for a
        ``transaction_id`` that is blank or over 50 characters, `MissingScope` without a practice
        and a location, `Invalid` for other refusals, `NotInThisVersion` in v2,
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key, and
        `OutcomeUnknown` if the answer was lost: a payment is never sent twice by itself.
        """
        _check_entry(fields)
        await self._caller.perform(to.PAYMENTS_CREATE, fields)

    async def confirm(
        self,
        *,
        transaction_id: str,
        amount: Decimal | int | None = None,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is an answer, not an error
        events: Events | None = None,
        **scope: Unpack[LocationScoped],
    ) -> Written[tuple[m.Payment, ...]]:
        """Wait until a payment is in the ledger, or is known not to get there; v3 only.

        The record of the answer is the rows of this ``transaction_id``. One payment may become
        several rows: with ``amount``, as it was given to `create`, it counts as complete when they
        add up. It is looked for with growing pauses, each look a request; with ``events=`` (see
        `EventBoard`) webhooks tell it, and looks are rare. Only webhooks tell of failure. After
        ``timeout`` seconds (None: never) the status is ``waiting``.

        Raises `InvalidArgument` for a blank ``transaction_id``, `MissingScope` without a practice
        and a location, `NotInThisVersion` in v2, and what else a call may raise, but not for looks
        that failed in passing.
        """
        filters = {**scope, "transaction_id": transaction_id}
        return await entry_written(
            ConfirmationCalls(
                client=self._caller,
                record=to.PAYMENTS,
                location=to.LOCATIONS_GET,
                sync_status=to.SYNC_STATUS,
            ),
            transaction_id,
            filters,
            amount=amount,
            timeout=timeout,
            events=events,
        )


class Adjustments(Noun):
    """Corrections of what patients owe that are neither charge nor payment."""

    __slots__ = ()

    def walk(self, **filters: Unpack[AdjustmentFilters]) -> Walk[m.Adjustment]:
        """Walk the adjustments of one location; v3 only.

        ``GET /adjustments``

        The API wants one filter besides the location, and has none for ``transaction_id``.
        Removed ones are left out unless ``include_deleted=True``.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._caller.walk(to.ADJUSTMENTS, filters)

    async def get(self, id: int, /, **options: Unpack[AdjustmentOptions]) -> m.Adjustment:
        """Get one adjustment; v3 only.

        ``GET /adjustments/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.ADJUSTMENTS_GET, options, id)

    async def create(self, **fields: Unpack[NewAdjustment]) -> None:
        """Have an adjustment written to the practice's ledger; v3 only.

        ``POST /adjustments``

        A negative ``amount`` lowers what the patient owes. The API only takes the order and sends
        nothing to return: the adjustment appears in ``adjustments.walk(patient_id=...)``, with
        its ``transaction_id``, when the practice's system has it, minutes or hours later, and the
        event ``adjustment_insertion`` tells how it ended.

        Raises `InvalidArgument` for an amount that is no ``Decimal`` or whole number and for a
        ``transaction_id`` that is blank or over 50 characters, `MissingScope` without a practice
        and a location, `Invalid` for other refusals, `NotInThisVersion` in v2,
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key, and
        `OutcomeUnknown` if the answer was lost: an adjustment is never sent twice by itself.
        """
        _check_entry(fields)
        await self._caller.perform(to.ADJUSTMENTS_CREATE, fields)

    async def confirm(
        self,
        *,
        transaction_id: str,
        patient_id: int,
        amount: Decimal | int | None = None,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is an answer, not an error
        events: Events | None = None,
        **scope: Unpack[LocationScoped],
    ) -> Written[tuple[m.Adjustment, ...]]:
        """Wait until an adjustment is in the ledger, or is known not to get there; v3 only.

        The record of the answer is the rows of this ``transaction_id``. One adjustment may become
        several rows: with ``amount``, as it was given to `create`, it counts as complete when they
        add up. It is looked for with growing pauses, each look a walk over the patient's
        adjustments; with ``events=`` (see `EventBoard`) webhooks tell it, and looks are rare. Only
        webhooks tell of failure. After ``timeout`` seconds (None: never) the status is
        ``waiting``.

        Raises `InvalidArgument` for a blank ``transaction_id``, `MissingScope` without a practice
        and a location, `NotInThisVersion` in v2, and what else a call may raise, but not for looks
        that failed in passing.
        """
        filters = {**scope, "patient_id": patient_id}
        return await entry_written(
            ConfirmationCalls(
                client=self._caller,
                record=to.ADJUSTMENTS,
                location=to.LOCATIONS_GET,
                sync_status=to.SYNC_STATUS,
            ),
            transaction_id,
            filters,
            amount=amount,
            timeout=timeout,
            events=events,
        )


class PaymentTypes(Noun):
    """The kinds of payments a practice's system tells apart."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PaymentTypeFilters]) -> Walk[m.PaymentType]:
        """Walk the payment types of one location; v3 only.

        ``GET /payment_types``

        Only those in use are sent unless ``active=False``, which sends only the others.

        Raises `MissingScope` without a practice and a location, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return self._caller.walk(to.PAYMENT_TYPES, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.PaymentType:
        """Get one payment type; v3 only.

        ``GET /payment_types/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.PAYMENT_TYPES_GET, options, id)


class AdjustmentTypes(Noun):
    """The kinds of adjustments a practice's system tells apart."""

    __slots__ = ()

    def walk(self, **filters: Unpack[AdjustmentTypeFilters]) -> Walk[m.AdjustmentType]:
        """Walk the adjustment types of one location; v3 only.

        ``GET /adjustment_types``

        Only those in use are sent unless ``active=False``, which sends only the others.

        Raises `MissingScope` without a practice and a location, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return self._caller.walk(to.ADJUSTMENT_TYPES, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.AdjustmentType:
        """Get one adjustment type; v3 only.

        ``GET /adjustment_types/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.ADJUSTMENT_TYPES_GET, options, id)


class Claims(Noun):
    """What insurers were asked to pay."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ClaimFilters]) -> Walk[m.Claim]:
        """Walk the claims of one location; v3 only.

        ``GET /claims``

        The API wants one filter besides the location. Removed claims are left out unless
        ``include_deleted=True``.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._caller.walk(to.CLAIMS, filters)

    async def get(self, id: int, /, **options: Unpack[ClaimOptions]) -> m.Claim:
        """Get one claim; v3 only.

        ``GET /claims/{id}``

        For an id it does not know the API answers 500 instead of 404, so that this raises
        `ServerFailure`, after the retries; only a server that has mended its ways brings
        `NotFound`.

        Raises `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return await self._caller.call(to.CLAIMS_GET, options, id)


class GuarantorBalances(Noun):
    """What those who pay for patients owe."""

    __slots__ = ()

    def walk(self, **filters: Unpack[GuarantorBalanceFilters]) -> Walk[m.GuarantorBalance]:
        """Walk the balances of the guarantors of one location; v3 only.

        ``GET /guarantor_balances``

        The API wants ``guarantor_id`` or ``updated_since``, and leaves out those who owe nothing
        unless ``show_zero_balances=True``: without it, a debt that was paid just disappears.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._caller.walk(to.GUARANTOR_BALANCES, filters)

    async def get(
        self, id: int, /, **options: Unpack[GuarantorBalanceOptions]
    ) -> m.GuarantorBalance:
        """Get one guarantor's balance, by the balance's id; v3 only.

        ``GET /guarantor_balances/{id}``

        Raises `NotFound` for an id the account does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.GUARANTOR_BALANCES_GET, options, id)


class InsuranceBalances(Noun):
    """What insurers are expected to pay, by how long it has been due."""

    __slots__ = ()

    def walk(self, **filters: Unpack[InsuranceBalanceFilters]) -> Walk[m.InsuranceBalance]:
        """Walk the insurance balances of one location; v3 only.

        ``GET /insurance_balances``

        The API wants one filter besides the location.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._caller.walk(to.INSURANCE_BALANCES, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.InsuranceBalance:
        """Get one insurance balance; v3 only.

        ``GET /insurance_balances/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.INSURANCE_BALANCES_GET, options, id)


class FeeSchedules(Noun):
    """The price lists of a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[FeeScheduleFilters]) -> Walk[m.FeeSchedule]:
        """Walk the fee schedules of one location; v3 only.

        ``GET /fee_schedules``

        Only those in use are sent unless ``active=False``, which sends only the others. The fees
        themselves are in ``fee_schedule_procedures``.

        Raises `MissingScope` without a practice and a location, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return self._caller.walk(to.FEE_SCHEDULES, filters)

    async def get(self, id: int, /, **options: Unpack[FeeScheduleOptions]) -> m.FeeSchedule:
        """Get one fee schedule; v3 only.

        ``GET /fee_schedules/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.FEE_SCHEDULES_GET, options, id)


class FeeScheduleProcedures(Noun):
    """What a price list asks for each procedure code."""

    __slots__ = ()

    def walk(self, **filters: Unpack[FeeScheduleProcedureFilters]) -> Walk[m.FeeScheduleProcedure]:
        """Walk the fees of one location's schedules; v3 only.

        ``GET /fee_schedule_procedures``

        The API wants ``fee_schedule_id`` or ``updated_since``.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._caller.walk(to.FEE_SCHEDULE_PROCEDURES, filters)


class PaymentPlans(Noun):
    """What patients pay in instalments."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PaymentPlanFilters]) -> Walk[m.PaymentPlan]:
        """Walk the payment plans of one location; v3 only.

        ``GET /payment_plans``

        Raises `MissingScope` without a practice and a location, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return self._caller.walk(to.PAYMENT_PLANS, filters)

    async def get(self, id: int, /, **options: Unpack[PaymentPlanOptions]) -> m.PaymentPlan:
        """Get one payment plan; v3 only.

        ``GET /payment_plans/{id}``

        Raises `NotFound` for an id the account does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.PAYMENT_PLANS_GET, options, id)


def _check_entry(fields: NewPayment | NewAdjustment) -> None:
    """Refuse what would write the wrong sum, or could not be found again."""
    _check_amount("amount", fields.get("amount"))
    for part in fields.get("charge_splits", {}).values():
        _check_amount("charge_splits", part)
    for part in fields.get("provider_splits", {}).values():
        _check_amount("provider_splits", part)
    name = fields.get("transaction_id", "unchecked")
    if not 0 < len(name.strip()) <= len(name) <= _TRANSACTION_ID_LENGTH:
        raise InvalidArgument(
            f"transaction_id must have 1 to {_TRANSACTION_ID_LENGTH} characters; "
            f"this one has {len(name)}"
        )


def _check_amount(name: str, amount: object) -> None:
    """Refuse a float, which holds most sums of money only nearly."""
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, (Decimal, int))):
        raise InvalidArgument(f"{name} must be Decimal or int, not {type(amount).__name__}")
