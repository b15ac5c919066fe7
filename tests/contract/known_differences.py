"""Deliberate differences between our table and models and the published API, with reasons.

Schemas are named as in the vendor's document without ``API_`` and ``Entities_``.
"""

from __future__ import annotations

from datetime import date, datetime

from nexhealth_async.models import BookingParams, CustomRecurrence, PatientBio

__all__ = ["FROM_GUIDES", "KEPT", "LEAVES", "LOGIN_REASON", "MORE_THAN_THE_API", "WRAPPERS"]

_LEGACY = (
    "an older way that current documents leave out; offered in v2 because all its operations are, "
    "with a docstring that names the better way"
)

_FILE = "filename and content_type go into the header of the file's own part"

KEPT: dict[tuple[str, str, str], str] = {
    ("v2", "available_slots.walk", "required"): (
        "lids is bound by the scope; pids is marked uncertain, so pids or appointment_type_id"
    ),
    ("v2", "appointment_types.update", "body required"): "a change needs no name",
    ("v2", "patients.documents.create", "body"): _FILE,
    ("v2", "locations.providers.walk", "legacy"): _LEGACY,
    ("v2", "appointment_categories.walk", "legacy"): _LEGACY,
    ("v3", "appointment_types.create", "body required"): (
        "v2's documentation requires the name, and an appointment type without one is of no use"
    ),
    ("v3", "patients.documents.create", "body"): _FILE,
    ("v3", "available_slots.walk", "required"): "lids is bound by the scope",
}
"""Version, method and aspect of each difference, with its reason."""

MORE_THAN_THE_API: dict[str, str] = {
    "adjustments.confirm": "walks adjustments until the one that was written shows",
    "appointments.book": "searches the slot again, books it, and looks for it if need be",
    "appointments.confirm": "gets the appointment until it has reached the practice's system",
    "appointments.reschedule": "updates where that can move it, else books and cancels",
    "available_slots.flat": "walks available_slots in windows and takes the groups apart",
    "patients.confirm": "gets the patient until they have reached the practice's system",
    "patients.find_or_create": "searches and creates in one step, and tells which it was",
    "patients.documents.download": "follows a record's url, which is no operation of the API's",
    "payments.confirm": "walks payments until the one that was written shows",
}
"""Methods that have no operation."""

LOGIN_REASON = "the session logs in by itself, so the login has a row and no method"
"""Reason why ``POST /authenticates`` is the only operation without a method."""

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

FROM_GUIDES: dict[str, set[str]] = {
    "patients.walk": {"include_upcoming_appts"},
}
"""Filters of v2 that its guides use and its reference pages omit."""

LEAVES: dict[str, tuple[set[type], str]] = {
    "AppointmentDescriptor.id": ({int, str}, "some practice systems have alphanumeric ids"),
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
"""Fields whose type differs from the document's: the types besides None, and the reason."""
