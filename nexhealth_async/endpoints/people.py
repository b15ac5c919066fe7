"""The people: patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async.endpoints.rows import (
    CREATED,
    Endpoint,
    Need,
    Paging,
    RateClass,
    Row,
)

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = ["PATIENTS", "PATIENTS_CREATE", "PATIENTS_GET"]

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
            "include[]",
            "sort",
            "appointment_date_start",
            "appointment_date_end",
        ),
        defaults={"new_patient": False},
    ),
)

PATIENTS_GET: Endpoint[m.Patient] = Endpoint(
    resource="patients",
    verb="get",
    model="Patient",
    v2=Row(
        method="GET",
        path="/patients/{id}",
        payload=("user", "patient"),
        rate=RateClass.PEOPLE,
        filters=("include[]",),
    ),
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
        lookup="Walk patients with the same phone_number and date_of_birth to see if it exists.",
    ),
)
