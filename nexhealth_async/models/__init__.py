"""The records of a practice as frozen attrs classes.

Attribute names are the API's own. Every field but ``id`` may be absent; absent and null are both
``None``. A list is ``()`` where the server said "none", and ``None`` where it was not asked for.
Words such as a status are plain strings, because the API gets new ones every few months.

A record compares by value and prints only its id. The modules behind these names are loaded when a
name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexhealth_async.models._base import (
        JSON,
        Money,
        Record,
        Timestamp,
    )
    from nexhealth_async.models.clinical import (
        BodySite,
        ClinicalNote,
        PatientRecall,
        Procedure,
        RecallType,
        TreatmentPlan,
    )
    from nexhealth_async.models.hooks import (
        WebhookEndpoint,
        WebhookSubscription,
    )
    from nexhealth_async.models.insurance import (
        Claim,
        ClaimPayout,
        ClaimTotals,
        InsuranceBalance,
        InsuranceCoverage,
        InsurancePlan,
        Subscriber,
    )
    from nexhealth_async.models.ledger import (
        Adjustment,
        AdjustmentType,
        Charge,
        FeeSchedule,
        FeeScheduleProcedure,
        GuarantorBalance,
        Payment,
        PaymentPlan,
        PaymentType,
    )
    from nexhealth_async.models.people import (
        Document,
        DocumentType,
        Patient,
        PatientAddress,
        PatientAlert,
        PatientBio,
        PrivacyAuthorization,
        Provider,
        ProviderRequestable,
        StaffMember,
    )
    from nexhealth_async.models.practice import (
        BookingParams,
        Emr,
        Institution,
        Location,
        Onboarding,
        Operatory,
        Specialty,
        SyncStatus,
    )
    from nexhealth_async.models.schedule import (
        Appointment,
        AppointmentDescriptor,
        AppointmentType,
        BookingDetails,
        CustomRecurrence,
        Slot,
        SlotGroup,
        UpcomingAppointment,
        WorkingHours,
        WorkingHoursLabel,
    )

__all__ = [
    "JSON",
    "Adjustment",
    "AdjustmentType",
    "Appointment",
    "AppointmentDescriptor",
    "AppointmentType",
    "BodySite",
    "BookingDetails",
    "BookingParams",
    "Charge",
    "Claim",
    "ClaimPayout",
    "ClaimTotals",
    "ClinicalNote",
    "CustomRecurrence",
    "Document",
    "DocumentType",
    "Emr",
    "FeeSchedule",
    "FeeScheduleProcedure",
    "GuarantorBalance",
    "Institution",
    "InsuranceBalance",
    "InsuranceCoverage",
    "InsurancePlan",
    "Location",
    "Money",
    "Onboarding",
    "Operatory",
    "Patient",
    "PatientAddress",
    "PatientAlert",
    "PatientBio",
    "PatientRecall",
    "Payment",
    "PaymentPlan",
    "PaymentType",
    "PrivacyAuthorization",
    "Procedure",
    "Provider",
    "ProviderRequestable",
    "RecallType",
    "Record",
    "Slot",
    "SlotGroup",
    "Specialty",
    "StaffMember",
    "Subscriber",
    "SyncStatus",
    "Timestamp",
    "TreatmentPlan",
    "UpcomingAppointment",
    "WebhookEndpoint",
    "WebhookSubscription",
    "WorkingHours",
    "WorkingHoursLabel",
]

_HOMES = {
    "_base": (
        "JSON",
        "Money",
        "Record",
        "Timestamp",
    ),
    "clinical": (
        "BodySite",
        "ClinicalNote",
        "PatientRecall",
        "Procedure",
        "RecallType",
        "TreatmentPlan",
    ),
    "hooks": (
        "WebhookEndpoint",
        "WebhookSubscription",
    ),
    "insurance": (
        "Claim",
        "ClaimPayout",
        "ClaimTotals",
        "InsuranceBalance",
        "InsuranceCoverage",
        "InsurancePlan",
        "Subscriber",
    ),
    "ledger": (
        "Adjustment",
        "AdjustmentType",
        "Charge",
        "FeeSchedule",
        "FeeScheduleProcedure",
        "GuarantorBalance",
        "Payment",
        "PaymentPlan",
        "PaymentType",
    ),
    "people": (
        "Document",
        "DocumentType",
        "Patient",
        "PatientAddress",
        "PatientAlert",
        "PatientBio",
        "PrivacyAuthorization",
        "Provider",
        "ProviderRequestable",
        "StaffMember",
    ),
    "practice": (
        "BookingParams",
        "Emr",
        "Institution",
        "Location",
        "Onboarding",
        "Operatory",
        "Specialty",
        "SyncStatus",
    ),
    "schedule": (
        "Appointment",
        "AppointmentDescriptor",
        "AppointmentType",
        "BookingDetails",
        "CustomRecurrence",
        "Slot",
        "SlotGroup",
        "UpcomingAppointment",
        "WorkingHours",
        "WorkingHoursLabel",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load the module a model lives in, the first time the model is asked for."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the models, loaded or not."""
    return sorted({*globals(), *__all__})
