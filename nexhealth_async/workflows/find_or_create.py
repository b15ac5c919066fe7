"""Find a patient by name, birth date and phone number, or create one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, cast

from attrs import frozen

from nexhealth_async._protocol.phone_numbers import digits_of, normalize_phone
from nexhealth_async.errors import DuplicatePatient, NotInThisVersion, OutcomeUnknown

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async._client.unknown_outcomes import Write
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.models import Patient

__all__ = ["Found", "PatientCalls", "find_or_create"]

_PHONES = (
    "phone_number",
    "cell_phone_number",
    "home_phone_number",
    "work_phone_number",
    "custom_contact_number",
)
_FOUND = 200


@frozen(kw_only=True)
class Found:
    """A patient who was there, or has just been made."""

    patient: Patient
    created: bool
    """True if the patient was made by this call."""


@frozen(kw_only=True)
class PatientCalls:
    """A client, and the operations that finding or creating a patient performs with it."""

    client: Client
    patients: Endpoint[Patient]
    get: Endpoint[Patient]
    create: Endpoint[Patient]


async def find_or_create(calls: PatientCalls, fields: Mapping[str, object]) -> Found:
    """Find the patient of this name, birth date and phone number, or create one.

    v3 does both in one request. In v2 the patients born that day are searched first, since stored
    numbers have many forms, and a refusal that names the one who exists is an answer too.
    """
    bio = cast("Mapping[str, object]", fields.get("bio") or {})
    phones = {
        name: normalize_phone(str(bio[name])) for name in _PHONES if bio.get(name) is not None
    }
    wanted = {**fields, "bio": {**bio, **phones}}
    with suppress(NotInThisVersion):
        arguments = {**wanted, "return_existing_if_match": True}
        patient, status = await calls.client.call_with_status(calls.create, arguments)
        return Found(patient=patient, created=status != _FOUND)
    return await _search_or_create(calls, wanted, phones.get("phone_number"))


async def _search_or_create(
    calls: PatientCalls, wanted: Mapping[str, object], phone: str | None
) -> Found:
    born = cast("Mapping[str, object]", wanted["bio"]).get("date_of_birth")
    names = (_folded(wanted.get(name)) for name in ("first_name", "last_name"))
    identity = ("POST /patients", *names, str(born), phone)
    async with calls.client.track_write(*identity, subdomain=wanted.get("subdomain")) as write:
        return await _found_or_created(calls, wanted, born, phone, write)


async def _found_or_created(
    calls: PatientCalls, wanted: Mapping[str, object], born: object, phone: str | None, write: Write
) -> Found:
    scope = {name: wanted[name] for name in ("subdomain", "location_id") if name in wanted}
    if born is not None and phone is not None:
        # What is listed without the filter is not known for v2.
        for new in (False, True):
            same_day = {**scope, "date_of_birth": born, "new_patient": new, "prefetch": 0}
            async with aclosing(calls.client.walk(calls.patients, same_day)) as walk:
                async for patient in walk:
                    if _is(patient, wanted, phone):
                        write.settle()
                        return Found(patient=patient, created=False)
    if write.unsettled_until is not None:
        raise OutcomeUnknown(
            "an earlier request for this patient may still be carried out, so it was not sent "
            "again.",
            lookup="Ask for the same patient again after unsettled_until.",
            operation="POST /patients",
            unsettled_until=write.unsettled_until,
        )
    try:
        with write.sending():
            made = await calls.client.call(calls.create, wanted)
    except DuplicatePatient as refusal:
        if refusal.patient_id is None:
            raise
        scope.pop("location_id", None)
        there = await calls.client.call(calls.get, scope, refusal.patient_id)
        return Found(patient=there, created=False)
    return Found(patient=made, created=True)


def _folded(name: object) -> str:
    return str(name).strip().casefold()


def _is(patient: Patient, wanted: Mapping[str, object], phone: str) -> bool:
    for name in ("first_name", "last_name"):
        have: object = getattr(patient, name)
        if _folded(have or "") != _folded(wanted.get(name)):
            return False
    numbers = (str(getattr(patient.bio, name, None)) for name in _PHONES)
    return any(digits_of(number) == phone for number in numbers)
