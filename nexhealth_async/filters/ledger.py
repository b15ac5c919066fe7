"""What the ledger may be asked and written."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Required, TypeAlias, TypedDict

from nexhealth_async.filters.shared import CursorOptions, LocationScoped, PracticeScoped

__all__ = [
    "AdjustmentFilters",
    "AdjustmentInclude",
    "AdjustmentOptions",
    "AdjustmentTypeFilters",
    "Amount",
    "ChargeFilters",
    "ChargeInclude",
    "ChargeListInclude",
    "ChargeOptions",
    "ClaimFilters",
    "ClaimInclude",
    "ClaimOptions",
    "FeeScheduleFilters",
    "FeeScheduleInclude",
    "FeeScheduleOptions",
    "FeeScheduleProcedureFilters",
    "GuarantorBalanceFilters",
    "GuarantorBalanceInclude",
    "GuarantorBalanceOptions",
    "InsuranceBalanceFilters",
    "NewAdjustment",
    "NewPayment",
    "PaymentFilters",
    "PaymentInclude",
    "PaymentOptions",
    "PaymentPlanFilters",
    "PaymentPlanInclude",
    "PaymentPlanOptions",
    "PaymentTypeFilters",
]

Amount: TypeAlias = Decimal | int
"""Money in whole units, as dollars; never a float, which cannot hold most cents."""

AdjustmentInclude: TypeAlias = Literal[
    "patient", "provider", "guarantor", "claim", "charge", "adjustment_type"
]
"""Parts of an adjustment that are sent on request."""

ChargeListInclude: TypeAlias = Literal["claim_payouts"]
"""Parts that a list of charges can bring along."""

ChargeInclude: TypeAlias = Literal[
    "patient", "provider", "procedure", "guarantor", "claims", "claim_payouts", "totals"
]
"""Parts of a charge that are sent on request."""

ClaimInclude: TypeAlias = Literal["patient", "provider", "guarantor", "charges", "charge_payouts"]
"""Parts of a claim that are sent on request."""

FeeScheduleInclude: TypeAlias = Literal["procedure_fees"]
"""Parts of a fee schedule that are sent on request."""

GuarantorBalanceInclude: TypeAlias = Literal["guarantor"]
"""Parts of a guarantor's balance that are sent on request."""

PaymentInclude: TypeAlias = Literal[
    "patient", "provider", "guarantor", "claim", "charge", "payment_plan", "payment_type"
]
"""Parts of a payment that are sent on request."""

PaymentPlanInclude: TypeAlias = Literal["patient", "guarantor"]
"""Parts of a payment plan that are sent on request."""


class _Changed(LocationScoped, CursorOptions, total=False):
    updated_since: datetime | None
    """Only those changed at or after this time; one long past asks for everything."""


class _Sorted(_Changed, total=False):
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest change first."""


class _Billed(_Sorted, total=False):
    patient_id: int | None
    """Only those of this patient."""
    provider_id: int | None
    """Only those of this provider."""
    guarantor_id: int | None
    """Only those that this person pays for."""
    include_deleted: bool | None
    """True: also those removed in the practice's system, which have ``deleted_at``."""


class ChargeFilters(_Billed, total=False):
    """Which charges are wanted.

    One of ``patient_id``, ``provider_id``, ``procedure_id``, ``guarantor_id`` and
    ``updated_since`` must be among them.
    """

    procedure_id: int | None
    """Only the charges for this procedure."""
    include: Sequence[ChargeListInclude] | None
    """Parts to send along."""


class ChargeOptions(PracticeScoped, total=False):
    """How one charge is wanted."""

    include: Sequence[ChargeInclude] | None
    """Parts to send along."""


class PaymentFilters(_Billed, total=False):
    """Which payments are wanted.

    One of ``patient_id``, ``provider_id``, ``guarantor_id``, ``charge_id``, ``claim_id``,
    ``transaction_id`` and ``updated_since`` must be among them.
    """

    charge_id: int | None
    """Only those that pay this charge."""
    claim_id: int | None
    """Only those that came from this claim."""
    transaction_id: str | None
    """Only the rows of this payment: the text `NewPayment` was given."""


class PaymentOptions(PracticeScoped, total=False):
    """How one payment is wanted."""

    include: Sequence[PaymentInclude] | None
    """Parts to send along."""


class AdjustmentFilters(_Billed, total=False):
    """Which adjustments are wanted.

    One of ``patient_id``, ``provider_id``, ``guarantor_id``, ``claim_id``, ``charge_id`` and
    ``updated_since`` must be among them.
    """

    claim_id: int | None
    """Only those that came from this claim."""
    charge_id: int | None
    """Only those that correct this charge."""


