"""Bodies of deliveries as in the vendor's pages and integrations, about invented people."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.models.model_samples import SAMPLES

__all__ = ["EVENTS", "OUTCOMES", "delivery", "sample"]

EVENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # Resource type: its model ("" where the API serves none), its key in data, its events.
    "Adjustment": (
        "Adjustment",
        "adjustment",
        ("adjustment_created", "adjustment_updated", "adjustment_deleted", "adjustment_insertion"),
    ),
    "AdjustmentType": (
        "AdjustmentType",
        "adjustment_type",
        ("adjustment_type_created", "adjustment_type_updated"),
    ),
    "Appointment": (
        "Appointment",
        "appointment",
        (
            "appointment_insertion",
            "appointment_created",
            "appointment_updated",
            "appointment_requested",
        ),
    ),
    "Charge": ("Charge", "charge", ("charge_created", "charge_updated", "charge_deleted")),
    "Claim": ("Claim", "claim", ("claim_created", "claim_updated", "claim_deleted")),
    "Document": ("Document", "document", ("document_insertion",)),
    "FeeSchedule": (
        "FeeSchedule",
        "fee_schedule",
        ("fee_schedule_created", "fee_schedule_updated"),
    ),
    "FormRequest": ("", "form_request", ("form_request_completed",)),
    "FormResponse": ("", "form_response", ("form_response_insertion",)),
    "Message": ("", "message", ("message_created", "message_updated")),
    "Onboarding": (
        "Onboarding",
        "onboarding",
        ("onboarding_created", "onboarding_updated", "onboarding_availability_ready"),
    ),
    "Patient": ("Patient", "patient", ("patient_created", "patient_updated")),
    "PatientInsuranceCoverage": (
        "InsuranceCoverage",
        "patient_insurance_coverage",
        ("patient_insurance_created", "patient_insurance_updated"),
    ),
    "Payment": (
        "Payment",
        "payment",
        ("payment_created", "payment_updated", "payment_deleted", "payment_insertion"),
    ),
    "PaymentType": (
        "PaymentType",
        "payment_type",
        ("payment_type_created", "payment_type_updated"),
    ),
    "Procedure": ("Procedure", "procedure", ("procedure_created", "procedure_updated")),
    "ProcedureCode": (
        "",
        "procedure_code",
        ("procedure_code_created", "procedure_code_updated", "procedure_code_deleted"),
    ),
    "Provider": ("Provider", "provider", ("provider_created", "provider_updated")),
    "SyncStatus": (
        "SyncStatus",
        "sync_status",
        ("sync_status_read_change", "sync_status_write_change"),
    ),
    "TreatmentPlan": (
        "TreatmentPlan",
        "treatment_plan",
        ("treatment_plan_created", "treatment_plan_updated", "treatment_plan_deleted"),
    ),
    "WorkingHour": (
        "WorkingHours",
        "working_hour",
        ("working_hour_created", "working_hour_updated"),
    ),
}
"""The catalogues of v2, v3.0.0 and v3.1.0, copied independently of the library's own."""

OUTCOMES: dict[str, tuple[str | None, ...]] = {
    "appointment_updated": (None, "failed", "timed_out", "incomplete"),
    "sync_status_read_change": ("red", "green"),
    "sync_status_write_change": ("red", "green"),
}
"""Suffixes of event names; insertions have all four."""

_SAMPLES = dict(reversed(SAMPLES))  # the first of each model is the fullest
_PLAIN = '{"id":7,"updated_at":"2026-01-10T20:59:37.800Z","status":"new","of_its_own":[1.5,null]}'


def sample(model: str) -> dict[str, Any]:
    """Return a record of a model as the API sends it, or of one without a model."""
    record: dict[str, Any] = msgspec.json.decode(_SAMPLES.get(model, _PLAIN))
    return record


def delivery(event_name: str, data: Any, **members: Any) -> bytes:
    """Return a body with the members common to all deliveries."""
    return msgspec.json.encode(
        {
            "resource_type": "Appointment",
            "event_name": event_name,
            "event_time": "2026-01-28T14:00:00.000Z",
            "subdomain": "demo-practice",
            "institution_id": 19089,
            "data": data,
            "delivery_errors": [],
            **members,
        }
    )
