"""Every event the vendor's pages name, with what its data are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from nexhealth_async import models
from nexhealth_async.models import Record

__all__ = ["CATALOGUE", "EVENTS", "Kind", "kind_of"]


@frozen
class Kind:
    """One type of resource that events are about."""

    resource_type: str
    """As the vendor's table spells it; empty where no page tells."""
    events: tuple[str, ...]
    """Names without outcome."""
    model_name: str = ""
    """What its records are here; empty for what the API itself does not serve."""
    aliases: tuple[str, ...] = ()
    """Further keys of ``data`` that hold its records."""

    @property
    def model(self) -> type[Record] | None:
        """The class of its records, if they have one."""
        found: type[Record] | None = getattr(models, self.model_name or "_", None)
        return found

    @property
    def wrappers(self) -> tuple[str, ...]:
        """The keys of ``data`` that may hold its records, or one of them."""
        if not self.resource_type:
            return ()
        names = (_snake(self.resource_type), *self.aliases)
        return (*names, *map(_plural, names))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _plural(name: str) -> str:
    return f"{name}es" if name.endswith("s") else f"{name}s"


CATALOGUE: Final = (
    Kind(
        "Adjustment",
        ("adjustment_created", "adjustment_updated", "adjustment_deleted", "adjustment_insertion"),
        "Adjustment",
    ),
    Kind("AdjustmentTransaction", ()),
    Kind(
        "AdjustmentType", ("adjustment_type_created", "adjustment_type_updated"), "AdjustmentType"
    ),
    Kind(
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
    Kind("Charge", ("charge_created", "charge_updated", "charge_deleted"), "Charge"),
    Kind("Claim", ("claim_created", "claim_updated", "claim_deleted"), "Claim"),
    Kind("Conversation", ()),
    Kind("Document", ("document_insertion",), "Document"),
    Kind("FeeSchedule", ("fee_schedule_created", "fee_schedule_updated"), "FeeSchedule"),
    Kind("FormRequest", ("form_request_completed",)),
    Kind("FormResponse", ("form_response_insertion",)),
    Kind("Message", ("message_created", "message_updated")),
    Kind(
        "Onboarding",
        ("onboarding_created", "onboarding_updated", "onboarding_availability_ready"),
        "Onboarding",
    ),
    Kind("Patient", ("patient_created", "patient_updated"), "Patient", ("user",)),
    Kind(
        "PatientInsuranceCoverage",
        ("patient_insurance_created", "patient_insurance_updated"),
        "InsuranceCoverage",
        ("insurance_coverage", "patient_insurance"),
    ),
    Kind(
        "Payment",
        ("payment_created", "payment_updated", "payment_deleted", "payment_insertion"),
        "Payment",
    ),
    Kind("PaymentType", ("payment_type_created", "payment_type_updated"), "PaymentType"),
    Kind("Procedure", ("procedure_created", "procedure_updated"), "Procedure"),
    Kind(
        "ProcedureCode",
        ("procedure_code_created", "procedure_code_updated", "procedure_code_deleted"),
    ),
    Kind("Provider", ("provider_created", "provider_updated"), "Provider"),
    Kind("SyncStatus", ("sync_status_read_change", "sync_status_write_change"), "SyncStatus"),
    Kind(
        "TreatmentPlan",
        ("treatment_plan_created", "treatment_plan_updated", "treatment_plan_deleted"),
        "TreatmentPlan",
    ),
    Kind("WorkingHour", ("working_hour_created", "working_hour_updated"), "WorkingHours"),
    Kind("", ("medical_history_patient_items_updated",)),
)

EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    kind.resource_type: kind.events for kind in CATALOGUE if kind.resource_type and kind.events
}
"""What can be subscribed to: the names of events by resource type, in the vendor's spelling.

Not every API version knows all of them.
"""

_BY_EVENT: Final = {event: kind for kind in CATALOGUE for event in kind.events}


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


_BY_TYPE: Final = {_letters(kind.resource_type): kind for kind in CATALOGUE if kind.resource_type}


def kind_of(resource_type: str, event: str) -> Kind | None:
    """Return what an event is about; its name counts before the type, which has two spellings."""
    return _BY_EVENT.get(event) or _BY_TYPE.get(_letters(resource_type))