class AdjustmentOptions(PracticeScoped, total=False):
    """How one adjustment is wanted."""

    include: Sequence[AdjustmentInclude] | None
    """Parts to send along."""


class _NewEntry(LocationScoped, total=False):
    patient_id: Required[int]
    """Whose account it is written to."""
    transaction_id: Required[str]
    """Your own name for this entry, by which it is found again; at most 50 characters.

    Begin it with a mark of your application (``"shop:123456"``), and never use one twice.
    """
    currency: str
    """The amount's currency, as ``"USD"``; that is the server's default."""
    charge_splits: Mapping[int, Amount]
    """How much of the amount goes to which charge, by the charge's id; same unit and sign."""
    provider_splits: Mapping[int, Amount]
    """How much of the amount goes to which provider, by the provider's id; same unit and sign."""
    notes: str
    """Written to the practice's system; some systems cut it off."""


class NewPayment(_NewEntry, total=False):
    """A payment to be written to the practice's ledger, or money given back."""

    amount: Required[Amount]
    """In whole units, as ``Decimal("-138.50")`` dollars.

    Negative is money received, since it lowers the balance; positive is a refund, which not
    every system takes.
    """
    payment_type_id: int
    """Its kind, as ``payment_types`` lists them."""
    paid_at: datetime
    """When it was paid, with a zone; the ledger keeps the day only."""


class NewAdjustment(_NewEntry, total=False):
    """A correction to be written to the practice's ledger."""

    amount: Required[Amount]
    """In whole units, as ``Decimal("-20.00")`` dollars; negative lowers the balance."""
    adjustment_type_id: int
    """Its kind, as ``adjustment_types`` lists them."""
    adjusted_at: datetime
    """The time it counts from, with a zone; the ledger keeps the day only."""


class PaymentTypeFilters(_Changed, total=False):
    """Which payment types are wanted."""

    active: bool | None
    """Only those in use (True, the server's default) or those retired (False)."""


class AdjustmentTypeFilters(_Changed, total=False):
    """Which adjustment types are wanted."""

    active: bool | None
    """Only those in use (True, the server's default) or those retired (False)."""


class ClaimFilters(_Billed, total=False):
    """Which claims are wanted.

    One of ``patient_id``, ``guarantor_id``, ``provider_id``, ``updated_since`` and
    ``date_of_service`` must be among them.
    """

    date_of_service: date | None
    """Only claims for treatment on this very day."""


class ClaimOptions(PracticeScoped, total=False):
    """How one claim is wanted."""

    include: Sequence[ClaimInclude] | None
    """Parts to send along."""


class GuarantorBalanceFilters(_Sorted, total=False):
    """Which balances are wanted; ``guarantor_id`` or ``updated_since`` must be among them."""

    guarantor_id: int | None
    """Only the balance of this person."""
    show_zero_balances: bool | None
    """True: also those who owe nothing; the server leaves them out else."""


class GuarantorBalanceOptions(TypedDict, total=False):
    """How one guarantor's balance is wanted."""

    include: Sequence[GuarantorBalanceInclude] | None
    """Parts to send along."""


class InsuranceBalanceFilters(_Sorted, total=False):
    """Which balances are wanted.

    One of ``patient_id``, ``guarantor_id`` and ``updated_since`` must be among them.
    """

    patient_id: int | None
    """Only those for this patient."""
    guarantor_id: int | None
    """Only those of the patients this person pays for."""


class FeeScheduleFilters(_Changed, total=False):
    """Which fee schedules are wanted."""

    active: bool | None
    """Only those in use (True, the server's default) or those retired (False)."""


class FeeScheduleOptions(PracticeScoped, total=False):
    """How one fee schedule is wanted."""

    include: Sequence[FeeScheduleInclude] | None
    """Parts to send along."""


class FeeScheduleProcedureFilters(_Changed, total=False):
    """Which fees are wanted; ``fee_schedule_id`` or ``updated_since`` must be among them."""

    fee_schedule_id: int | None
    """Only the fees of this schedule."""


class PaymentPlanFilters(_Sorted, total=False):
    """Which payment plans are wanted."""

    patient_id: int | None
    """Only those of this patient."""
    guarantor_id: int | None
    """Only those that this person pays for."""


class PaymentPlanOptions(TypedDict, total=False):
    """How one payment plan is wanted."""

    include: Sequence[PaymentPlanInclude] | None
    """Parts to send along."""
