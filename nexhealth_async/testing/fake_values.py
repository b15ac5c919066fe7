"""What the fields of invented records hold: plausible, and nobody's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final, TypeAlias

from nexhealth_async.models import Money, PatientBio
from nexhealth_async.sandbox.fake_names import CODES, FIRST, LAST, STREETS, TYPES

__all__ = ["ValueMaker", "value_maker"]

ValueMaker: TypeAlias = Callable[[int], object]
"""Makes a field's value from the number of the record, which counts from 1."""

_ZONE: Final = timezone(timedelta(hours=-4))
"""New York's in summer."""
_MORNING: Final = datetime(2026, 6, 1, 9, tzinfo=_ZONE)

_BETWEEN_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _first(nth: int) -> str:
    return FIRST[(nth - 1) % len(FIRST)]


def _last(nth: int) -> str:
    return LAST[(nth - 1) * 5 % len(LAST)]


def _full(nth: int) -> str:
    return f"{_first(nth)} {_last(nth)}"


def _email(nth: int) -> str:
    return f"{_first(nth)}.{_last(nth)}.{nth}@example.com".lower()


def _starts(nth: int) -> datetime:
    return _MORNING + timedelta(days=(nth - 1) // 16, minutes=30 * ((nth - 1) % 16))


def _ends(nth: int) -> datetime:
    return _starts(nth) + timedelta(minutes=30)


def _in_utc(moment: Callable[[int], datetime]) -> ValueMaker:
    return lambda nth: moment(nth).astimezone(UTC)


def _constant(value: object) -> ValueMaker:
    return lambda _: value


def _cycle(*values: object) -> ValueMaker:
    return lambda nth: values[(nth - 1) % len(values)]


def _phone(nth: int) -> str:
    return f"21255501{nth % 100:02d}"


def _date_of_birth(nth: int) -> date:
    return date(1950, 1, 1) + timedelta(days=nth * 997 % 20_000)


def _fee(nth: int) -> Money:
    return Money(amount=Decimal(CODES[(nth - 1) % len(CODES)][2]), currency="USD")


def _amount_paid(nth: int) -> Money:
    return Money(amount=-_fee(nth).amount, currency="USD")


def _bio(nth: int) -> PatientBio:
    return PatientBio(
        date_of_birth=_date_of_birth(nth),
        gender=("Female", "Male", "Other")[nth % 3],
        new_patient=False,
        non_patient=False,
        phone_number=_phone(nth),
    )


_FLAGS: Final = {
    **dict.fromkeys(
        (
            *("cancelled", "checked_out", "confirmed", "deleted", "inactive", "is_guardian"),
            *("is_past_patient", "new_patient", "non_patient", "patient_confirmed"),
            *("patient_missed", "sooner_if_possible", "unavailable", "unsubscribe_sms"),
        ),
        False,
    ),
    **dict.fromkeys(("active", "bookable_online", "map_by_operatory"), True),
}

_RELATED: Final = (
    *("appointment_type_id", "institution_id", "lid", "location_id", "operatory_id"),
    *("patient_id", "pid", "plan_id", "provider_id", "recall_id", "webhook_endpoint_id"),
)

_BY_NAME: Final[Mapping[str, ValueMaker]] = {
    **{name: _constant(value) for name, value in _FLAGS.items()},
    # Whatever belongs to something belongs to the first one made.
    **{name: _constant(1) for name in _RELATED},
    "amount": _cycle(*(Decimal(fee) for _, _, fee in CODES)),
    "code": _cycle(*(code for code, _, _ in CODES)),
    "created_at": _in_utc(lambda _: _MORNING),
    "currency": _constant("USD"),
    "date_of_birth": _date_of_birth,
    "email": _email,
    "end_time": _in_utc(_ends),
    "fee": _fee,
    "first_name": _first,
    "foreign_id": str,
    "foreign_id_type": _constant("remote_db-sandbox-DataSource-1"),
    "gender": _cycle("Female", "Male", "Other"),
    "id": lambda nth: nth,
    "last_name": _last,
    "minutes": _cycle(*(minutes for _, minutes in TYPES)),
    "phone_number": _phone,
    "start_time": _in_utc(_starts),
    "subdomain": _constant("sandbox-dental"),
    "timezone": _constant("America/New_York"),
    "tz": _constant("America/New_York"),
    "updated_at": _in_utc(lambda _: _MORNING),
}

_BY_MODEL: Final[Mapping[str, Mapping[str, ValueMaker]]] = {
    "Adjustment": {"adjustment_amount": _fee, "adjusted_at": _constant(_MORNING.date())},
    "AppointmentType": {"name": _cycle(*(name for name, _ in TYPES))},
    "Location": {
        "name": lambda nth: f"{LAST[nth % len(LAST)]} Dental",
        "street_address": lambda nth: f"{nth} {STREETS[nth % len(STREETS)]}",
        "city": _constant("Greenford"),
        "state": _constant("NY"),
        "zip_code": _constant("10099"),
    },
    "Onboarding": {"id": lambda nth: f"onboarding-{nth}"},
    "Operatory": {"name": lambda nth: f"Room {nth}"},
    "Patient": {"name": _full, "bio": _bio, "location_ids": _constant((1,))},
    "Payment": {"payment_amount": _amount_paid, "paid_at": _constant(_MORNING.date())},
    "Procedure": {
        "name": _cycle(*(name for _, name, _ in CODES)),
        "status": _cycle("completed", "planned", "scheduled"),
        "start_date": _constant(_MORNING.date()),
    },
    "Provider": {"name": _full, "npi": lambda nth: f"{6_000_000_000 + nth}"},
    "Slot": {"time": _starts, "end_time": _ends},
    "WorkingHours": {
        "begin_time": _constant("09:00"),
        "end_time": _constant("17:00"),
        "days": _constant(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")),
    },
}

_MODEL_OVERRIDES: Final[Mapping[str, frozenset[str]]] = {
    "Institution": frozenset({"phone_number"}),
    "Procedure": frozenset({"foreign_id"}),
    "SlotGroup": frozenset({"operatory_id"}),
    "Slot": frozenset({"provider_id"}),
}
"""What the API leaves out there, although the field exists."""


def value_maker(model: str, field: str) -> ValueMaker | None:
    """Return what invents a field of a model; None where it stays as absent as it often is."""
    if field in _MODEL_OVERRIDES.get(model, ()):
        return None
    if (own := _BY_MODEL.get(model, {}).get(field)) is not None:
        return own
    if field == "name":
        return lambda nth: f"{_BETWEEN_WORDS.sub(' ', model)} {nth}"
    return _BY_NAME.get(field)
