"""Webhooks in any framework: who sent it, what happened, and was it seen before.

A delivery is a POST with the headers ``timestamp`` and ``signature``. Keep the body's raw bytes:
the signature is over them, and parsing and writing JSON again changes them. ::

    from nexhealth_async import webhooks

    event = webhooks.receive(secret, request.headers, await request.body())
    if event is None:
        return 401
    for appointment in event.of(Appointment):
        ...

Nothing here opens a connection or needs a session. A `Receiver` does the rest of the work: it
drops duplicates, has each event handled, and says what to answer. ``webhooks.aiohttp`` and
``webhooks.starlette`` serve it in aiohttp, Starlette and FastAPI.
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

_LAZY = {
    "ReceiverCounts": "receiver",
    "WebhookSyncResult": "subscriptions",
    "Handler": "receiver",
    "Receiver": "receiver",
    "SubscriptionKey": "subscription_plan",
    "Webhooks": "subscriptions",
}


def __getattr__(name: str) -> object:
    """Load what needs an event loop on first use; the pure functions need none."""
    home = _LAZY.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
