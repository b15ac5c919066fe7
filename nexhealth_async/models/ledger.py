"""Charges, payments and adjustments, as a patient's record can include them.

The ledger is only there for keys that NexHealth has enabled for it.
"""

from __future__ import annotations

from datetime import date

from attrs import frozen

from nexhealth_async.models._base import Money, Record, Timestamp

__all__ = ["Adjustment", "Charge", "Payment"]


@frozen(kw_only=True, repr=False)
class Charge(Record):
    """What a patient was charged for one procedure.

    Reference: ``charges`` of a patient; ``GET /charges`` in v3.
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
    charged_at: date | None = None
    """A day, in spite of its name."""
    deleted_at: Timestamp | None = None
    """Set once the charge was removed in the practice's system."""


@frozen(kw_only=True, repr=False)
class Payment(Record):
    """Money received for a patient, as a negative amount; a refund is positive.

    One payment may become several rows, tied together by ``transaction_id``.
    Reference: ``payments`` of a patient; ``GET /payments`` in v3.
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
    paid_at: date | None = None
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


@frozen(kw_only=True, repr=False)
class Adjustment(Record):
    """A correction of a patient's balance that is neither charge nor payment.

    Reference: ``adjustments`` of a patient; ``GET /adjustments`` in v3.
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
    adjusted_at: date | None = None
    """A day, in spite of its name."""
    deleted_at: Timestamp | None = None
    """Set once the adjustment was removed in the practice's system."""
    transaction_id: str | None = None
    """Shared by the rows that one entry was split into."""
    charge_id: int | None = None
    claim_id: int | None = None
    adjustment_type_id: int | None = None
