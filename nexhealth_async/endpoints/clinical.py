"""What is done in the chair: procedures, recalls, treatment plans and clinical notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import Endpoint, Need, Paging, Row

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "CLINICAL_NOTES",
    "PATIENT_RECALLS",
    "PATIENT_RECALLS_GET",
    "PROCEDURES",
    "PROCEDURES_GET",
    "RECALL_TYPES",
    "RECALL_TYPES_GET",
    "TREATMENT_PLANS",
    "TREATMENT_PLANS_GET",
]

PROCEDURES: Endpoint[m.Procedure] = Endpoint(
    resource="procedures",
    verb="walk",
    model="Procedure",
    v2=Row(
        method="GET",
        path="/procedures",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.OPTIONAL,
        filters=("provider_id", "patient_id", "appointment_id", "updated_since"),
        wire={"updated_since": "updated_after"},
    ),
    v3=Row(
        method="GET",
        path="/procedures",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.OPTIONAL,
        filters=(
            "provider_id",
            "patient_id",
            "appointment_id",
            "updated_since",
            "started_after",
            "started_before",
            "ended_after",
            "ended_before",
            "sort",
        ),
        one_of=(
            "provider_id",
            "patient_id",
            "appointment_id",
            "updated_since",
            "started_after",
            "started_before",
            "ended_after",
            "ended_before",
        ),
    ),
)

_PROCEDURE = Row(method="GET", path="/procedures/{id}")

PROCEDURES_GET: Endpoint[m.Procedure] = Endpoint(
    resource="procedures",
    verb="get",
    model="Procedure",
    v2=_PROCEDURE,
    v3=_PROCEDURE,
)

_RECALL_FILTERS = ("recall_id", "patient_id", "foreign_id", "updated_since", "due_after", "sort")

PATIENT_RECALLS: Endpoint[m.PatientRecall] = Endpoint(
    resource="patient_recalls",
    verb="walk",
    model="PatientRecall",
    v2=Row(
        method="GET",
        path="/patient_recalls",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.REQUIRED,
        filters=_RECALL_FILTERS,
    ),
    v3=Row(
        method="GET",
        path="/patient_recalls",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.REQUIRED,
        filters=_RECALL_FILTERS,
    ),
)

_RECALL = Row(method="GET", path="/patient_recalls/{id}")

PATIENT_RECALLS_GET: Endpoint[m.PatientRecall] = Endpoint(
    resource="patient_recalls",
    verb="get",
    model="PatientRecall",
    v2=_RECALL,
    v3=_RECALL,
)

_RECALL_TYPES = Row(
    method="GET",
    path="/recall_types",
    paging=Paging.WHOLE,
    location=Need.REQUIRED,
    filters=("foreign_id", "updated_since"),
)

RECALL_TYPES: Endpoint[m.RecallType] = Endpoint(
    resource="recall_types",
    verb="walk",
    model="RecallType",
    v2=_RECALL_TYPES,
    v3=_RECALL_TYPES,
)

_RECALL_TYPE = Row(method="GET", path="/recall_types/{id}")

RECALL_TYPES_GET: Endpoint[m.RecallType] = Endpoint(
    resource="recall_types",
    verb="get",
    model="RecallType",
    v2=_RECALL_TYPE,
    v3=_RECALL_TYPE,
)

TREATMENT_PLANS: Endpoint[m.TreatmentPlan] = Endpoint(
    resource="treatment_plans",
    verb="walk",
    model="TreatmentPlan",
    v3=Row(
        method="GET",
        path="/treatment_plans",
        paging=Paging.CURSOR,
        max_per_page=1000,
        filters=("patient_id", "status", "updated_since"),
    ),
)

TREATMENT_PLANS_GET: Endpoint[m.TreatmentPlan] = Endpoint(
    resource="treatment_plans",
    verb="get",
    model="TreatmentPlan",
    v3=Row(method="GET", path="/treatment_plans/{id}"),
)

CLINICAL_NOTES: Endpoint[m.ClinicalNote] = Endpoint(
    resource="clinical_notes",
    verb="walk",
    model="ClinicalNote",
    v3=Row(
        method="GET",
        path="/clinical_notes",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.REQUIRED,
        filters=("patient_id", "procedure_id", "entered_before", "entered_after", "updated_since"),
        one_of=("patient_id", "procedure_id", "entered_before", "entered_after", "updated_since"),
    ),
)
