"""Patients: list, get, create, find or create, and confirmation of writes."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, Required, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    CREATED,
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async._protocol.phone_numbers import normalize_phone
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._confirmation import confirmation_calls
from nexhealth_async.resources.options import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    filter_names,
)
from nexhealth_async.resources.patient_alerts import PatientAlerts
from nexhealth_async.resources.patient_documents import PatientDocuments
from nexhealth_async.workflows.confirmation import WriteResult
from nexhealth_async.workflows.confirmation_rules import confirm_patient
from nexhealth_async.workflows.find_or_create import (
    FindOrCreateResult,
    PatientCalls,
    find_or_create,
)

__all__ = [
    "Gender",
    "NewPatient",
    "NewPatientBio",
    "PatientFilters",
    "PatientInclude",
    "PatientOptions",
    "Patients",
]

PatientInclude: TypeAlias = Literal[
    "upcoming_appts",
    "last_visited_appointment",
    "children",
    "guarantor",
    "procedures",
    "insurance_coverages",
    "adjustments",
    "charges",
    "payments",
    "patient_alerts",
    "address",
    "provider",
]
"""Parts of a patient that are sent on request."""

Gender: TypeAlias = Literal["Male", "Female", "Other"]
"""Genders that the API accepts for a new patient."""


class PatientFilters(LocationScoped, NumberedOptions, total=False):
    """Filters for listing patients. Filters narrow each other (email and phone: see ``email``)."""

    name: str | None
    """Matches names loosely."""
    email: str | None
    """Matches exactly.

    With ``phone_number`` beside it the vendor contradicts itself: the reference page says that both
    must match, the troubleshooting page (October 2026) that either is enough. Compare the result.
    """
    phone_number: str | None
    """Matches exactly. Any usual form of a North American number is sent as its ten digits."""
    date_of_birth: date | None
    """Matches exactly."""
    inactive: bool | None
    """Only inactive (True) or active (False) ones; both when left out."""
    foreign_id: str | None
    """The patient's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    new_patient: bool | None
    """True: only new patients with an upcoming appointment; False: only those who are not new.

    Left out, the server decides: both in v3 since June 2026; for v2 it is not known.
    """
    non_patient: bool | None
    """Only people who are no patients (True), or none of those (False); both when left out."""
    forms_syncable: bool | None
    """True: only patients whose file can take forms."""
    location_strict: bool | None
    """True: only the location's own; else everyone in the system it shares with others."""
    include: Sequence[PatientInclude] | None
    """Related data to include in each record; on this list in v2 only."""
    sort: str | None
    """Fields with commas between, ``-`` before one that descends: ``id``, ``updated_at``."""
    appointment_date_start: date | None
    """Only those with an appointment on or after this day; v2 only."""
    appointment_date_end: date | None
    """Only those with an appointment on or before this day; v2 only."""
    include_upcoming_appts: bool | None
    """True: send ``upcoming_appts`` along, as ``include`` does; v2 only."""


class PatientOptions(PracticeScoped, total=False):
    """Options for getting one patient."""

    include: Sequence[PatientInclude] | None
    """Related data to include."""


class NewPatientBio(TypedDict, total=False):
    """Personal details of a new patient."""

    date_of_birth: Required[date]
    """Not in the future, and at most 130 years ago."""
    phone_number: Required[str]
    """A North American number as ten digits; what is longer is cut off after ten characters."""
    home_phone_number: str
    """Ten digits."""
    cell_phone_number: str
    """Ten digits."""
    work_phone_number: str
    """Ten digits."""
    custom_contact_number: str
    """Ten digits."""
    gender: Gender
    """Give it: where it is missing the API stores ``"Female"``."""
    weight: int
    """In kilograms."""
    height: int
    """In centimetres."""
    street_address: str
    """The whole address in one line."""
    address_line_1: str
    """Street and number."""
    address_line_2: str
    """Second line of the address."""
    city: str
    """City."""
    state: str
    """State."""
    zip_code: str
    """Postal code."""
    insurance_name: str
    """The insurer's name."""
    ssn: str
    """Social security number."""
    race: str
    """Race."""


class NewPatient(LocationScoped, total=False):
    """A new patient."""

    provider_id: Required[int]
    """The patient's provider."""
    first_name: Required[str]
    """Some systems cut it off after 15 characters."""
    last_name: Required[str]
    """Some systems cut it off after 20 characters."""
    email: Required[str]
    """Email address."""
    middle_name: str
    """Middle name; v2 only."""
    return_existing_if_match: bool
    """True: answer with the patient who has this name, birth date and phone already; v3 only.

    With it a lost answer is asked for again, since that makes nobody twice.
    """
    bio: Required[NewPatientBio]
    """Personal details; birth date and phone number are required."""


LIST: "Endpoint[m.Patient]" = Endpoint(
    resource="patients",
    verb="walk",
    model="Patient",
    v2=OperationSpec(
        method="GET",
        path="/patients",
        paging=Paging.NUMBERED,
        payload=("patients",),
        max_per_page=300,
        rate=RateClass.PEOPLE,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(PatientFilters),
    ),
    v3=OperationSpec(
        method="GET",
        path="/patients",
        paging=Paging.CURSOR,
        max_per_page=1000,
        rate=RateClass.PEOPLE,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(
            PatientFilters,
            without=(
                "include",
                "appointment_date_start",
                "appointment_date_end",
                "include_upcoming_appts",
            ),
        ),
    ),
)

