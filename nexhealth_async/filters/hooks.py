"""What webhook endpoints and their subscriptions may be asked and written."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from typing import Literal, Required, TypeAlias, TypedDict

from nexhealth_async.filters.shared import PracticeScoped, WholeOptions

__all__ = [
    "NewWebhookEndpoint",
    "NewWebhookSubscription",
    "WebhookEndpointChanges",
    "WebhookEndpointFilters",
    "WebhookEvent",
    "WebhookResource",
    "WebhookSubscriptionChanges",
    "WebhookSubscriptionFilters",
]

WebhookResource: TypeAlias = Literal[
    "Adjustment",
    "AdjustmentType",
    "Appointment",
    "Charge",
    "Claim",
    "Document",
    "FeeSchedule",
    "FormResponse",
    "Message",
    "Onboarding",
    "Patient",
    "PatientInsuranceCoverage",
    "Payment",
    "PaymentType",
    "Procedure",
    "ProcedureCode",
    "SyncStatus",
    "TreatmentPlan",
]
"""Kinds of records that v3.0.0 has events for; later versions add some."""

WebhookEvent: TypeAlias = Literal[
    "adjustment_created",
    "adjustment_updated",
    "adjustment_deleted",
    "adjustment_insertion",
    "adjustment_type_created",
    "adjustment_type_updated",
    "appointment_insertion",
    "appointment_created",
    "appointment_updated",
    "appointment_requested",
    "charge_created",
    "charge_updated",
    "charge_deleted",
    "claim_created",
    "claim_updated",
    "claim_deleted",
    "document_insertion",
    "fee_schedule_created",
    "fee_schedule_updated",
    "form_response_insertion",
    "message_created",
    "message_updated",
    "onboarding_created",
    "onboarding_updated",
    "onboarding_availability_ready",
    "patient_created",
    "patient_updated",
    "patient_insurance_created",
    "patient_insurance_updated",
    "payment_created",
    "payment_updated",
    "payment_deleted",
    "payment_insertion",
    "payment_type_created",
    "payment_type_updated",
    "procedure_created",
    "procedure_updated",
    "procedure_code_created",
    "procedure_code_updated",
    "procedure_code_deleted",
    "sync_status_read_change",
    "sync_status_write_change",
    "treatment_plan_created",
    "treatment_plan_updated",
    "treatment_plan_deleted",
]
"""Events of v3.0.0; later versions add some. ``_insertion`` tells how a write of ours ended."""


class WebhookEndpointFilters(WholeOptions, total=False):
    """Which webhook endpoints are wanted."""

    active: bool | None
    """Only those that get deliveries (True) or those switched off (False); both when left out."""


class NewWebhookEndpoint(TypedDict, total=False):
    """An address that events are to be sent to."""

    target_url: Required[str]
    """Where they are posted to; in production an ``https://`` address."""
    active: bool
    """Whether deliveries are made."""


class WebhookEndpointChanges(TypedDict, total=False):
    """What may be changed in a webhook endpoint; what is left out stays."""

    target_url: str
    """Where events are posted to; in production an ``https://`` address."""
    active: bool
    """Whether deliveries are made; True revives one that failed for 48 hours."""


class WebhookSubscriptionFilters(PracticeScoped, WholeOptions, total=False):
    """Which subscriptions are wanted."""

    resource_type: WebhookResource | str | None
    """Only those for records of this kind."""
    event: WebhookEvent | str | None
    """Only those for this event."""


class NewWebhookSubscription(PracticeScoped, total=False):
    """Which events are to be sent."""

    resource_type: Required[WebhookResource | str]
    """The kind of record, with a capital: ``"Appointment"``."""
    event: Required[WebhookEvent | str]
    """One of the events of that kind, as ``"appointment_updated"``."""
    active: bool
    """Whether deliveries are made; True by default."""


class WebhookSubscriptionChanges(PracticeScoped, total=False):
    """What may be changed in a subscription; what is left out stays."""

    new_endpoint_id: int
    """Id of another endpoint of yours, to which the subscription moves."""
    active: bool
    """Whether deliveries are made."""
