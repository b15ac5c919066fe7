"""Patients, what is filed under them, the providers who treat them, and the staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async._client.files import with_content
from nexhealth_async._protocol.phone_numbers import normalize_phone
from nexhealth_async.filters import (
    AlertChanges,
    AlertFilters,
    DocumentFilters,
    NewAlert,
    NewDocument,
    NewPatient,
    PatientFilters,
    PatientOptions,
    PracticeScoped,
    ProviderFilters,
    ProviderOptions,
    StaffFilters,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Noun
from nexhealth_async.resources._checks import check_one_of
from nexhealth_async.workflows.confirmation_rules import ConfirmationCalls, patient_written
from nexhealth_async.workflows.find_or_create import PatientCalls, find_or_create

if TYPE_CHECKING:
    from nexhealth_async._client.files import Download
    from nexhealth_async.workflows.confirmation import Written
    from nexhealth_async.workflows.find_or_create import Found

__all__ = ["NexStaff", "PatientAlerts", "PatientDocuments", "Patients", "Providers"]


class PatientDocuments(Noun):
    """The documents filed under a patient."""

    __slots__ = ()

    def walk(self, patient_id: int, /, **options: Unpack[DocumentFilters]) -> Walk[m.Document]:
        """Walk the documents of one patient.

        ``GET /patients/{id}/documents``

        Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.PATIENT_DOCUMENTS, options, patient_id)

    async def create(self, patient_id: int, /, **fields: Unpack[NewDocument]) -> m.Document:
        """File a document under a patient.

        ``POST /patients/{id}/documents``

        It reaches the practice's own system later, under the file's name.

        Raises `InvalidArgument` for a file without a name or one that cannot be read,
        `MissingScope` without a practice and a location, `Invalid` for what the API refuses, and
        `OutcomeUnknown` if the answer was lost: creating is never repeated by itself.
        """
        form = await with_content(fields)
        return await self._caller.call(to.PATIENT_DOCUMENTS_CREATE, form, patient_id)

    def download(self, document: m.Document, /) -> Download:
        """Return what a document holds, to be entered with ``async with`` and read in parts.

        ``async with office.patients.documents.download(document) as file:``, and inside it either
        ``await file.read()`` or ``async for chunk in file``.

        Raises `InvalidArgument` for a document without an address, or with one on a host that is
        not the API's.
        """
        return self._caller.download(document.url)


class PatientAlerts(Noun):
    """What the practice wants seen when it opens a patient's file."""

    __slots__ = ()

    def walk(self, patient_id: int, /, **filters: Unpack[AlertFilters]) -> Walk[m.PatientAlert]:
        """Walk the alerts of one patient.

        ``GET /patients/{id}/alerts``

        Those that were switched off are left out unless asked for. The list comes whole. Raises
        `MissingScope` without a practice.
        """
        return self._caller.walk(to.PATIENT_ALERTS, filters, patient_id)

    async def get(
        self, patient_id: int, alert_id: int, /, **options: Unpack[PracticeScoped]
    ) -> m.PatientAlert:
        """Get one alert.

        ``GET /patients/{id}/alerts/{alert_id}``

        Raises `NotFound` for an id this patient does not have.
        """
        return await self._caller.call(to.PATIENT_ALERTS_GET, options, patient_id, alert_id)

    async def create(self, patient_id: int, /, **fields: Unpack[NewAlert]) -> m.PatientAlert:
        """Add an alert to a patient.

        ``POST /patients/{id}/alerts``

        Raises `NotFound` for a patient this practice does not have, and `OutcomeUnknown` if the
        answer was lost: creating is never repeated by itself.
        """
        return await self._caller.call(to.PATIENT_ALERTS_CREATE, fields, patient_id)

    async def update(
        self, patient_id: int, alert_id: int, /, **fields: Unpack[AlertChanges]
    ) -> m.PatientAlert:
        """Switch an alert off or on.

        ``PATCH /patients/{id}/alerts/{alert_id}``

        Raises `NotFound` for an id this patient does not have.
        """
        return await self._caller.call(to.PATIENT_ALERTS_UPDATE, fields, patient_id, alert_id)


