"""The people: patients, what is filed under them, and the staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import CREATED, Endpoint, Need, Paging, RateClass, Row

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "NEX_STAFF",
    "PATIENTS",
    "PATIENTS_CREATE",
    "PATIENTS_GET",
    "PATIENT_ALERTS",
    "PATIENT_ALERTS_CREATE",
    "PATIENT_ALERTS_GET",
    "PATIENT_ALERTS_UPDATE",
    "PATIENT_DOCUMENTS",
    "PATIENT_DOCUMENTS_CREATE",
]

_PATIENT_FILTERS = (
    "name",
    "email",
    "phone_number",
    "date_of_birth",
    "inactive",
    "foreign_id",
    "updated_since",
    "new_patient",
    "non_patient",
    "forms_syncable",
    "location_strict",
    "sort",
)

PATIENTS: Endpoint[m.Patient] = Endpoint(
    resource="patients",
    verb="walk",
    model="Patient",
    v2=Row(
        method="GET",
        path="/patients",
        paging=Paging.NUMBERED,
        payload=("patients",),
        max_per_page=300,
        rate=RateClass.PEOPLE,
        location=Need.REQUIRED,
        filters=(
            *_PATIENT_FILTERS,
            "include[]",
            "appointment_date_start",
            "appointment_date_end",
            "include_upcoming_appts",
        ),
    ),
    v3=Row(
        method="GET",
        path="/patients",
        paging=Paging.CURSOR,
        max_per_page=1000,
        rate=RateClass.PEOPLE,
        location=Need.REQUIRED,
        filters=_PATIENT_FILTERS,
    ),
)

_PATIENT = Row(
    method="GET",
    path="/patients/{id}",
    payload=("user", "patient"),
    rate=RateClass.PEOPLE,
    filters=("include[]",),
)

PATIENTS_GET: Endpoint[m.Patient] = Endpoint(
    resource="patients",
    verb="get",
    model="Patient",
    v2=_PATIENT,
    v3=_PATIENT,
)

_LOOK_FOR_PATIENT = (
    "Walk patients with the same phone_number and date_of_birth to see if it exists."
)

PATIENTS_CREATE: Endpoint[m.Patient] = Endpoint(
    resource="patients",
    verb="create",
    model="Patient",
    v2=Row(
        method="POST",
        path="/patients",
        payload=("user", "patient"),
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=Need.REQUIRED,
        wrap="patient",
        beside={"provider_id": ("provider", "provider_id")},
        lacks=("return_existing_if_match",),
        lookup=_LOOK_FOR_PATIENT,
    ),
    v3=Row(
        method="POST",
        path="/patients",
        payload=("user", "patient"),
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        safe_if="return_existing_if_match",
        location=Need.REQUIRED,
        wrap="patient",
        beside={
            "provider_id": ("provider", "provider_id"),
            "return_existing_if_match": ("return_existing_if_match",),
        },
        lacks=("middle_name",),
        lookup=_LOOK_FOR_PATIENT,
    ),
)

PATIENT_DOCUMENTS: Endpoint[m.Document] = Endpoint(
    resource="patients.documents",
    verb="walk",
    model="Document",
    v2=Row(
        method="GET",
        path="/patients/{id}/documents",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.PEOPLE,
    ),
    v3=Row(
        method="GET",
        path="/patients/{id}/documents",
        paging=Paging.WHOLE,
        rate=RateClass.PEOPLE,
    ),
)

_NEW_DOCUMENT = Row(
    method="POST",
    path="/patients/{id}/documents",
    success=CREATED,
    rate=RateClass.PEOPLE,
    safe=False,
    location=Need.REQUIRED,
    multipart=True,
    lookup="Walk patients.documents of the patient and look for the filename.",
)

PATIENT_DOCUMENTS_CREATE: Endpoint[m.Document] = Endpoint(
    resource="patients.documents",
    verb="create",
    model="Document",
    v2=_NEW_DOCUMENT,
    v3=_NEW_DOCUMENT,
)

_ALERTS = Row(
    method="GET",
    path="/patients/{id}/alerts",
    paging=Paging.WHOLE,
    rate=RateClass.PEOPLE,
    filters=("include_disabled",),
)

PATIENT_ALERTS: Endpoint[m.PatientAlert] = Endpoint(
    resource="patients.alerts",
    verb="walk",
    model="PatientAlert",
    v2=_ALERTS,
    v3=_ALERTS,
)

_ALERT = Row(method="GET", path="/patients/{id}/alerts/{alert_id}", rate=RateClass.PEOPLE)

PATIENT_ALERTS_GET: Endpoint[m.PatientAlert] = Endpoint(
    resource="patients.alerts",
    verb="get",
    model="PatientAlert",
    v2=_ALERT,
    v3=_ALERT,
)

_NEW_ALERT = Row(
    method="POST",
    path="/patients/{id}/alerts",
    success=CREATED,
    rate=RateClass.PEOPLE,
    safe=False,
    wrap="patient_alert",
    lookup="Walk patients.alerts of the patient and look for the note.",
)

PATIENT_ALERTS_CREATE: Endpoint[m.PatientAlert] = Endpoint(
    resource="patients.alerts",
    verb="create",
    model="PatientAlert",
    v2=_NEW_ALERT,
    v3=_NEW_ALERT,
)

_CHANGED_ALERT = Row(
    method="PATCH",
    path="/patients/{id}/alerts/{alert_id}",
    rate=RateClass.PEOPLE,
    wrap="patient_alert",
)

PATIENT_ALERTS_UPDATE: Endpoint[m.PatientAlert] = Endpoint(
    resource="patients.alerts",
    verb="update",
    model="PatientAlert",
    v2=_CHANGED_ALERT,
    v3=_CHANGED_ALERT,
)

_STAFF = Row(
    method="GET",
    path="/nex_staff",
    paging=Paging.NUMBERED,
    max_per_page=300,
    location=Need.OPTIONAL,
    location_filter="location_ids",
    filters=("inactive", "location_ids[]"),
)

NEX_STAFF: Endpoint[m.StaffMember] = Endpoint(
    resource="nex_staff",
    verb="walk",
    model="StaffMember",
    v2=_STAFF,
    v3=_STAFF,
)
