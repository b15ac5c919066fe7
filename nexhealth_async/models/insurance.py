"""Insurance plans, coverages, claims and insurance balances."""

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
    """NexHealth's id."""
    name: str | None = None
    """Full name."""
    date_of_birth: date | None = None
    """The subscriber's date of birth."""


@frozen(kw_only=True, repr=False)
class InsurancePlan(Record):
    """An insurance plan in the practice's system.

    Reference: ``GET /insurance_plans``, and ``plan`` of an insurance coverage.
    """

    id: int
    """NexHealth's id."""
    payer_id: str | None = None
    """Id of the insurer for electronic claims, as text: it may look like a number and start with
    zeros."""
    name: str | None = None
    """Name of the plan."""
    address: str | None = None
    """First line of the street address, as text (a patient's ``address`` is an object)."""
    address2: str | None = None
    """Second line of the street address."""
    city: str | None = None
    """City of the address."""
    state: str | None = None
    """Two-letter state code."""
    zip_code: str | None = None
    """Postal code."""
    country_code: str | None = None
    """Two-letter country code."""
    group_num: str | None = None
    """Group number."""
    employer_name: str | None = None
    """Name of the employer."""
    foreign_id: str | None = None
    """The plan's id in the practice's system; not always sent."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    deleted_at: Timestamp | None = None
    """Time the plan was deleted in the practice's system, UTC; None unless deleted."""
    patient_coverages: tuple[InsuranceCoverage, ...] | None = None
    """Coverages under the plan; only when included."""
    subscribers: tuple[Subscriber, ...] | None = None
    """People who hold a policy under the plan; only when included."""
    fee_schedule: FeeSchedule | None = None
    """The fee schedule of the plan; only when included."""


@frozen(kw_only=True, repr=False)
class InsuranceCoverage(Record):
    """The coverage of one patient under one plan.

    Reference: ``GET /patients/{id}/insurance_coverages`` (v3: ``GET /insurance_coverages``), and
    ``insurance_coverages`` of a patient.
    """

    id: int
    """NexHealth's id."""
    subscription_relation: str | None = None
    """Relationship of the patient to the subscriber: ``self``, ``spouse``, ``child``, ``employee``,
    ``handicap_dep``, ``signif_other``, ``injured_plaintiff``, ``life_partner``, ``dependent`` or
    ``other``."""
    patient_id: int | None = None
    """The covered patient's id."""
    priority: int | None = None
    """Rank of the coverage: the lowest number is the primary insurance. Systems start at 0 or at 1.
    """
    plan_id: int | None = None
    """The insurance plan's id."""
    subscriber_num: str | None = None
    """The subscriber's number with the insurer."""
    effective_date: date | None = None
    """First day of the coverage."""
    expiration_date: date | None = None
    """Day the coverage expires."""
    insurance_type: str | None = None
    """``dental``, ``medical`` or ``vision``; v3 only."""
    active: bool | None = None
    """True if the coverage is active; v3 only."""
    updated_at: Timestamp | None = None
    """Last change of the coverage or its subscription, UTC; v3 only."""
    plan: InsurancePlan | None = None
    """The insurance plan."""
    subscriber: Subscriber | None = None
    """The person who holds the policy."""


@frozen(kw_only=True, repr=False)
class ClaimTotals(Record):
    """Billed, estimated and paid insurance amounts of a claim, or of all claims of a charge.

    The amounts are often negative.
    Reference: ``totals`` of claims and charges.
    """

    _repr_fields = ()

    amount_billed_to_insurance: Money | None = None
    estimated_insurance_payment: Money | None = None
    insurance_payment: Money | None = None
    write_off: Money | None = None
    """Amount that nobody pays."""


