"""Where NexHealth reports what happens in a practice, and which events it reports there."""

from __future__ import annotations

from attrs import frozen

from nexhealth_async.models._base import Record, Timestamp

__all__ = ["WebhookEndpoint", "WebhookSubscription"]


@frozen(kw_only=True, repr=False)
class WebhookEndpoint(Record):
    """An address of yours that events are sent to.

    Reference: ``GET /webhook_endpoints``.
    """

    _repr_fields = ("id", "active")

    id: int
    target_url: str | None = None
    """HTTPS only. Never printed, because such addresses often hold a token."""
    secret_key: str | None = None
    """The key that deliveries are signed with; never printed."""
    active: bool | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class WebhookSubscription(Record):
    """One kind of event of one practice, sent to one webhook endpoint.

    Deliveries keep the API version the subscription was made with.
    Reference: ``GET /webhook_endpoints/{id}/webhook_subscriptions``.
    """

    _repr_fields = ("id", "resource_type", "event", "active")

    id: int
    webhook_endpoint_id: int | None = None
    institution_id: int | None = None
    """None for events of no practice in particular, such as those of onboardings."""
    resource_type: str | None = None
    """What the event is about, such as ``Appointment``."""
    event: str | None = None
    """What happened, such as ``appointment_insertion``."""
    active: bool | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