GET: "Endpoint[m.Patient]" = Endpoint(
    resource="patients",
    verb="get",
    model="Patient",
    both=OperationSpec(
        method="GET",
        path="/patients/{id}",
        payload=("user", "patient"),
        rate=RateClass.PEOPLE,
        filters=filter_names(PatientOptions),
    ),
)

_LOOK_FOR_PATIENT = (
    "Walk patients with the same phone_number and date_of_birth to see if it exists."
)

CREATE: "Endpoint[m.Patient]" = Endpoint(
    resource="patients",
    verb="create",
    model="Patient",
    v2=OperationSpec(
        method="POST",
        path="/patients",
        payload=("user", "patient"),
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=ScopeNeed.REQUIRED,
        wrap="patient",
        sibling_fields={"provider_id": ("provider", "provider_id")},
        unsupported=("return_existing_if_match",),
        lookup_hint=_LOOK_FOR_PATIENT,
    ),
    v3=OperationSpec(
        method="POST",
        path="/patients",
        payload=("user", "patient"),
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        safe_if="return_existing_if_match",
        location=ScopeNeed.REQUIRED,
        wrap="patient",
        sibling_fields={
            "provider_id": ("provider", "provider_id"),
            "return_existing_if_match": ("return_existing_if_match",),
        },
        unsupported=("middle_name",),
        lookup_hint=_LOOK_FOR_PATIENT,
    ),
)


class Patients(Resource):
    """The patients of a practice."""

    __slots__ = ()

    @property
    def documents(self) -> PatientDocuments:
        """The documents filed under a patient."""
        return PatientDocuments(self._client)

    @property
    def alerts(self) -> PatientAlerts:
        """Alerts that are shown when a practice opens a patient's file."""
        return PatientAlerts(self._client)

    def walk(self, **filters: Unpack[PatientFilters]) -> "Walk[m.Patient]":
        """Iterate over the patients of one location.

        ``GET /patients``

        The default of ``new_patient`` differs: since June 2026 v3 lists
        regular patients and new patients with an upcoming appointment; before, and perhaps in v2
        still, no new patients. To have both for sure, walk ``new_patient=False`` and
        ``new_patient=True``. A new patient without an upcoming appointment may be in neither list:
        keep the id that ``create`` returned.

        A location may share its system with others, and then theirs are found too;
        ``location_strict=True`` keeps to its own. To find people who can be booked, add
        ``inactive=False, non_patient=False``.

        Raises:
            InvalidArgumentError: The phone number does not have ten digits.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: ``include``, ``include_upcoming_appts``, ``appointment_date_start``
                or ``appointment_date_end`` is given in v3.
        """
        if (phone := filters.get("phone_number")) is not None:
            filters["phone_number"] = normalize_phone(phone)
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PatientOptions]) -> "m.Patient":
        """Get one patient.

        ``GET /patients/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)

    async def create(self, **fields: Unpack[NewPatient]) -> "m.Patient":
        """Create a patient.

        ``POST /patients``

        The record reaches the practice's own system later: ``foreign_id`` is None until it is
        written there. Give ``gender``, or the API stores ``"Female"``. In v3
        ``return_existing_if_match=True`` answers with a patient of this name, birth date and phone
        who exists already, and then a lost answer is asked for again.

        Raises:
            DuplicatePatientError: The patient exists; the error has the id.
            InvalidRequestError: The API refuses the request for another reason.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: ``return_existing_if_match`` is given in v2, or ``middle_name`` in
                v3.
            OutcomeUnknownError: The response was lost. Creating is not retried automatically
                otherwise.
        """
        return await self._client.call(CREATE, fields)

    async def find_or_create(self, **fields: Unpack[NewPatient]) -> FindOrCreateResult:
        """Find the patient of this name, birth date and phone number, or create one.

        Phone numbers may be given in any usual form. In v3 the API does both in one request
        (``return_existing_if_match``). In v2 the patients born that day are searched first, and a
        refusal that names the existing patient counts as finding them.

        After `OutcomeUnknownError` the same call may be repeated: this session searches, and
        creates nothing while the lost creation may still be carried out. Other errors are those of
        `create`.

        Returns:
            The patient, and whether this call created them.

        Raises:
            DuplicatePatientError: The patient exists, and the API does not say which one it is.
            OutcomeUnknownError: The response was lost, or an earlier creation may still be carried
                out.
        """
        return await find_or_create(
            PatientCalls(
                client=self._client,
                patients=LIST,
                get=GET,
                create=CREATE,
            ),
            fields,
        )

    async def confirm(
        self,
        patient: "m.Patient | int",
        /,
        *,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is a result, not an error
        **options: Unpack[PracticeScoped],
    ) -> "WriteResult[m.Patient]":
        """Wait until a patient is in the practice's own system.

        A patient who was only created stays with NexHealth until a first appointment is booked. No
        webhook reports it, so the patient is polled with growing pauses. When the practice's system
        takes the patient over, NexHealth may give them another id.

        Polls that fail temporarily are repeated; other errors of a call are raised.

        Args:
            patient: The patient, or their id.
            timeout: Seconds to wait; None for no limit.
            **options: The practice, where no scope binds it.

        Returns:
            The last known state. Its status is ``gone`` if the id no longer exists, and ``waiting``
            after the timeout.
        """
        return await confirm_patient(
            confirmation_calls(self._client, GET),
            patient,
            options,
            timeout=timeout,
        )
