"""Insurance plans, whom they cover, and what is claimed from them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async.models._base import Money, Record, Timestamp, optional_fields

if TYPE_CHECKING:
    from nexhealth_async.models.ledger import Charge, FeeSchedule, FeeScheduleProcedure
    from nexhealth_async.models.people import Patient, Provider

__all__ = [
    "Claim",
    "ClaimPayout",
    "ClaimTotals",
    "InsuranceBalance",
    "InsuranceCoverage",
    "InsurancePlan",
    "Subscriber",
]


@frozen(kw_only=True, repr=False)
class Subscriber(Record):
    """The person who holds an insurance policy; often not the patient.

    Reference: ``subscriber`` of an insurance coverage.
    """

    id: int
    name: str | None = None
    """Full name."""
    date_of_birth: date | None = None


@frozen(kw_only=True, repr=False)
class InsurancePlan(Record):
    """An insurance plan as the practice's system knows it.

    Reference: ``GET /insurance_plans``, and ``plan`` of an insurance coverage.
    """

    id: int
    payer_id: str | None = None
    """The payer's code; it may look like a number and start with zeros."""
    name: str | None = None
    address: str | None = None
    """A line of text here, unlike a patient's address, which is an object."""
    address2: str | None = None
    city: str | None = None
    state: str | None = None
    zip_code: str | None = None
    country_code: str | None = None
    group_num: str | None = None
    employer_name: str | None = None
    foreign_id: str | None = None
    """The plan's id in the practice's system; not always sent."""
    updated_at: Timestamp | None = None
    deleted_at: Timestamp | None = None
    """Set once the plan was removed in the practice's system."""
    patient_coverages: tuple[InsuranceCoverage, ...] | None = None
    """Who is covered; only when included, as all that follow."""
    subscribers: tuple[Subscriber, ...] | None = None
    """Who holds a policy under this plan."""
    fee_schedule: FeeSchedule | None = None
    """The price list agreed with the payer."""


@frozen(kw_only=True, repr=False)
class InsuranceCoverage(Record):
    """One patient's cover under one plan.

    Reference: ``GET /patients/{id}/insurance_coverages`` (v3: ``GET /insurance_coverages``), and
    ``insurance_coverages`` of a patient.
    """

    id: int
    subscription_relation: str | None = None
    """What the patient is to the subscriber: ``self``, ``spouse``, ``child``, ``employee``,
    ``handicap_dep``, ``signif_other``, ``injured_plaintiff``, ``life_partner``, ``dependent``,
    ``other``."""
    patient_id: int | None = None
    priority: int | None = None
    """The lowest number is the primary insurance; systems start at 0 or at 1."""
    plan_id: int | None = None
    subscriber_num: str | None = None
    """The subscriber's number with the insurer."""
    effective_date: date | None = None
    expiration_date: date | None = None
    insurance_type: str | None = None
    """``dental``, ``medical`` or ``vision``; v3 only."""
    active: bool | None = None
    """v3 only."""
    updated_at: Timestamp | None = None
    """v3 only."""
    plan: InsurancePlan | None = None
    subscriber: Subscriber | None = None


@frozen(kw_only=True, repr=False)
class ClaimTotals(Record):
    """What insurance is asked for and gives, summed over a claim or over the claims of a charge.

    The amounts are often negative.
    Reference: ``totals`` of claims and charges.
    """

    _repr_fields = ()

    amount_billed_to_insurance: Money | None = None
    estimated_insurance_payment: Money | None = None
    insurance_payment: Money | None = None
    write_off: Money | None = None
    """What nobody will pay."""


@frozen(kw_only=True, repr=False)
class ClaimPayout(Record):
    """What one claim means for one charge.

    Found in a charge it names the claim, found in a claim it names the charge; the other id is
    None.
    Reference: ``claim_payouts`` of a charge and ``charge_payouts`` of a claim.
    """

    _repr_fields = ("claim_id", "charge_id")

    claim_id: int | None = None
    charge_id: int | None = None
    amount_billed_to_insurance: Money | None = None
    estimated_insurance_payment: Money | None = None
    insurance_payment: Money | None = None
    write_off: Money | None = None
    """What nobody will pay."""
    allowed_amount: Money | None = None
    """The highest price the plan accepts."""
    fee_schedule_procedure_code: FeeScheduleProcedure | None = None
    """The entry of the price list that was used."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _ClaimExtras(Record):
    """What comes with a single claim, and what only a claim inside a payment or adjustment has."""

    patient: Patient | None = None
    """Only with a single claim, as all fields down to ``charges``."""
    provider: Provider | None = None
    guarantor: Patient | None = None
    charge_payouts: tuple[ClaimPayout, ...] | None = None
    """What the claim means for each of its charges."""
    charges: tuple[Charge, ...] | None = None

    subscription_id: int | None = None
    """Only inside a payment or adjustment, as all fields below. The cover claimed on."""
    finalized_at: Timestamp | None = None
    """When the claim was closed."""
    payment_estimate_total: Money | None = None
    write_off_estimate_total: Money | None = None
    write_off_total: Money | None = None


@frozen(kw_only=True, repr=False)
class Claim(_ClaimExtras):
    """A bill to an insurer (v3).

    Reference: ``GET /claims``; ``claims`` of a charge; ``claim`` of a payment or adjustment.
    """

    id: int
    location_id: int | None = None
    patient_id: int | None = None
    provider_id: int | None = None
    guarantor_id: int | None = None
    status: str | None = None
    """``draft``, ``sent``, ``received``, ``canceled`` and ``paid``; inside a payment or adjustment
    also ``approved`` and ``rejected``."""
    received_at: Timestamp | None = None
    """When the insurer's answer came."""
    sent_at: Timestamp | None = None
    note: str | None = None
    primary_insurance_plan_id: int | None = None
    secondary_insurance_plan_id: int | None = None
    date_of_service: date | None = None
    """The day of the treatment, in UTC."""
    totals: ClaimTotals | None = None
    updated_at: Timestamp | None = None
    deleted_at: Timestamp | None = None
    """Set once the claim was removed in the practice's system."""


@frozen(kw_only=True, repr=False)
class InsuranceBalance(Record):
    """What insurers still owe for one patient, by age in days (v3).

    Reference: ``GET /insurance_balances``.
    """

    id: int
    patient_id: int | None = None
    guarantor_id: int | None = None
    location_id: int | None = None
    updated_at: Timestamp | None = None
    estimated_amount_under_30: Money | None = None
    """What the insurers are expected to pay."""
    estimated_amount_31_60: Money | None = None
    estimated_amount_61_90: Money | None = None
    estimated_amount_over_90: Money | None = None
    billed_amount_under_30: Money | None = None
    """What was billed to them."""
    billed_amount_31_60: Money | None = None
    billed_amount_61_90: Money | None = None
    billed_amount_over_90: Money | None = None
