"""Where the table differs on purpose from what is published of the API, and why."""

from __future__ import annotations

__all__ = ["KEPT", "LOGIN_REASON", "MORE_THAN_THE_API"]

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
    "available_slots.flat": "walks available_slots in windows and takes the groups apart",
    "patients.find_or_create": "searches and creates in one step, and tells which it was",
    "patients.documents.download": "follows a record's url, which is no operation of the API's",
}
"""Methods that stand for no operation of their own."""

LOGIN_REASON = "the session logs in by itself, so the login has a row and no method"
"""Why the only operation without a method has none: ``POST /authenticates``."""
