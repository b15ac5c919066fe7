"""Creation of patients, and its validation."""

from __future__ import annotations

import re
from typing import Final

from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    reject_missing,
    row,
    text,
)
from nexhealth_async.sandbox.routes import HandlerResult, SandboxCall
from nexhealth_async.sandbox.v3_fields import without_fields

__all__ = ["create"]

# Area code and exchange begin with 2 to 9; an exchange ending in 11 is a service number.
_NORTH_AMERICAN: Final = re.compile(r"[2-9][0-8]\d[2-9](?!11)\d{6}")


def create(call: SandboxCall) -> HandlerResult:
    """Create a patient, who is ``new_patient`` until the next sync."""
    practice = call.practice
    reject_missing(
        call.body,
        "provider.provider_id",
        *("patient.first_name", "patient.last_name", "patient.email"),
        *("patient.bio.date_of_birth", "patient.bio.phone_number"),
    )
    patient = call.wrapped("patient")
    provider_id = call.wrapped("provider")["provider_id"]
    if provider_id not in practice.providers:
        raise RequestRejectedError(404, f"Provider with id {provider_id} not found")
    bio = row(patient["bio"]) or {}
    phone = text(bio, "phone_number")[:10]
    if not _NORTH_AMERICAN.fullmatch(phone):
        raise RequestRejectedError(400, "User phone number is invalid")
    name = f"{text(patient, 'first_name')} {text(patient, 'last_name')}"
    duplicate_id = _find_duplicate(call, name, text(bio, "date_of_birth"), phone)
    if duplicate_id is not None:
        return _duplicate_result(call, duplicate_id)
    id = practice.patients.add(_record(call, patient, bio, name, phone))
    return _result(call, id, 201)


def _duplicate_result(call: SandboxCall, id: int) -> HandlerResult:
    if call.version == "v3" and call.body.get("return_existing_if_match") is True:
        return _result(call, id, 200)
    raise RequestRejectedError(
        call.world.assumptions.duplicate_status,
        f"A patient with that information already exists - id={id}",
    )


def _result(call: SandboxCall, id: int, status: int) -> HandlerResult:
    patient = call.practice.patients.row(id)
    if call.version == "v3":
        patient = without_fields(patient, "unsubscribe_sms", "balance")
    is_wrapped = call.world.assumptions.patient_record_at == "user"
    return HandlerResult(data={"user": patient} if is_wrapped else patient, status=status)


def _find_duplicate(call: SandboxCall, name: str, date_of_birth: str, phone: str) -> int | None:
    for id in call.practice.patients.where("name", name):
        bio = row(call.practice.patients.row(id).get("bio"))
        if text(bio, "date_of_birth") == date_of_birth and text(bio, "phone_number") == phone:
            return id
    return None


def _record(call: SandboxCall, patient: JsonRow, bio: JsonRow, name: str, phone: str) -> JsonRow:
    now = format_timestamp(call.now)
    gender = bio.get("gender") or call.world.assumptions.missing_gender
    return {
        "email": patient["email"],
        "first_name": patient["first_name"],
        "middle_name": patient.get("middle_name"),
        "last_name": patient["last_name"],
        "name": name,
        "created_at": now,
        "updated_at": now,
        "institution_id": call.practice.institution_id,
        "foreign_id": None,
        "foreign_id_type": "nex",
        "bio": {
            **bio,
            "gender": gender,
            "phone_number": phone,
            "verified_mobile": phone,
            "new_patient": True,
            "non_patient": False,
        },
        "inactive": False,
        "last_sync_time": None,
        "guarantor_id": None,
        "unsubscribe_sms": False,
        "balance": {"amount": "0.00", "currency": "USD"},
        "billing_type": None,
        "chart_id": None,
        "preferred_language": None,
        "preferred_locale": None,
        "location_ids": [call.params.number("location_id")],
        "provider_id": None,
    }
