"""Webhooks in any framework: verify, parse and deduplicate deliveries.

A delivery is a POST with the headers ``timestamp`` and ``signature``. Pass the raw bytes of the
body: the signature covers them, and JSON that is parsed and written again differs. ::

    from nexhealth_async import webhooks

    event = webhooks.receive(secret, request.headers, await request.body())
    if event is None:
        return 401
    for appointment in event.of(Appointment):
        ...

These functions open no connection and need no session. A `Receiver` does the rest: it drops
duplicates, runs a handler for each event, and returns the response status. ``webhooks.aiohttp`` and
``webhooks.starlette`` integrate it into aiohttp, Starlette and FastAPI.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nexhealth_async._protocol.webhook_events import EVENTS
from nexhealth_async.webhooks.event import Event
from nexhealth_async.webhooks.parsing import MAX_BODY_BYTES, parse, receive, unreadable_event
from nexhealth_async.webhooks.signature import Body, Secrets, sign, verify

if TYPE_CHECKING:
    from nexhealth_async.webhooks.receiver import Handler, Receiver, ReceiverCounts
    from nexhealth_async.webhooks.subscription_plan import SubscriptionKey
    from nexhealth_async.webhooks.subscriptions import Webhooks, WebhookSyncResult

__all__ = [
    "EVENTS",
    "MAX_BODY_BYTES",
    "Body",
    "Event",
    "Handler",
    "Receiver",
    "ReceiverCounts",
    "Secrets",
    "SubscriptionKey",
    "WebhookSyncResult",
    "Webhooks",
    "parse",
    "receive",
    "sign",
    "unreadable_event",
    "verify",
]

_LAZY_NAMES = {
    "ReceiverCounts": "receiver",
    "WebhookSyncResult": "subscriptions",
    "Handler": "receiver",
    "Receiver": "receiver",
    "SubscriptionKey": "subscription_plan",
    "Webhooks": "subscriptions",
}


def __getattr__(name: str) -> object:
    """Import names that need an event loop on first use; the pure functions need none."""
    module = _LAZY_NAMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
