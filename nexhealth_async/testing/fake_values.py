"""Values for the fields of fake records: plausible, and no real person's."""

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
"""Builds a field's value from the number of the record, which counts from 1."""

_ZONE: Final = timezone(timedelta(hours=-4))
"""UTC offset of New York in summer."""
_MORNING: Final = datetime(2026, 6, 1, 9, tzinfo=_ZONE)

_BETWEEN_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _first(number: int) -> str:
    return FIRST[(number - 1) % len(FIRST)]


def _last(number: int) -> str:
    return LAST[(number - 1) * 5 % len(LAST)]


def _full(number: int) -> str:
    return f"{_first(number)} {_last(number)}"


def _email(number: int) -> str:
    return f"{_first(number)}.{_last(number)}.{number}@example.com".lower()


def _starts(number: int) -> datetime:
    return _MORNING + timedelta(days=(number - 1) // 16, minutes=30 * ((number - 1) % 16))


def _ends(number: int) -> datetime:
    return _starts(number) + timedelta(minutes=30)


def _in_utc(local: Callable[[int], datetime]) -> ValueMaker:
    return lambda number: local(number).astimezone(UTC)


def _constant(value: object) -> ValueMaker:
    return lambda _: value


def _cycle(*values: object) -> ValueMaker:
    return lambda number: values[(number - 1) % len(values)]


def _phone(number: int) -> str:
    return f"21255501{number % 100:02d}"


def _date_of_birth(number: int) -> date:
    return date(1950, 1, 1) + timedelta(days=number * 997 % 20_000)


def _fee(number: int) -> Money:
    return Money(amount=Decimal(CODES[(number - 1) % len(CODES)][2]), currency="USD")


def _amount_paid(number: int) -> Money:
    return Money(amount=-_fee(number).amount, currency="USD")


def _bio(number: int) -> PatientBio:
    return PatientBio(
        date_of_birth=_date_of_birth(number),
        gender=("Female", "Male", "Other")[number % 3],
        new_patient=False,
        non_patient=False,
        phone_number=_phone(number),
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
    # Related records have the id of the first one.
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
    "id": lambda number: number,
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
        "name": lambda number: f"{LAST[number % len(LAST)]} Dental",
        "street_address": lambda number: f"{number} {STREETS[number % len(STREETS)]}",
        "city": _constant("Greenford"),
        "state": _constant("NY"),
        "zip_code": _constant("10099"),
    },
    "Onboarding": {"id": lambda number: f"onboarding-{number}"},
    "Operatory": {"name": lambda number: f"Room {number}"},
    "Patient": {"name": _full, "bio": _bio, "location_ids": _constant((1,))},
    "Payment": {"payment_amount": _amount_paid, "paid_at": _constant(_MORNING.date())},
    "Procedure": {
        "name": _cycle(*(name for _, name, _ in CODES)),
        "status": _cycle("completed", "planned", "scheduled"),
        "start_date": _constant(_MORNING.date()),
    },
    "Provider": {"name": _full, "npi": lambda number: f"{6_000_000_000 + number}"},
    "Slot": {"time": _starts, "end_time": _ends},
    "WorkingHours": {
        "begin_time": _constant("09:00"),
        "end_time": _constant("17:00"),
        "days": _constant(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")),
    },
}

_ABSENT: Final[Mapping[str, frozenset[str]]] = {
    "Institution": frozenset({"phone_number"}),
    "Procedure": frozenset({"foreign_id"}),
    "SlotGroup": frozenset({"operatory_id"}),
    "Slot": frozenset({"provider_id"}),
}
"""Fields that the API omits in a model, by model."""


def value_maker(model: str, field: str) -> ValueMaker | None:
    """Return the function that builds a field's value; None if the field stays absent."""
    if field in _ABSENT.get(model, ()):
        return None
    if (maker := _BY_MODEL.get(model, {}).get(field)) is not None:
        return maker
    if field == "name":
        return lambda number: f"{_BETWEEN_WORDS.sub(' ', model)} {number}"
    return _BY_NAME.get(field)
