"""Charges, payments, adjustments, balances and fee schedules.

NexHealth must enable the ledger for an API key before these records can be read.
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
    """A method of payment, as named by the practice (v3).

    Reference: ``GET /payment_types``, and ``payment_type`` of a payment.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the payment type."""
    active: bool | None = None
    """True if the payment type is in use."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class AdjustmentType(Record):
    """A reason for an adjustment, as named by the practice (v3).

    Reference: ``GET /adjustment_types``, and ``adjustment_type`` of an adjustment.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the adjustment type."""
    active: bool | None = None
    """True if the adjustment type is in use."""
    action: str | None = None
    """``credit`` (lowers the patient's balance), ``debit`` (raises it), or ``unknown`` if the
    practice's system makes no distinction."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class PaymentPlan(Record):
    """An agreement to pay by instalments (v3).

    Reference: ``GET /payment_plans``, and ``payment_plan`` of a payment.
    """

    id: int
    """NexHealth's id."""
    patient_id: int | None = None
    """The patient the plan is for."""
    guarantor_id: int | None = None
    """Id of the person who pays."""
    first_payment_due_date: Day | None = None
    """Due date of the first instalment; a down payment does not count."""
    created_date: Day | None = None
    """Day the plan was created."""
    active: bool | None = None
    """False if the plan is closed, settled or deleted."""
    patient: Patient | None = None
    """The patient; only with a single plan."""
    guarantor: Patient | None = None
    """The person who pays; only with a single plan."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _LegacyEntry(Record):
    """Fields of a ledger entry that only v2 sends, or that only single entries have."""

    value: Money | None = None
    """Amount in v2; v3 sends ``fee``, ``payment_amount`` or ``adjustment_amount``."""
    date: Day | None = None
    """Date in the practice's system; v2 only."""
    notes: str | None = None
    """Notes on the entry in v2; v3 sends ``description``."""
    accountable_id: int | str | None = None
    """Undocumented; seen in v2."""
    accountable_type: str | None = None
    """Undocumented; seen in v2."""
    directionality: str | None = None
    """Direction in which the entry changes the balance: up (debit) or down (credit); v2 only."""
    procedure: Procedure | None = None
    """The procedure. v3: only with a single charge; v2: only when included."""
    patient: Patient | None = None
    """The patient; only with a single entry."""
    provider: Provider | None = None
    """The provider; only with a single entry."""
    guarantor: Patient | None = None
    """The person who pays; only with a single entry."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _ChargeExtras(_LegacyEntry):
    """Fields of a charge that only some responses hold."""

    claim_payouts: tuple[ClaimPayout, ...] | None = None
    """Amounts for each claim on the charge; None if the charge is part of another record."""
    claims: tuple[Claim, ...] | None = None
    """Claims on the charge; only with a single charge."""
    totals: ClaimTotals | None = None
    """Sums over all claims; only with a single charge."""

    claim_ids: tuple[int, ...] | None = None
    """Ids of the claims on the charge; only inside a payment or adjustment."""
    payment_estimate_total: Money | None = None
    """Only inside a payment or adjustment."""
    write_off_estimate_total: Money | None = None
    """Only inside a payment or adjustment."""
    write_off_total: Money | None = None
    """Only inside a payment or adjustment."""


@frozen(kw_only=True, repr=False)
class Charge(_ChargeExtras):
    """An amount charged to a patient for one procedure.

    Reference: ``GET /charges`` (v3); ``charges`` of a patient or claim; ``charge`` of a payment or
    adjustment.
    """

    id: int
    """NexHealth's id."""
    foreign_id: str | None = None
    """The charge's id in the practice's system."""
    location_id: int | None = None
    """The location the entry belongs to."""
    patient_id: int | None = None
    """The patient the entry is for."""
    guarantor_id: int | None = None
    """The person who pays; 0 or None means the patient."""
    provider_id: int | None = None
    """The provider the entry is for."""
    procedure_id: int | str | None = None
    """The procedure's id: an integer, but text in a charge inside a payment or adjustment."""
    procedure_code: str | None = None
    """The procedure code of the charge."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    description: str | None = None
    """Description of the charge."""
    fee: Money | None = None
    """Amount of the charge."""
    charged_at: Day | None = None
    """Day of the charge, UTC; a date despite the name."""
    deleted_at: Timestamp | None = None
    """Time the charge was deleted in the practice's system, UTC; None unless deleted."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _PaymentExtras(_LegacyEntry):
    """Fields of a payment that only a single payment has."""

    claim: Claim | None = None
    """The claim; only with a single payment."""
    charge: Charge | None = None
    """The charge; only with a single payment. Its ``procedure_id`` is text."""
    payment_plan: PaymentPlan | None = None
    """The payment plan; only with a single payment."""
    payment_type: PaymentType | None = None
    """The payment type; only with a single payment."""


