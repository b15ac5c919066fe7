"""Invented patients in v2's shape: light, wide, and malformed ones of both kinds.

A **light** record has the fields of the vendor's published example. A **wide** one has those and 19
more that our model knows, with nested objects, and four keys that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Literal, TypeAlias

import msgspec

__all__ = ["FIRST_ID", "RecordKind", "odd_places", "record_template", "records"]

RecordKind: TypeAlias = Literal["light", "wide"]
Fields: TypeAlias = dict[str, object]

FIRST_ID = 442_700_000
"""First id; ids have nine digits, as the vendor's have."""

_FIRST_NAMES = ("Ada", "Bertil", "Chiara", "Dmitri", "Edda", "Farid", "Greta", "Hana", "Ivo")
_LAST_NAMES = ("Thistlewood", "Okonkwo", "Marchetti", "Lindqvist", "Featherstone", "Dvorak", "Abe")
_KINDS_OF_PEOPLE = 63
"""Number of distinct records; they are repeated with different ids."""


def _light(place: int) -> Fields:
    first, last = _FIRST_NAMES[place % 9], _LAST_NAMES[place % 7]
    minute = f"{place % 60:02}"
    return {
        "id": 0,
        "email": f"{first}.{last}.{place}@example.com".lower() if place % 4 else None,
        "first_name": first,
        "last_name": last,
        "created_at": f"2020-08-12T19:{minute}:22.575Z",
        "updated_at": f"2020-08-12T20:{minute}:17.591Z",
        "account_activated": False,
        "middle_name": None,
        "foreign_id": str(19_000 + place),
        "foreign_id_type": "msg-opendental-DataSource-35",
        "requested_access": False,
        "waitlisted_at": None,
        "inst_ids": [19_089],
        "prov_ids": [],
        "config": {},
        "unsubscribe_emails": False,
        "last_import_id": f"e872caee-8e2a-40dd-a403-ca70990400{place % 100:02}",
        "invalid_email": [],
        "inactive": place % 3 == 0,
        "last_sync": f"2020-08-12T20:{minute}:17.591Z",
        "last_sync_time": f"2020-08-12T20:{minute}:17.591Z",
        "unsubscribe_sms": False,
    }


def _wide(place: int) -> Fields:
    light = _light(place)
    name = f"{light['first_name']} {light['last_name']}"
    phone = f"212555{1000 + place}"
    return {
        **light,
        "name": name,
        "institution_id": 19_089,
        "bio": {
            "city": "Greenford",
            "state": "NY",
            "gender": "Female",
            "zip_code": "10099",
            "new_patient": False,
            "non_patient": False,
            "phone_number": phone,
            "date_of_birth": f"1978-12-{1 + place % 28:02}",
            "verified_mobile": phone,
        },
        "guarantor_id": None,
        "balance": {"amount": f"{place}.50", "currency": "USD"},
        "billing_type": "Standard",
        "chart_id": f"TH{place:05}",
        "preferred_language": "en",
        "preferred_locale": "en",
        "location_ids": [339_273, 339_274],
        "provider_id": 7_001,
        "upcoming_appts": [_appointment(place, 1)],
        "last_visited_appointment": None,
        "address": {
            "line_1": f"{place} Mill Row",
            "line_2": None,
            "postal_code": "10099",
            "city": "Greenford",
            "region": "NY",
        },
        "display_name": name,
        "profile_url": None,
        "npi": None,
        "last_visit": "2025-11-02T15:00:00.000Z",
        "contact_email": light["email"],
        **{f"vendor_extra_{number}": f"unknown {place}" for number in range(4)},
    }


def _appointment(place: int, which: int) -> Fields:
    return {
        "id": 880_000_000 + 10 * place + which,
        "provider_id": 7_001,
        "provider_name": "Dr. Rosalind Example",
        "start_time": f"2026-0{which}-11T15:00:00.000Z",
        "end_time": f"2026-0{which}-11T15:40:00.000Z",
        "location_id": 339_273,
        "confirmed": True,
    }


_ODD_VALUES: tuple[Fields, ...] = (
    {"waitlisted_at": {}},
    {"foreign_id": 19_001},
    {"last_sync": ""},
    {"unsubscribe_sms": "false"},
    {"last_sync_time": "2020-08-12 19:25:17 UTC"},
    {"inst_ids": ["19089"]},
)
"""Malformed values that the vendor's responses contain at times."""

_MAKERS: dict[RecordKind, Callable[[int], Fields]] = {"light": _light, "wide": _wide}


def record_template(kind: RecordKind, place: int, *, odd: bool = False) -> tuple[bytes, bytes]:
    """Return a record's JSON before and behind its id."""
    fields = _MAKERS[kind](place % _KINDS_OF_PEOPLE)
    if odd:
        fields |= _ODD_VALUES[place % len(_ODD_VALUES)]
    head, _, tail = msgspec.json.encode(fields).partition(b'"id":0')
    return head + b'"id":', tail


def odd_places(count: int, share: float) -> range:
    """Return the indexes of the malformed records: every tenth, hundredth, thousandth, or all."""
    step = round(1 / share) if share else count + 1
    return range(step - 1, count, step)


def records(kind: RecordKind, count: int, *, odd: float = 0.0) -> list[bytes]:
    """Return JSON of this many records, with ids from `FIRST_ID` on; a share is malformed."""
    good = [record_template(kind, seat) for seat in range(_KINDS_OF_PEOPLE)]
    made = [
        b"%b%d%b" % (head, FIRST_ID + place, tail)
        for place, (head, tail) in enumerate(islice(cycle(good), count))
    ]
    for nth, place in enumerate(odd_places(count, odd)):
        head, tail = record_template(kind, nth, odd=True)
        made[place] = b"%b%d%b" % (head, FIRST_ID + place, tail)
    return made
