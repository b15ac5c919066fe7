"""Find a patient by name, birth date and phone number, or create one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, cast

from attrs import frozen

from nexhealth_async._protocol.phone_numbers import digits_of, normalize_phone
from nexhealth_async.errors import DuplicatePatientError, NotInVersionError, OutcomeUnknownError

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async._client.unknown_outcomes import PendingWrite
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.models import Patient

__all__ = ["FindOrCreateResult", "PatientCalls", "find_or_create"]

_PHONES = (
    "phone_number",
    "cell_phone_number",
    "home_phone_number",
    "work_phone_number",
    "custom_contact_number",
)
_PATIENT_EXISTS = 200


@frozen(kw_only=True)
class FindOrCreateResult:
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


async def find_or_create(calls: PatientCalls, fields: Mapping[str, object]) -> FindOrCreateResult:
    """Find the patient of this name, birth date and phone number, or create one.

    v3 does both in one request. In v2 the patients born that day are searched first, since stored
    numbers have many forms, and a refusal that names the one who exists is an answer too.
    """
    bio = cast("Mapping[str, object]", fields.get("bio") or {})
    phones = {
        name: normalize_phone(str(bio[name])) for name in _PHONES if bio.get(name) is not None
    }
    wanted = {**fields, "bio": {**bio, **phones}}
    with suppress(NotInVersionError):
        arguments = {**wanted, "return_existing_if_match": True}
        patient, status = await calls.client.call_with_status(calls.create, arguments)
        return FindOrCreateResult(patient=patient, created=status != _PATIENT_EXISTS)
    return await _search_or_create(calls, wanted, phones.get("phone_number"))


async def _search_or_create(
    calls: PatientCalls, full_name: Mapping[str, object], phone: str | None
) -> FindOrCreateResult:
    born = cast("Mapping[str, object]", full_name["bio"]).get("date_of_birth")
    names = (_fold_name(full_name.get(name)) for name in ("first_name", "last_name"))
    identity = ("POST /patients", *names, str(born), phone)
    async with calls.client.track_write(*identity, subdomain=full_name.get("subdomain")) as write:
        return await _find_or_create_once(calls, full_name, born, phone, write)


async def _find_or_create_once(
    calls: PatientCalls,
    full_name: Mapping[str, object],
    date_of_birth: object,
    phone: str | None,
    write: PendingWrite,
) -> FindOrCreateResult:
    scope = {name: full_name[name] for name in ("subdomain", "location_id") if name in full_name}
    if date_of_birth is not None and phone is not None:
        # What is listed without the filter is not known for v2.
        for new in (False, True):
            same_day = {**scope, "date_of_birth": date_of_birth, "new_patient": new, "prefetch": 0}
            async with aclosing(calls.client.walk(calls.patients, same_day)) as walk:
                async for patient in walk:
                    if _matches_patient(patient, full_name, phone):
                        write.resolve()
                        return FindOrCreateResult(patient=patient, created=False)
    if write.pending_until is not None:
        raise OutcomeUnknownError(
            "an earlier request for this patient may still be carried out, so it was not sent "
            "again.",
            lookup="Ask for the same patient again after unsettled_until.",
            operation="POST /patients",
            unsettled_until=write.pending_until,
        )
    try:
        with write.mark_sent():
            made = await calls.client.call(calls.create, full_name)
    except DuplicatePatientError as refusal:
        if refusal.patient_id is None:
            raise
        scope.pop("location_id", None)
        there = await calls.client.call(calls.get, scope, refusal.patient_id)
        return FindOrCreateResult(patient=there, created=False)
    return FindOrCreateResult(patient=made, created=True)


def _fold_name(name: object) -> str:
    return str(name).strip().casefold()


def _matches_patient(patient: Patient, full_name: Mapping[str, object], phone: str) -> bool:
    for name in ("first_name", "last_name"):
        have: object = getattr(patient, name)
        if _fold_name(have or "") != _fold_name(full_name.get(name)):
            return False
    numbers = (str(getattr(patient.bio, name, None)) for name in _PHONES)
    return any(digits_of(number) == phone for number in numbers)
