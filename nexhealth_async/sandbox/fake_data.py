"""Invented records of practices, generated on demand from a seed.

Names, streets and numbers are made up. Phone numbers use the exchange 555, and email addresses
end in example.com.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from nexhealth_async.sandbox.fake_names import CODES, DESCRIPTORS, FIRST, LAST, STREETS, TYPES
from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp

__all__ = ["EMR", "Maker", "draw"]

_MASK: Final = (1 << 64) - 1
WEEK: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
EMR: Final = "remote_db-sandbox-DataSource-1"


def draw(*key: int) -> int:
    """Return a pseudorandom 64-bit number that depends only on the key."""
    value = 0x9E3779B97F4A7C15
    for part in key:
        value = ((value ^ part) * 0xBF58476D1CE4E5B9) & _MASK
        value ^= value >> 29
        value = (value * 0x94D049BB133111EB) & _MASK
        value ^= value >> 32
    return value


def _uuid(value: int) -> str:
    digits = f"{value:016x}{value * 7 & _MASK:016x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


class Maker:
    """A generator of one practice's rows, each from its index and id alone."""

    def __init__(
        self,
        *,
        seed: int,
        number: int,
        anchor: date,
        timezone: str,
        institution_id: int,
        location_ids: Sequence[int],
        map_by_operatory: bool,
    ) -> None:
        self.seed = seed
        self.number = number
        self.anchor = anchor
        self.timezone = timezone
        self.zone: ZoneInfo = ZoneInfo(timezone)
        self.institution_id = institution_id
        self.location_ids: tuple[int, ...] = tuple(location_ids)
        self.map_by_operatory = map_by_operatory
        self.patient_ids: Sequence[int] = ()
        self.provider_ids: Sequence[int] = ()
        self.operatory_ids: Sequence[int] = ()
        self.type_ids: Sequence[int] = ()
        self.plan_ids: Sequence[int] = ()
        self.label_id: int | None = None
        self.appointment_total = 0
        self._base = datetime.combine(anchor, time(8), UTC).timestamp()
        monday = anchor - timedelta(days=anchor.weekday())
        self._monday = monday

    def draw(self, stream: int, index: int) -> int:
        """Return a pseudorandom 64-bit number of this practice."""
        return draw(self.seed, self.number, stream, index)

    def times(self, value: int) -> JsonRow:
        """Return ``created_at`` and ``updated_at``."""
        created = self._base - 86_400 - value % 60_000_000
        return {
            "created_at": format_timestamp(created),
            "updated_at": format_timestamp(created + (value >> 20) % 86_000),
        }

    def institution(self, name: str, subdomain: str) -> JsonRow:
        """Return the practice's institution, without its locations."""
        return {
            "id": self.institution_id,
            "name": name,
            **self.times(self.draw(1, 0)),
            "subdomain": subdomain,
            "phone_number": "2065550100",
            "emrs": ["sandbox"],
            "country_code": "US",
            "appointment_types_location_scoped": False,
            "is_sync_notifications": False,
            "notify_insert_fails": False,
            "is_appt_categories_location_specific": False,
            "is_appt_booking_patient_type_activated": False,
            "is_appt_booking_insurance_activated": False,
            "show_online_booking_no_insurance_option": False,
            "request_online_booking_location_permissions": False,
            "logo_location_scoped": False,
            "show_map": True,
            "gtm_tags": None,
            "wlogo": "/missing.png",
        }

    def location(self, index: int, id: int) -> JsonRow:
        """Return a location."""
        value = self.draw(2, index)
        return {
            "id": id,
            "name": f"{LAST[value % len(LAST)]} Dental {index + 1}",
            "institution_id": self.institution_id,
            "street_address": f"{10 + value % 900} {STREETS[value % len(STREETS)]}",
            "street_address_2": None,
            "city": "Greenford",
            "state": "NY",
            "zip_code": "10099",
            "country_code": None,
            **self.times(value),
            "latitude": -39.5,
            "longitude": -69.0,
            "phone_number": f"2065550{index % 1000:03d}",
            "foreign_id": str(index),
            "foreign_id_type": EMR,
            "email": f"office{self.number}-{index}@example.com",
            "tz": self.timezone,
            "last_sync_time": None,
            "insert_appt_client": True,
            "map_by_operatory": self.map_by_operatory,
            "appt_types_map_by_operatory": False,
            "set_availability_by_operatory": False,
            "inactive": False,
            "wlogo": "/missing.png",
            "weight": 1,
        }

    def patient(self, index: int, id: int) -> JsonRow:
        """Return a patient; about one in ten is inactive."""
        value = self.draw(3, index)
        first = FIRST[value % len(FIRST)]
        last = LAST[(value >> 8) % len(LAST)]
        area = f"{2 + (value >> 12) % 8}{(value >> 16) % 9}{(value >> 20) % 10}"
        phone = f"{area}555{(value >> 24) % 10_000:04d}"
        return {
            "id": id,
            "email": f"{first}.{last}.{index}@example.com".lower(),
            "first_name": first,
            "middle_name": None,
            "last_name": last,
            "name": f"{first} {last}",
            **self.times(value),
            "institution_id": self.institution_id,
            "foreign_id": _uuid(value),
            "foreign_id_type": EMR,
            "bio": {
                "city": "Greenford",
                "state": "NY",
                "gender": ("Female", "Male", "Other")[(value >> 30) % 3],
                "zip_code": "10099",
                "new_patient": False,
                "non_patient": False,
                "phone_number": phone,
                "date_of_birth": date.fromordinal(711_000 + (value >> 34) % 26_000).isoformat(),
                "address_line_1": f"{1 + (value >> 40) % 200} {STREETS[(value >> 44) % 5]}",
                "address_line_2": "",
                "street_address": "",
                "cell_phone_number": phone,
                "home_phone_number": "",
                "work_phone_number": "",
                "verified_mobile": phone,
            },
            "inactive": (value >> 48) % 10 == 0,
            "last_sync_time": None,
            "guarantor_id": None,
            "unsubscribe_sms": (value >> 52) % 4 == 0,
            "balance": {"amount": "0.00", "currency": "USD"},
            "billing_type": None,
            "chart_id": None,
            "preferred_language": None,
            "preferred_locale": None,
            "location_ids": [self.location_ids[index % len(self.location_ids)]],
            "provider_id": None,
        }

    def inactive(self, index: int) -> bool:
        """Return whether a seeded patient is inactive, without generating the row."""
        return (self.draw(3, index) >> 48) % 10 == 0

    def provider(self, index: int, id: int) -> JsonRow:
        """Return a provider, who is requestable at every location."""
        value = self.draw(4, index)
        first = FIRST[value % len(FIRST)]
        last = LAST[(value >> 8) % len(LAST)]
        return {
            "id": id,
            "email": f"dr.{last}.{index}@example.com".lower(),
            "first_name": first,
            "middle_name": None,
            "last_name": last,
            "name": f"{first} {last}",
            **self.times(value),
            "institution_id": self.institution_id,
            "foreign_id": _uuid(value),
            "foreign_id_type": EMR,
            "bio": {},
            "inactive": False,
            "last_sync_time": None,
            "display_name": None,
            "npi": f"{6_000_000_000 + value % 999_999_999}",
            "tin": None,
            "state_license": None,
            "specialty_code": None,
            "nexhealth_specialty": "Dentist",
            "profile_url": "https://cdn.example.com/avatar.svg",
            "provider_requestables": [
                {"location_id": location_id} for location_id in self.location_ids
            ],
        }

    def operatory(self, index: int, id: int) -> JsonRow:
        """Return an operatory; they are distributed over the locations in turn."""
        value = self.draw(5, index)
        return {
            "id": id,
            "name": f"Room {index + 1}",
            "foreign_id": str(index + 1),
            "foreign_id_type": EMR,
            "location_id": self.location_ids[index % len(self.location_ids)],
            "last_sync_time": None,
            **self.times(value),
            "display_name": None,
            "profile_url": None,
            "active": True,
            "bookable_online": True,
        }

    def appointment_type(self, index: int, id: int) -> JsonRow:
        """Return an appointment type."""
        name, minutes = TYPES[index % len(TYPES)]
        return {
            "id": id,
            "name": name if index < len(TYPES) else f"{name} {index}",
            "parent_type": "Institution",
            "parent_id": self.institution_id,
            "minutes": minutes,
            "bookable_online": True,
        }

    def descriptor(self, index: int, id: int) -> JsonRow:
        """Return an appointment descriptor: a procedure code or appointment type of the EHR."""
        value = self.draw(6, index)
        kind, name, code, category = DESCRIPTORS[index % len(DESCRIPTORS)]
        data = {
            "ProcCat": category,
            "IsHygiene": "true" if category == "Preventive" else "false",
            "IsHidden": "true" if category == "Obsolete" else "false",
        }
        return {
            "id": id,
            "descriptor_type": kind,
            "name": name,
            "code": code,
            "location_id": self.location_ids[index % len(self.location_ids)],
            "foreign_id": str(index + 1),
            "foreign_id_type": EMR,
            "data": data if category else {},
            "active": category != "Obsolete",
            "last_sync_time": self.times(value)["updated_at"],
            **self.times(value),
        }

    def availability(self, index: int, id: int) -> JsonRow:
        """Return working hours: weekdays nine to five, one for each provider and location."""
        providers = len(self.provider_ids)
        location = index // providers % len(self.location_ids)
        operatory_ids = [
            operatory_id
            for i, operatory_id in enumerate(self.operatory_ids)
            if i % len(self.location_ids) == location
        ]
        return {
            "id": id,
            "provider_id": self.provider_ids[index % providers],
            "location_id": self.location_ids[location],
            "operatory_id": operatory_ids[index % providers % len(operatory_ids)]
            if operatory_ids
            else None,
            "begin_time": "09:00",
            "end_time": "17:00",
            "days": list(WEEK),
            "specific_date": None,
            "custom_recurrence": None,
            "tz_offset": self.offset(self._base, colon=False),
            "active": True,
            "synced": False,
            "label_id": self.label_id,
            "appointment_type_ids": list(self.type_ids),
        }

    def offset(self, seconds: float, *, colon: bool = True) -> str:
        """Return the practice's UTC offset at a time, ``-05:00`` or ``-0500``."""
        offset = datetime.fromtimestamp(seconds, self.zone).strftime("%z")
        return f"{offset[:3]}:{offset[3:]}" if colon else offset

    def appointment(self, index: int, id: int) -> JsonRow:
        """Return an appointment on a grid around the anchor's week, without overlaps."""
        value = self.draw(7, index)
        providers = max(1, len(self.provider_ids))
        per_day = providers * 8
        day = index // per_day - (self.appointment_total // per_day) // 2
        start_date = self._monday + timedelta(weeks=day // 5, days=day % 5)
        local = datetime.combine(start_date, time(9 + index // providers % 8), self.zone)
        start = local.timestamp()
        location = index % len(self.location_ids)
        operatory_ids = self.operatory_ids[location :: len(self.location_ids)]
        cancelled = value % 12 == 0
        times = self.times(value)
        return {
            "id": id,
            "patient_id": self.patient_ids[index % len(self.patient_ids)],
            "provider_id": self.provider_ids[index % providers] if self.provider_ids else None,
            "provider_name": None,
            "start_time": format_timestamp(start),
            "confirmed": (value >> 8) % 2 == 0,
            "patient_missed": False,
            **times,
            "note": None,
            "end_time": format_timestamp(start + 1800),
            "unavailable": False,
            "cancelled": cancelled,
            "timezone": self.timezone,
            "institution_id": self.institution_id,
            "appointment_type_id": self.type_ids[index % len(self.type_ids)],
            "checkin_at": None,
            "location_id": self.location_ids[location],
            "foreign_id": str(10_000 + index),
            "foreign_id_type": EMR,
            "misc": {},
            "last_sync_time": times["updated_at"],
            "patient_confirmed": False,
            "created_by_user_id": None,
            "is_guardian": False,
            "patient_confirmed_at": None,
            "cancelled_at": times["updated_at"] if cancelled else None,
            "is_new_clients_patient": None,
            "confirmed_at": None,
            "sooner_if_possible": False,
            "operatory_id": operatory_ids[index % providers % len(operatory_ids)]
            if operatory_ids
            else None,
            "deleted": False,
            "checked_out": False,
            "checked_out_at": None,
            "referrer": None,
            "is_past_patient": False,
            "timezone_offset": self.offset(start),
        }

    def procedure(self, index: int, id: int) -> JsonRow:
        """Return a procedure; they are distributed over the patients in turn."""
        value = self.draw(8, index)
        code, name, fee = CODES[value % len(CODES)]
        day = (self.anchor - timedelta(days=(value >> 8) % 700)).isoformat()
        status = ("completed", "planned", "scheduled")[(value >> 20) % 3]
        return {
            "id": id,
            "location_id": self.location_ids[index % len(self.location_ids)],
            "patient_id": self.patient_ids[index % len(self.patient_ids)],
            "provider_id": self.provider_ids[index % len(self.provider_ids)],
            "appointment_id": None,
            "code": code,
            "name": name,
            "status": status,
            "updated_at": self.times(value)["updated_at"],
            "body_site": {
                "tooth": str(1 + (value >> 30) % 32),
                "surface": "O" if code == "D2391" else None,
            },
            "fee": {"amount": fee, "currency": "USD"},
            "start_date": day,
            "end_date": day if status == "completed" else None,
        }

    def plan(self, index: int, id: int) -> JsonRow:
        """Return an insurance plan."""
        return {
            "id": id,
            "payer_id": f"{60_000 + index}",
            "name": f"{LAST[index % len(LAST)]} Mutual {index + 1}",
            "address": "1 Mill Row",
            "address2": None,
            "city": "Greenford",
            "state": "NY",
            "zip_code": "10099",
            "country_code": "US",
            "group_num": f"G{1000 + index}",
            "employer_name": None,
            "foreign_id": str(index + 1),
            "updated_at": self.times(self.draw(12, index))["updated_at"],
            "deleted_at": None,
        }

    def coverage(self, index: int, id: int) -> JsonRow:
        """Return an insurance coverage; every patient has one."""
        patient = self.patient_ids[index % len(self.patient_ids)]
        return {
            "id": id,
            "subscription_relation": "self",
            "patient_id": patient,
            "priority": 0,
            "plan_id": self.plan_ids[index % len(self.plan_ids)],
            "subscriber_num": f"S{self.draw(9, index) % 10_000_000:07d}",
            "effective_date": "2025-01-01",
            "expiration_date": None,
            "insurance_type": "dental",
            "updated_at": self.times(self.draw(9, index))["updated_at"],
            "active": True,
        }

    def recall_type(self, index: int, id: int) -> JsonRow:
        """Return a recall type."""
        value = self.draw(10, index)
        return {
            "id": id,
            "name": ("Hygiene", "Exam")[index % 2],
            "description": ("Every six months", "Once a year")[index % 2],
            "foreign_id": str(index + 1),
            "foreign_id_type": EMR,
            "interval_num": (6, 12)[index % 2],
            "interval_unit": "M",
            "location_id": self.location_ids[0],
            **self.times(value),
        }

    def recall(self, index: int, id: int, type_ids: Sequence[int]) -> JsonRow:
        """Return a recall; every third patient has one."""
        value = self.draw(11, index)
        return {
            "id": id,
            "appointment_id": None,
            "date_due": (self.anchor + timedelta(days=value % 300 - 100)).isoformat(),
            "foreign_id": str(index + 1),
            "foreign_id_type": EMR,
            "recall_id": type_ids[index % len(type_ids)],
            "patient_id": self.patient_ids[index * 3 % len(self.patient_ids)],
            **self.times(value),
        }