@frozen(kw_only=True, repr=False)
class Payment(_PaymentExtras):
    """A payment for a patient as a negative amount, or a refund as a positive one.

    The practice's system may split one payment into several rows, which share a ``transaction_id``.
    Reference: ``GET /payments`` (v3); ``payments`` of a patient.
    """

    id: int
    """NexHealth's id."""
    foreign_id: str | None = None
    """The payment's id in the practice's system."""
    location_id: int | None = None
    """The location the entry belongs to."""
    patient_id: int | None = None
    """The patient the entry is for."""
    guarantor_id: int | None = None
    """The person who pays; 0 or None means the patient."""
    provider_id: int | None = None
    """The provider the entry is for."""
    procedure_id: int | None = None
    """The procedure the entry is for."""
    procedure_code: str | None = None
    """The procedure code of the payment."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    description: str | None = None
    """Description of the payment."""
    payment_amount: Money | None = None
    """Amount of the payment; negative, because it lowers the balance."""
    paid_at: Day | None = None
    """Day of the payment, UTC; a date despite the name."""
    deleted_at: Timestamp | None = None
    """Time the payment was deleted in the practice's system, UTC; None unless deleted."""
    transaction_id: str | None = None
    """Id of the transaction, shared by the rows one payment was split into."""
    charge_id: int | None = None
    """The charge's id."""
    claim_id: int | None = None
    """The insurance claim's id."""
    payment_plan_id: int | None = None
    """The payment plan's id."""
    insurance_plan_id: int | None = None
    """The insurance plan's id."""
    payment_type_id: int | None = None
    """The payment type's id."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _AdjustmentExtras(_LegacyEntry):
    """Fields of an adjustment that only a single adjustment has."""

    claim: Claim | None = None
    """The claim; only with a single adjustment."""
    charge: Charge | None = None
    """The charge; only with a single adjustment. Its ``procedure_id`` is text."""
    adjustment_type: AdjustmentType | None = None
    """The adjustment type; only with a single adjustment."""


@frozen(kw_only=True, repr=False)
class Adjustment(_AdjustmentExtras):
    """A correction of a patient's balance that is neither a charge nor a payment.

    Reference: ``GET /adjustments`` (v3); ``adjustments`` of a patient.
    """

    id: int
    """NexHealth's id."""
    foreign_id: str | None = None
    """The adjustment's id in the practice's system."""
    location_id: int | None = None
    """The location the entry belongs to."""
    patient_id: int | None = None
    """The patient the entry is for."""
    guarantor_id: int | None = None
    """The person who pays; 0 or None means the patient."""
    provider_id: int | None = None
    """The provider the entry is for."""
    procedure_id: int | None = None
    """The procedure the entry is for."""
    procedure_code: str | None = None
    """The procedure code of the adjustment."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    description: str | None = None
    """Description of the adjustment."""
    adjustment_amount: Money | None = None
    """Amount of the adjustment; negative if it lowers the balance."""
    adjusted_at: Day | None = None
    """Day of the adjustment, UTC; a date despite the name."""
    deleted_at: Timestamp | None = None
    """Time the adjustment was deleted in the practice's system, UTC; None unless deleted."""
    transaction_id: str | None = None
    """Id of the transaction, shared by the rows one adjustment was split into."""
    charge_id: int | None = None
    """The charge's id."""
    claim_id: int | None = None
    """The insurance claim's id."""
    adjustment_type_id: int | None = None
    """The adjustment type's id."""


@frozen(kw_only=True, repr=False)
class GuarantorBalance(Record):
    """The balance of a guarantor at one location, in total and by age in days (v3).

    Reference: ``GET /guarantor_balances``.
    """

    id: int
    """NexHealth's id."""
    foreign_id: str | None = None
    """The id in the practice's system."""
    guarantor_id: int | None = None
    """Id of the person who pays the balance."""
    location_id: int | None = None
    """The location's id."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    write_off_estimate: Money | None = None
    """Amount that is expected to be written off."""
    total_balance: Money | None = None
    """Balance of all patients the guarantor pays for."""
    insurance_estimate: Money | None = None
    """Part of the balance that insurers are expected to pay."""
    guarantor_portion: Money | None = None
    """Part of the balance that the guarantor has to pay."""
    total_balance_under_30: Money | None = None
    total_balance_31_60: Money | None = None
    total_balance_61_90: Money | None = None
    total_balance_over_90: Money | None = None
    guarantor: Patient | None = None
    """The guarantor; only with a single balance."""


@frozen(kw_only=True, repr=False)
class FeeScheduleProcedure(Record):
    """The price of one procedure in one fee schedule (v3).

    Reference: ``GET /fee_schedule_procedures``; ``procedure_fees`` of a fee schedule;
    ``fee_schedule_procedure_code`` of a claim payout.
    """

    _repr_fields = ("id", "code")

    id: int | None = None
    """NexHealth's id; None inside a fee schedule, which lists only codes and prices."""
    location_id: int | None = None
    """The location's id."""
    fee_schedule_id: int | None = None
    """The fee schedule's id."""
    procedure_code_id: str | None = None
    """The procedure code's id: a UUID, unlike other ids."""
    code: str | None = None
    """Procedure code, such as ``D0120``."""
    fee: Money | None = None
    """Price of the procedure."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class FeeSchedule(Record):
    """A price list (v3).

    Reference: ``GET /fee_schedules``, and ``fee_schedule`` of an insurance plan.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the fee schedule."""
    active: bool | None = None
    """True if the fee schedule is in use."""
    location_id: int | None = None
    """The location's id."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    procedure_fees: tuple[FeeScheduleProcedure, ...] | None = None
    """Prices of the schedule; only with a single fee schedule."""
