"""Webhook endpoints and their subscriptions."""

from __future__ import annotations

from attrs import frozen

from nexhealth_async.models._base import Record, Timestamp

__all__ = ["WebhookEndpoint", "WebhookSubscription"]


@frozen(kw_only=True, repr=False)
class WebhookEndpoint(Record):
    """A URL to which NexHealth sends events.

    Reference: ``GET /webhook_endpoints``.
    """

    _repr_fields = ("id", "active")

    id: int
    """NexHealth's id."""
    target_url: str | None = None
    """HTTPS URL. Hidden from the repr, because it often holds a token."""
    secret_key: str | None = None
    """Key that signs the deliveries; hidden from the repr."""
    active: bool | None = None
    """True if the endpoint receives events."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class WebhookSubscription(Record):
    """The subscription of a webhook endpoint to one kind of event of one practice.

    Deliveries keep the API version with which the subscription was created.
    Reference: ``GET /webhook_endpoints/{id}/webhook_subscriptions``.
    """

    _repr_fields = ("id", "resource_type", "event", "active")

    id: int
    """NexHealth's id."""
    webhook_endpoint_id: int | None = None
    """The webhook endpoint's id."""
    institution_id: int | None = None
    """The institution's id; None for events without an institution, such as those of onboardings.
    """
    resource_type: str | None = None
    """Resource of the event, such as ``Appointment``."""
    event: str | None = None
    """Name of the event, such as ``appointment_insertion``."""
    active: bool | None = None
    """True if the subscription receives deliveries."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
