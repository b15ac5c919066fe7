"""Webhooks: the addresses events are sent to, and which events each of them gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from nexhealth_async._protocol.operations import CREATED, NO_CONTENT, Endpoint, Need, Paging, Row

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "WEBHOOK_ENDPOINTS",
    "WEBHOOK_ENDPOINTS_CREATE",
    "WEBHOOK_ENDPOINTS_DELETE",
    "WEBHOOK_ENDPOINTS_UPDATE",
    "WEBHOOK_SUBSCRIPTIONS",
    "WEBHOOK_SUBSCRIPTIONS_CREATE",
    "WEBHOOK_SUBSCRIPTIONS_DELETE",
    "WEBHOOK_SUBSCRIPTIONS_UPDATE",
]

_LIST = Row(
    method="GET",
    path="/webhook_endpoints",
    paging=Paging.WHOLE,
    subdomain=Need.NONE,
    filters=("active",),
)

WEBHOOK_ENDPOINTS: Endpoint[m.WebhookEndpoint] = Endpoint(
    resource="webhook_endpoints", verb="walk", model="WebhookEndpoint", v2=_LIST, v3=_LIST
)

_CREATE = Row(
    method="POST",
    path="/webhook_endpoints",
    success=CREATED,
    safe=False,
    subdomain=Need.NONE,
    wrap="",
    lookup="Walk webhook_endpoints and look for the target_url.",
)

WEBHOOK_ENDPOINTS_CREATE: Endpoint[m.WebhookEndpoint] = Endpoint(
    resource="webhook_endpoints", verb="create", model="WebhookEndpoint", v2=_CREATE, v3=_CREATE
)

_UPDATE = Row(method="PATCH", path="/webhook_endpoints/{id}", subdomain=Need.NONE, wrap="")

WEBHOOK_ENDPOINTS_UPDATE: Endpoint[m.WebhookEndpoint] = Endpoint(
    resource="webhook_endpoints", verb="update", model="WebhookEndpoint", v2=_UPDATE, v3=_UPDATE
)

_DELETE = Row(
    method="DELETE", path="/webhook_endpoints/{id}", success=NO_CONTENT, subdomain=Need.NONE
)

WEBHOOK_ENDPOINTS_DELETE: Endpoint[None] = Endpoint(
    resource="webhook_endpoints", verb="delete", model=None, v2=_DELETE, v3=_DELETE
)

_LIST_SUBSCRIPTIONS = Row(
    method="GET",
    path="/webhook_endpoints/{id}/webhook_subscriptions",
    paging=Paging.WHOLE,
    subdomain=Need.NONE,
    filters=("resource_type", "event"),
)

WEBHOOK_SUBSCRIPTIONS: Endpoint[m.WebhookSubscription] = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="walk",
    model="WebhookSubscription",
    v2=_LIST_SUBSCRIPTIONS,
    v3=evolve(_LIST_SUBSCRIPTIONS, subdomain=Need.OPTIONAL),
)

_SUBSCRIBE = Row(
    method="POST",
    path="/webhook_endpoints/{id}/webhook_subscriptions",
    success=CREATED,
    safe=False,
    wrap="",
    lookup="Walk webhook_endpoints.subscriptions and look for the resource_type and event.",
)

WEBHOOK_SUBSCRIPTIONS_CREATE: Endpoint[m.WebhookSubscription] = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="create",
    model="WebhookSubscription",
    v2=_SUBSCRIBE,
    v3=evolve(_SUBSCRIBE, unscoped_if={"resource_type": "Onboarding"}),
)

_CHANGE_SUBSCRIPTION = Row(
    method="PATCH",
    path="/webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}",
    wrap="",
)

WEBHOOK_SUBSCRIPTIONS_UPDATE: Endpoint[m.WebhookSubscription] = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="update",
    model="WebhookSubscription",
    v2=_CHANGE_SUBSCRIPTION,
    v3=_CHANGE_SUBSCRIPTION,
)

_UNSUBSCRIBE = Row(
    method="DELETE",
    path="/webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}",
    success=NO_CONTENT,
    subdomain=Need.NONE,
)

WEBHOOK_SUBSCRIPTIONS_DELETE: Endpoint[None] = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="delete",
    model=None,
    v2=_UNSUBSCRIBE,
    v3=_UNSUBSCRIBE,
)