class Patients(Noun):
    """The patients of a practice."""

    __slots__ = ()

    @property
    def documents(self) -> PatientDocuments:
        """The documents filed under a patient."""
        return PatientDocuments(self._caller)

    @property
    def alerts(self) -> PatientAlerts:
        """What the practice wants seen when it opens a patient's file."""
        return PatientAlerts(self._caller)

    def walk(self, **filters: Unpack[PatientFilters]) -> Walk[m.Patient]:
        """Walk the patients of one location.

        ``GET /patients``

        What the API lists when ``new_patient`` is left out differs: since June 2026 v3 lists
        regular patients and new patients with an upcoming appointment; before, and perhaps in v2
        still, no new patients. To have both for sure, walk ``new_patient=False`` and
        ``new_patient=True``. A new patient without an upcoming appointment may be in neither list:
        keep the id that ``create`` returned.

        A location may share its system with others, and then theirs are found too;
        ``location_strict=True`` keeps to its own. To find people who can be booked, add
        ``inactive=False, non_patient=False``.

        Raises `InvalidArgument` for a phone number that cannot be ten digits, `MissingScope`
        without a practice and a location, and `NotInThisVersion` for ``include``,
        ``include_upcoming_appts``, ``appointment_date_start`` and ``appointment_date_end`` in v3.
        """
        if (phone := filters.get("phone_number")) is not None:
            filters["phone_number"] = normalize_phone(phone)
        return self._caller.walk(to.PATIENTS, filters)

    async def get(self, id: int, /, **options: Unpack[PatientOptions]) -> m.Patient:
        """Get one patient.

        ``GET /patients/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.PATIENTS_GET, options, id)

    async def create(self, **fields: Unpack[NewPatient]) -> m.Patient:
        """Create a patient.

        ``POST /patients``

        The record reaches the practice's own system later: ``foreign_id`` is None until it is
        written there. Give ``gender``, or the API stores ``"Female"``. In v3
        ``return_existing_if_match=True`` answers with a patient of this name, birth date and phone
        who exists already, and then a lost answer is asked for again.

        Raises `DuplicatePatient` with the id of the one who exists, `Invalid` for other refusals,
        `MissingScope` without a practice and a location, `NotInThisVersion` for
        ``return_existing_if_match`` in v2 and ``middle_name`` in v3, and `OutcomeUnknown` if the
        answer was lost: creating is not repeated by itself otherwise.
        """
        return await self._caller.call(to.PATIENTS_CREATE, fields)

    async def find_or_create(self, **fields: Unpack[NewPatient]) -> Found:
        """Find the patient of this name, birth date and phone number, or create one.

        The answer's ``created`` tells which it was. Phone numbers may be given in any usual form.
        v3 does both in one request (``return_existing_if_match``); in v2 the patients born that day
        are searched first, and a refusal that names the one who exists is an answer too.

        Raises what `create` does; `DuplicatePatient` only if the API does not say who it is. Asked
        again after `OutcomeUnknown`, this session searches, and creates nothing while the lost
        creation may still be carried out.
        """
        return await find_or_create(
            PatientCalls(
                client=self._caller,
                patients=to.PATIENTS,
                get=to.PATIENTS_GET,
                create=to.PATIENTS_CREATE,
            ),
            fields,
        )

    async def confirm(
        self,
        patient: m.Patient | int,
        /,
        *,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is an answer, not an error
        **options: Unpack[PracticeScoped],
    ) -> Written[m.Patient]:
        """Wait until a patient is in the practice's own system.

        A patient who was only created stays with NexHealth until a first appointment is booked.
        No webhook tells of it, so it is looked for with growing pauses, each look a request. When
        the practice's system takes the person up, NexHealth may give them another id: then the
        status is ``gone``. After ``timeout`` seconds (None: never) it is ``waiting``.

        Raises what a call may raise, but not for looks that failed in passing.
        """
        return await patient_written(
            ConfirmationCalls(
                client=self._caller,
                record=to.PATIENTS_GET,
                location=to.LOCATIONS_GET,
                sync_status=to.SYNC_STATUS,
            ),
            patient,
            options,
            timeout=timeout,
        )


class Providers(Noun):
    """The dentists and hygienists of a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ProviderFilters]) -> Walk[m.Provider]:
        """Walk the providers of a practice, or of one location.

        ``GET /providers``

        ``requestable`` needs a location, from the scope or as ``location_id``. Inactive ones are
        left out by the server unless asked for.

        Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.PROVIDERS, filters)

    async def get(self, id: int, /, **options: Unpack[ProviderOptions]) -> m.Provider:
        """Get one provider.

        ``GET /providers/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.PROVIDERS_GET, options, id)


class NexStaff(Noun):
    """The people who use NexHealth at a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[StaffFilters]) -> Walk[m.StaffMember]:
        """Walk the staff of a practice, or of one or several of its locations.

        ``GET /nex_staff``

        The list is numbered in both versions. Raises `MissingScope` without a practice, and
        `InvalidArgument` when both ``location_id`` and ``location_ids`` are given.
        """
        check_one_of(filters, ("location_id", "location_ids"), least=0)
        return self._caller.walk(to.NEX_STAFF, filters)
