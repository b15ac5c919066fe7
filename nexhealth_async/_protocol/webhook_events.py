"""Catalogue of the webhook events in the vendor's documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from nexhealth_async import models
from nexhealth_async.models import Record

__all__ = ["EVENTS", "EVENT_TYPES", "EventType", "event_type_of"]


@frozen
class EventType:
    """A resource type and its events."""

    resource_type: str
    """Name in the vendor's spelling; empty if no page states it."""
    events: tuple[str, ...]
    """Names of events, without the outcome."""
    model_name: str = ""
    """Name of the model; empty for types that the API does not serve."""
    aliases: tuple[str, ...] = ()
    """Further keys of ``data`` that hold records."""

    @property
    def model(self) -> type[Record] | None:
        """The model of the records, None if there is none."""
        model: type[Record] | None = getattr(models, self.model_name or "_", None)
        return model

    @property
    def wrappers(self) -> tuple[str, ...]:
        """Keys of ``data`` that may hold one or several records."""
        if not self.resource_type:
            return ()
        names = (_snake(self.resource_type), *self.aliases)
        return (*names, *map(_plural, names))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _plural(name: str) -> str:
    return f"{name}es" if name.endswith("s") else f"{name}s"


EVENT_TYPES: Final = (
    EventType(
        "Adjustment",
        ("adjustment_created", "adjustment_updated", "adjustment_deleted", "adjustment_insertion"),
        "Adjustment",
    ),
    EventType("AdjustmentTransaction", ()),
    EventType(
        "AdjustmentType", ("adjustment_type_created", "adjustment_type_updated"), "AdjustmentType"
    ),
    EventType(
        "Appointment",
        (
            "appointment_insertion",
            "appointment_created",
            "appointment_updated",
            "appointment_requested",
        ),
        "Appointment",
        ("appt",),
    ),
    EventType("Charge", ("charge_created", "charge_updated", "charge_deleted"), "Charge"),
    EventType("Claim", ("claim_created", "claim_updated", "claim_deleted"), "Claim"),
    EventType("Conversation", ()),
    EventType("Document", ("document_insertion",), "Document"),
    EventType("FeeSchedule", ("fee_schedule_created", "fee_schedule_updated"), "FeeSchedule"),
    EventType("FormRequest", ("form_request_completed",)),
    EventType("FormResponse", ("form_response_insertion",)),
    EventType("Message", ("message_created", "message_updated")),
    EventType(
        "Onboarding",
        ("onboarding_created", "onboarding_updated", "onboarding_availability_ready"),
        "Onboarding",
    ),
    EventType("Patient", ("patient_created", "patient_updated"), "Patient", ("user",)),
    EventType(
        "PatientInsuranceCoverage",
        ("patient_insurance_created", "patient_insurance_updated"),
        "InsuranceCoverage",
        ("insurance_coverage", "patient_insurance"),
    ),
    EventType(
        "Payment",
        ("payment_created", "payment_updated", "payment_deleted", "payment_insertion"),
        "Payment",
    ),
    EventType("PaymentType", ("payment_type_created", "payment_type_updated"), "PaymentType"),
    EventType("Procedure", ("procedure_created", "procedure_updated"), "Procedure"),
    EventType(
        "ProcedureCode",
        ("procedure_code_created", "procedure_code_updated", "procedure_code_deleted"),
    ),
    EventType("Provider", ("provider_created", "provider_updated"), "Provider"),
    EventType("SyncStatus", ("sync_status_read_change", "sync_status_write_change"), "SyncStatus"),
    EventType(
        "TreatmentPlan",
        ("treatment_plan_created", "treatment_plan_updated", "treatment_plan_deleted"),
        "TreatmentPlan",
    ),
    EventType("WorkingHour", ("working_hour_created", "working_hour_updated"), "WorkingHours"),
    EventType("", ("medical_history_patient_items_updated",)),
)

EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    kind.resource_type: kind.events for kind in EVENT_TYPES if kind.resource_type and kind.events
}
"""Names of events by resource type, in the vendor's spelling, for subscriptions.

Not every API version has all of them.
"""

_BY_EVENT: Final = {event: kind for kind in EVENT_TYPES for event in kind.events}


def _normalize_name(name: str) -> str:
    return name.replace("_", "").lower()


_BY_TYPE: Final = {
    _normalize_name(kind.resource_type): kind for kind in EVENT_TYPES if kind.resource_type
}


def event_type_of(resource_type: str, event: str) -> EventType | None:
    """Return the type of an event, by its name or else by its resource type.

    The name has precedence, since the resource type has two spellings.
    """
    return _BY_EVENT.get(event) or _BY_TYPE.get(_normalize_name(resource_type))
