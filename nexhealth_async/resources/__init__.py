"""The nouns of the API, one class each: thin, typed methods that speak to a session only."""

from __future__ import annotations

from nexhealth_async.resources.clinical import Procedures
from nexhealth_async.resources.people import Patients, Providers
from nexhealth_async.resources.practice import (
    Institutions,
    LocationDescriptors,
    Locations,
    Operatories,
    SyncStatuses,
)
from nexhealth_async.resources.schedule import (
    AppointmentDescriptors,
    Appointments,
    AppointmentTypes,
    AvailableSlots,
    TypeDescriptors,
    WorkingHours,
)

__all__ = [
    "AppointmentDescriptors",
    "AppointmentTypes",
    "Appointments",
    "AvailableSlots",
    "Institutions",
    "LocationDescriptors",
    "Locations",
    "Operatories",
    "Patients",
    "Procedures",
    "Providers",
    "SyncStatuses",
    "TypeDescriptors",
    "WorkingHours",
]
