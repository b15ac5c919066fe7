"""The nouns of the API, one class each: thin, typed methods that speak to a session only."""

from __future__ import annotations

from nexhealth_async.resources.clinical import (
    ClinicalNotes,
    PatientRecalls,
    Procedures,
    RecallTypes,
    TreatmentPlans,
)
from nexhealth_async.resources.hooks import (
    WebhookEndpoints,
    WebhookSubscriptions,
)
from nexhealth_async.resources.insurance import (
    InsuranceCoverages,
    InsurancePlans,
)
from nexhealth_async.resources.ledger import (
    Adjustments,
    AdjustmentTypes,
    Charges,
    Claims,
    FeeScheduleProcedures,
    FeeSchedules,
    GuarantorBalances,
    InsuranceBalances,
    PaymentPlans,
    Payments,
    PaymentTypes,
)
from nexhealth_async.resources.people import (
    NexStaff,
    PatientAlerts,
    PatientDocuments,
    Patients,
    Providers,
)
from nexhealth_async.resources.practice import (
    DocumentTypes,
    Institutions,
    LocationDescriptors,
    LocationProviders,
    Locations,
    Onboardings,
    Operatories,
    SyncStatuses,
)
from nexhealth_async.resources.schedule import (
    AppointmentCategories,
    AppointmentDescriptors,
    Appointments,
    AppointmentTypes,
    AvailableSlots,
    TypeDescriptors,
    WorkingHourLabels,
    WorkingHours,
)

__all__ = [
    "AdjustmentTypes",
    "Adjustments",
    "AppointmentCategories",
    "AppointmentDescriptors",
    "AppointmentTypes",
    "Appointments",
    "AvailableSlots",
    "Charges",
    "Claims",
    "ClinicalNotes",
    "DocumentTypes",
    "FeeScheduleProcedures",
    "FeeSchedules",
    "GuarantorBalances",
    "Institutions",
    "InsuranceBalances",
    "InsuranceCoverages",
    "InsurancePlans",
    "LocationDescriptors",
    "LocationProviders",
    "Locations",
    "NexStaff",
    "Onboardings",
    "Operatories",
    "PatientAlerts",
    "PatientDocuments",
    "PatientRecalls",
    "Patients",
    "PaymentPlans",
    "PaymentTypes",
    "Payments",
    "Procedures",
    "Providers",
    "RecallTypes",
    "SyncStatuses",
    "TreatmentPlans",
    "TypeDescriptors",
    "WebhookEndpoints",
    "WebhookSubscriptions",
    "WorkingHourLabels",
    "WorkingHours",
]
