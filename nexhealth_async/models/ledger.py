"""Charges, payments and adjustments, what is owed after them, and price lists.

The ledger is only there for keys that NexHealth has enabled for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async.models._base import Day, Money, Record, Timestamp, optional_fields

if TYPE_CHECKING:
    from nexhealth_async.models.clinical import Procedure
    from nexhealth_async.models.insurance import Claim, ClaimPayout, ClaimTotals
    from nexhealth_async.models.people import Patient, Provider

__all__ = [
    "Adjustment",
    "AdjustmentType",
    "Charge",
    "FeeSchedule",
    "FeeScheduleProcedure",
    "GuarantorBalance",
    "Payment",
    "PaymentPlan",
    "PaymentType",
]


@frozen(kw_only=True, repr=False)
class PaymentType(Record):
    """A way of paying, as the practice names it (v3).

    Reference: ``GET /payment_types``, and ``payment_type`` of a payment.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    active: bool | None = None
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class AdjustmentType(Record):
    """A reason for an adjustment, as the practice names it (v3).

    Reference: ``GET /adjustment_types``, and ``adjustment_type`` of an adjustment.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    active: bool | None = None
    action: str | None = None
    """``credit`` (the patient owes less), ``debit`` (owes more), or ``unknown`` where the
    practice's system makes no difference."""
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class PaymentPlan(Record):
    """An agreement to pay by instalments (v3).

    Reference: ``GET /payment_plans``, and ``payment_plan`` of a payment.
    """

    id: int
    patient_id: int | None = None
    guarantor_id: int | None = None
    """Who pays."""
    first_payment_due_date: Day | None = None
    """The first instalment's day; a down payment does not count."""
    created_date: Day | None = None
    active: bool | None = None
    """False once the plan was closed, settled or removed."""
    patient: Patient | None = None
    """Only with a single plan, as ``guarantor``."""
    guarantor: Patient | None = None


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _LegacyEntry(Record):
    """The words v2 has for an entry of the ledger; v3 never uses them."""

    value: Money | None = None
    """v2: the amount; v3 has ``fee``, ``payment_amount`` or ``adjustment_amount``."""
    date: Day | None = None
    """v2: the day in the practice's books."""
    notes: str | None = None
    """v2: what v3 calls ``description``."""
    accountable_id: int | str | None = None
    """v2: seen in other clients, undocumented, as ``accountable_type``."""
    accountable_type: str | None = None
    directionality: str | None = None
    """v2: whether the balance rises or falls."""
    procedure: Procedure | None = None
    """Only with a single charge in v3; in v2 when included."""
    patient: Patient | None = None
    """Only with a single entry, as all fields below."""
    provider: Provider | None = None
    guarantor: Patient | None = None


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _ChargeExtras(_LegacyEntry):
    """What only some replies say of a charge."""

    claim_payouts: tuple[ClaimPayout, ...] | None = None
    """What each claim means for this charge; None where a charge is part of another record."""
    claims: tuple[Claim, ...] | None = None
    """Only with a single charge."""
    totals: ClaimTotals | None = None
    """Over all claims; only with a single charge."""

    claim_ids: tuple[int, ...] | None = None
    """Only inside a payment or adjustment, as all fields below."""
    payment_estimate_total: Money | None = None
    write_off_estimate_total: Money | None = None
    write_off_total: Money | None = None


