"""Search for a patient by name, date of birth and phone number, with creation if none exists."""

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
    """An existing or a newly created patient."""

    patient: Patient
    created: bool
    """True if the call created the patient."""


@frozen(kw_only=True)
class PatientCalls:
    """A client and the operations that `find_or_create` uses."""

    client: Client
    patients: Endpoint[Patient]
    get: Endpoint[Patient]
    create: Endpoint[Patient]


async def find_or_create(calls: PatientCalls, fields: Mapping[str, object]) -> FindOrCreateResult:
    """Find the patient with this name, date of birth and phone number, or create one.

    v3 does both in one request. In v2 the patients with this date of birth are searched first,
    since stored phone numbers have many forms. If the API then rejects the creation and names the
    existing patient, that patient is returned.
    """
    bio = cast("Mapping[str, object]", fields.get("bio") or {})
    phones = {
        name: normalize_phone(str(bio[name])) for name in _PHONES if bio.get(name) is not None
    }
    normalized = {**fields, "bio": {**bio, **phones}}
    with suppress(NotInVersionError):
        arguments = {**normalized, "return_existing_if_match": True}
        patient, status = await calls.client.call_with_status(calls.create, arguments)
        return FindOrCreateResult(patient=patient, created=status != _PATIENT_EXISTS)
    return await _search_or_create(calls, normalized, phones.get("phone_number"))


async def _search_or_create(
    calls: PatientCalls, fields: Mapping[str, object], phone: str | None
) -> FindOrCreateResult:
    date_of_birth = cast("Mapping[str, object]", fields["bio"]).get("date_of_birth")
    names = (_fold_name(fields.get(name)) for name in ("first_name", "last_name"))
    identity = ("POST /patients", *names, str(date_of_birth), phone)
    async with calls.client.pending_write(*identity, subdomain=fields.get("subdomain")) as write:
        return await _find_or_create_once(calls, fields, date_of_birth, phone, write)


async def _find_or_create_once(
    calls: PatientCalls,
    fields: Mapping[str, object],
    date_of_birth: object,
    phone: str | None,
    write: PendingWrite,
) -> FindOrCreateResult:
    scope = {name: fields[name] for name in ("subdomain", "location_id") if name in fields}
    if date_of_birth is not None and phone is not None:
        # It is undocumented which patients v2 lists without the filter new_patient.
        for new in (False, True):
            filters = {**scope, "date_of_birth": date_of_birth, "new_patient": new, "prefetch": 0}
            async with aclosing(calls.client.walk(calls.patients, filters)) as walk:
                async for patient in walk:
                    if _matches_patient(patient, fields, phone):
                        write.resolve()
                        return FindOrCreateResult(patient=patient, created=False)
    if write.pending_until is not None:
        raise OutcomeUnknownError(
            "the server may still execute an earlier request for this patient, so it was not "
            "repeated.",
            lookup="Call find_or_create() again after unsettled_until.",
            operation="POST /patients",
            unsettled_until=write.pending_until,
        )
    try:
        with write.mark_sent():
            created = await calls.client.call(calls.create, fields)
    except DuplicatePatientError as error:
        if error.patient_id is None:
            raise
        scope.pop("location_id", None)
        existing = await calls.client.call(calls.get, scope, error.patient_id)
        return FindOrCreateResult(patient=existing, created=False)
    return FindOrCreateResult(patient=created, created=True)


def _fold_name(name: object) -> str:
    return str(name).strip().casefold()


def _matches_patient(patient: Patient, fields: Mapping[str, object], phone: str) -> bool:
    for name in ("first_name", "last_name"):
        stored: object = getattr(patient, name)
        if _fold_name(stored or "") != _fold_name(fields.get(name)):
            return False
    numbers = (str(getattr(patient.bio, name, None)) for name in _PHONES)
    return any(digits_of(number) == phone for number in numbers)
