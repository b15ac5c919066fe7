"""Records in v3's form: fields that v3 leaves out, adds or spells differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from nexhealth_async.sandbox.json_format import JsonRow, row

__all__ = [
    "descriptor",
    "descriptor_ids",
    "hours_v3",
    "patient_v3",
    "person_v3",
    "price",
    "procedure_v3",
    "with_declared_fields",
    "without_fields",
]

_NEVER_NULL: Final = frozenset(
    {
        "adjustment_type",
        "address",
        "appointment_type",
        "appt",
        "body_site",
        "booking_details",
        "campaign_id",
        "campaign_medium",
        "campaign_type",
        "charge",
        "claim",
        "disabled_at",
        "document_type_id",
        "fee",
        "fee_schedule",
        "guarantor",
        "hipaa",
        "label",
        "last_visited_appointment",
        "operatory",
        "patient",
        "payment_plan",
        "payment_type",
        "plan",
        "procedure",
        "provider",
        "recall_type",
        "specialty",
        "stripe_client_secret",
        "subscriber",
        "surface",
        "totals",
    }
)
"""Fields that v3's OpenAPI document does not allow to be null, in any record."""


def with_declared_fields(value: object) -> object:
    """Return the value without the nulls that v3's OpenAPI document does not allow."""
    if isinstance(value, dict):
        record = cast("JsonRow", value)
        return {
            name: with_declared_fields(field)
            for name, field in record.items()
            if field is not None or name not in _NEVER_NULL
        }
    if isinstance(value, list):
        return [with_declared_fields(item) for item in cast("list[object]", value)]
    return value


def without_fields(record: JsonRow, *names: str) -> JsonRow:
    """Return the record without these fields."""
    return {name: value for name, value in record.items() if name not in names}


def descriptor(record: JsonRow, *, as_text: bool) -> JsonRow:
    """Return an appointment descriptor, whose id is a string in some practice systems."""
    return {**record, "id": f"{_TEXT_ID}{record['id']}"} if as_text else record


def descriptor_ids(value: object) -> list[int]:
    """Return the descriptor ids of a request body, which are integers or strings."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    numbers = [str(id).removeprefix(_TEXT_ID) for id in items if isinstance(id, int | str)]
    return [int(id) for id in numbers if id.isdecimal()]


_TEXT_ID: Final = "OD-"


def price(amount: float | str, currency: str = "USD") -> JsonRow:
    """Return an amount of money, as a string in units of the currency."""
    amount_text = amount if isinstance(amount, str) else f"{amount:.2f}"
    return {"amount": amount_text, "currency": currency}


def patient_v3(record: JsonRow, *, listed: bool) -> JsonRow:
    """Return a patient; rows of the listing have no ``location_ids``."""
    shown = without_fields(record, "unsubscribe_sms", "balance")
    if listed:
        shown = without_fields(shown, "location_ids", "preferred_locale")
    return {
        **shown,
        "hipaa": {
            "authorization": True,
            "authorization_date": "2025-01-15",
            "privacy": True,
            "privacy_date": "2025-01-15",
            "consent": True,
            "consent_date": "2025-01-15",
        },
    }


_DENTIST_TEXTS: Final = ("display_name", "npi", "tin", "state_license", "specialty_code")


def person_v3(record: JsonRow | None) -> JsonRow | None:
    """Return a provider inside another record, without strings that are null."""
    if record is None:
        return None
    return {
        name: value
        for name, value in without_fields(record, "provider_requestables").items()
        if value is not None or name not in _DENTIST_TEXTS
    }


def procedure_v3(record: JsonRow, plans: Mapping[int, list[int]] | None = None) -> JsonRow:
    """Return a procedure with teeth as a list, and ``treatment_plan_ids`` if ``plans`` is set."""
    site = row(record.get("body_site"))
    shown = dict(record)
    if site is not None:
        tooth = site.get("tooth")
        shown["body_site"] = {**site, "tooth": [tooth] if isinstance(tooth, str) else tooth or []}
    if plans is not None:
        id = record.get("id")
        shown["treatment_plan_ids"] = plans.get(id, []) if isinstance(id, int) else []
    return shown


def hours_v3(record: JsonRow, label: JsonRow | None) -> JsonRow:
    """Return working hours with their source as text and their label."""
    shown = without_fields(record, "synced", "label_id")
    shown["days"] = record.get("days") or []
    shown["source"] = "synced" if record.get("synced") else "manual"
    shown["label"] = label and {name: label.get(name) for name in ("id", "location_id", "name")}
    return shown