@frozen(kw_only=True, repr=False)
class Charge(_ChargeExtras):
    """What a patient was charged for one procedure.

    Reference: ``GET /charges`` (v3); ``charges`` of a patient or claim; ``charge`` of a payment or
    adjustment.
    """

    id: int
    foreign_id: str | None = None
    location_id: int | None = None
    patient_id: int | None = None
    guarantor_id: int | None = None
    """Who pays; 0 or None where that is the patient."""
    provider_id: int | None = None
    procedure_id: int | str | None = None
    """A whole number, except in a charge embedded in a payment or adjustment: text there."""
    procedure_code: str | None = None
    updated_at: Timestamp | None = None
    description: str | None = None
    fee: Money | None = None
    charged_at: Day | None = None
    """A day, in spite of its name."""
    deleted_at: Timestamp | None = None
    """Set once the charge was removed in the practice's system."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _PaymentExtras(_LegacyEntry):
    """What only a single payment says."""

    claim: Claim | None = None
    """Only with a single payment, as all fields below."""
    charge: Charge | None = None
    """Its ``procedure_id`` is text."""
    payment_plan: PaymentPlan | None = None
    payment_type: PaymentType | None = None


@frozen(kw_only=True, repr=False)
class Payment(_PaymentExtras):
    """Money received for a patient, as a negative amount; a refund is positive.

    One payment may become several rows, tied together by ``transaction_id``.
    Reference: ``GET /payments`` (v3); ``payments`` of a patient.
    """

    id: int
    foreign_id: str | None = None
    location_id: int | None = None
    patient_id: int | None = None
    guarantor_id: int | None = None
    """Who pays; 0 or None where that is the patient."""
    provider_id: int | None = None
    procedure_id: int | None = None
    procedure_code: str | None = None
    updated_at: Timestamp | None = None
    description: str | None = None
    payment_amount: Money | None = None
    """Negative, because it lowers the balance."""
    paid_at: Day | None = None
    """A day, in spite of its name."""
    deleted_at: Timestamp | None = None
    """Set once the payment was removed in the practice's system."""
    transaction_id: str | None = None
    """Shared by the rows that one payment was split into."""
    charge_id: int | None = None
    claim_id: int | None = None
    payment_plan_id: int | None = None
    insurance_plan_id: int | None = None
    payment_type_id: int | None = None


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _AdjustmentExtras(_LegacyEntry):
    """What only a single adjustment says."""

    claim: Claim | None = None
    """Only with a single adjustment, as ``charge`` and ``adjustment_type``."""
    charge: Charge | None = None
    """Its ``procedure_id`` is text."""
    adjustment_type: AdjustmentType | None = None


@frozen(kw_only=True, repr=False)
class Adjustment(_AdjustmentExtras):
    """A correction of a patient's balance that is neither charge nor payment.

    Reference: ``GET /adjustments`` (v3); ``adjustments`` of a patient.
    """

    id: int
    foreign_id: str | None = None
    location_id: int | None = None
    patient_id: int | None = None
    guarantor_id: int | None = None
    """Who pays; 0 or None where that is the patient."""
    provider_id: int | None = None
    procedure_id: int | None = None
    procedure_code: str | None = None
    updated_at: Timestamp | None = None
    description: str | None = None
    adjustment_amount: Money | None = None
    """Negative where it lowers the balance."""
    adjusted_at: Day | None = None
    """A day, in spite of its name."""
    deleted_at: Timestamp | None = None
    """Set once the adjustment was removed in the practice's system."""
    transaction_id: str | None = None
    """Shared by the rows that one entry was split into."""
    charge_id: int | None = None
    claim_id: int | None = None
    adjustment_type_id: int | None = None


@frozen(kw_only=True, repr=False)
class GuarantorBalance(Record):
    """What one person owes a location for all whom they pay for, also by age in days (v3).

    Reference: ``GET /guarantor_balances``.
    """

    id: int
    foreign_id: str | None = None
    guarantor_id: int | None = None
    location_id: int | None = None
    updated_at: Timestamp | None = None
    write_off_estimate: Money | None = None
    """What nobody is expected to pay."""
    total_balance: Money | None = None
    insurance_estimate: Money | None = None
    """The part insurers are expected to pay."""
    guarantor_portion: Money | None = None
    """What is left for the guarantor."""
    total_balance_under_30: Money | None = None
    total_balance_31_60: Money | None = None
    total_balance_61_90: Money | None = None
    total_balance_over_90: Money | None = None
    guarantor: Patient | None = None
    """Only with a single balance."""


@frozen(kw_only=True, repr=False)
class FeeScheduleProcedure(Record):
    """The price of one procedure in one price list (v3).

    Reference: ``GET /fee_schedule_procedures``; ``procedure_fees`` of a fee schedule;
    ``fee_schedule_procedure_code`` of a claim payout.
    """

    _repr_fields = ("id", "code")

    id: int | None = None
    """None within a fee schedule, which lists only codes and prices."""
    location_id: int | None = None
    fee_schedule_id: int | None = None
    procedure_code_id: str | None = None
    """A UUID, unlike other ids."""
    code: str | None = None
    """The procedure code, such as ``D0120``."""
    fee: Money | None = None
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class FeeSchedule(Record):
    """A price list (v3).

    Reference: ``GET /fee_schedules``, and ``fee_schedule`` of an insurance plan.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    active: bool | None = None
    location_id: int | None = None
    updated_at: Timestamp | None = None
    procedure_fees: tuple[FeeScheduleProcedure, ...] | None = None
    """The prices; only with a single fee schedule."""
