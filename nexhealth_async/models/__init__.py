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
    from nexhealth_async.models._base import JSON, Money, Record, Timestamp
    from nexhealth_async.models.clinical import BodySite, Procedure
    from nexhealth_async.models.insurance import InsuranceCoverage, InsurancePlan, Subscriber
    from nexhealth_async.models.ledger import Adjustment, Charge, Payment
    from nexhealth_async.models.people import (
        Patient,
        PatientAddress,
        PatientAlert,
        PatientBio,
        Provider,
        ProviderRequestable,
    )
    from nexhealth_async.models.practice import (
        Emr,
        Institution,
        Location,
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
    "Appointment",
    "AppointmentDescriptor",
    "AppointmentType",
    "BodySite",
    "BookingDetails",
    "Charge",
    "CustomRecurrence",
    "Emr",
    "Institution",
    "InsuranceCoverage",
    "InsurancePlan",
    "Location",
    "Money",
    "Operatory",
    "Patient",
    "PatientAddress",
    "PatientAlert",
    "PatientBio",
    "Payment",
    "Procedure",
    "Provider",
    "ProviderRequestable",
    "Record",
    "Slot",
    "SlotGroup",
    "Specialty",
    "Subscriber",
    "SyncStatus",
    "Timestamp",
    "UpcomingAppointment",
    "WorkingHours",
    "WorkingHoursLabel",
]

_HOMES = {
    "_base": ("JSON", "Money", "Record", "Timestamp"),
    "clinical": ("BodySite", "Procedure"),
    "insurance": ("InsuranceCoverage", "InsurancePlan", "Subscriber"),
    "ledger": ("Adjustment", "Charge", "Payment"),
    "people": (
        "Patient",
        "PatientAddress",
        "PatientAlert",
        "PatientBio",
        "Provider",
        "ProviderRequestable",
    ),
    "practice": ("Emr", "Institution", "Location", "Operatory", "Specialty", "SyncStatus"),
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