@frozen(kw_only=True, repr=False)
class ClaimPayout(Record):
    """The insurance amounts of one charge on one claim.

    Inside a charge, ``claim_id`` is set; inside a claim, ``charge_id`` is set. The other id is
    None.
    Reference: ``claim_payouts`` of a charge and ``charge_payouts`` of a claim.
    """

    _repr_fields = ("claim_id", "charge_id")

    claim_id: int | None = None
    """The claim's id; None inside a claim."""
    charge_id: int | None = None
    """The charge's id; None inside a charge."""
    amount_billed_to_insurance: Money | None = None
    estimated_insurance_payment: Money | None = None
    insurance_payment: Money | None = None
    write_off: Money | None = None
    """Amount that nobody pays."""
    allowed_amount: Money | None = None
    """Highest price that the plan accepts."""
    fee_schedule_procedure_code: FeeScheduleProcedure | None = None
    """The fee schedule entry that was applied."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _ClaimExtras(Record):
    """Fields of a single claim, and of a claim inside a payment or adjustment."""

    patient: Patient | None = None
    """The patient; only with a single claim."""
    provider: Provider | None = None
    """The provider; only with a single claim."""
    guarantor: Patient | None = None
    """The person who pays; only with a single claim."""
    charge_payouts: tuple[ClaimPayout, ...] | None = None
    """Amounts for each charge of the claim; only with a single claim."""
    charges: tuple[Charge, ...] | None = None
    """Charges on the claim; only with a single claim."""

    subscription_id: int | None = None
    """The patient's insurance subscription; only inside a payment or adjustment."""
    finalized_at: Timestamp | None = None
    """Time the claim was closed, UTC; only inside a payment or adjustment."""
    payment_estimate_total: Money | None = None
    """Only inside a payment or adjustment."""
    write_off_estimate_total: Money | None = None
    """Only inside a payment or adjustment."""
    write_off_total: Money | None = None
    """Only inside a payment or adjustment."""


@frozen(kw_only=True, repr=False)
class Claim(_ClaimExtras):
    """A bill to an insurer (v3).

    Reference: ``GET /claims``; ``claims`` of a charge; ``claim`` of a payment or adjustment.
    """

    id: int
    """NexHealth's id."""
    location_id: int | None = None
    """The location's id; None if the claim has no location."""
    patient_id: int | None = None
    """The patient's id; None if the claim has no patient."""
    provider_id: int | None = None
    """The provider's id; None if the claim has no provider."""
    guarantor_id: int | None = None
    """Id of the person who pays; None if the claim has no guarantor."""
    status: str | None = None
    """``draft``, ``sent``, ``received``, ``canceled`` or ``paid``; inside a payment or adjustment
    also ``approved`` or ``rejected``."""
    received_at: Timestamp | None = None
    """Time the claim came back from the insurer, UTC."""
    sent_at: Timestamp | None = None
    """Time the claim was sent to the insurer, UTC."""
    note: str | None = None
    """Note on the claim."""
    primary_insurance_plan_id: int | None = None
    """The primary plan the claim was or will be sent to."""
    secondary_insurance_plan_id: int | None = None
    """The secondary plan the claim was or will be sent to."""
    date_of_service: date | None = None
    """Day of the treatment, in UTC."""
    totals: ClaimTotals | None = None
    """Sums over the charges of the claim."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    deleted_at: Timestamp | None = None
    """Time the claim was deleted in the practice's system, UTC; None unless deleted."""


@frozen(kw_only=True, repr=False)
class InsuranceBalance(Record):
    """The amount insurers owe for one patient, by age in days (v3).

    Reference: ``GET /insurance_balances``.
    """

    id: int
    """NexHealth's id."""
    patient_id: int | None = None
    """The patient's id."""
    guarantor_id: int | None = None
    """Id of the person who pays."""
    location_id: int | None = None
    """The location's id."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    estimated_amount_under_30: Money | None = None
    """Amount that insurers are expected to pay."""
    estimated_amount_31_60: Money | None = None
    estimated_amount_61_90: Money | None = None
    estimated_amount_over_90: Money | None = None
    billed_amount_under_30: Money | None = None
    """Amount billed to insurers."""
    billed_amount_31_60: Money | None = None
    billed_amount_61_90: Money | None = None
    billed_amount_over_90: Money | None = None
