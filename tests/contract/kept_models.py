"""Where the models differ from the vendor's document on purpose, and why.

Schemas are named as in the document without ``API_`` and ``Entities_``.
"""

from __future__ import annotations

from datetime import date, datetime

from nexhealth_async.models import BookingParams, CustomRecurrence, PatientBio

__all__ = ["LEAVES", "WRAPPERS"]

WRAPPERS: dict[str, tuple[str | None, str]] = {
    "V2_AppointmentResponse": (
        "appt",
        "users get the appointment; the stripe_client_secret beside it is kept by no object",
    ),
    "V2_PatientsResponses_Create": ("user", "users get the patient"),
    "V2_AuthorizationResponse": (None, "the session keeps the token to itself"),
}
"""Schemas without a model: the property that holds the record, if any, and the reason."""

_NO_FORMAT = "the document leaves out the format; text and example are timestamps"
_OPEN = "an open object in the document; its keys are known from example, text and recordings"

LEAVES: dict[str, tuple[set[type], str]] = {
    "Charge.procedure_id": (
        {int, str},
        "a number, but text in the charge of a payment or adjustment: one class holds both",
    ),
    "Location.created_at": ({datetime}, _NO_FORMAT),
    "Location.updated_at": ({datetime}, _NO_FORMAT),
    "Location.last_sync_time": ({datetime}, _NO_FORMAT),
    "Onboarding.booking_params": ({BookingParams}, _OPEN),
    "Patient.bio": ({PatientBio}, _OPEN),
    "Provider.bio": ({PatientBio}, _OPEN),
    "Slot.end_time": ({datetime}, _NO_FORMAT),
    "Slot.time": ({datetime}, _NO_FORMAT),
    "Subscriber.date_of_birth": ({date}, "the document leaves out the format; it is a day"),
    "WorkingHours.custom_recurrence": ({CustomRecurrence}, _OPEN),
}
"""Fields of another type than the document's: the types beside None, and the reason."""
