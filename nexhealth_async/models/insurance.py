"""Insurance as it hangs on a patient."""

from __future__ import annotations

from datetime import date

from attrs import frozen

from nexhealth_async.models._base import Record, Timestamp

__all__ = ["InsuranceCoverage", "InsurancePlan", "Subscriber"]


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
    patient_coverages: tuple[InsuranceCoverage, ...] | None = None
    """Who is covered; only when included."""


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
