"""Webhooks in any framework: who sent it, what happened, and was it seen before.

A delivery is a POST with the headers ``timestamp`` and ``signature``. Keep the body's raw bytes:
the signature is over them, and parsing and writing JSON again changes them. ::

    from nexhealth_async import webhooks

    event = webhooks.receive(secret, request.headers, await request.body())
    if event is None:
        return 401
    for appointment in event.of(Appointment):
        ...

Nothing here opens a connection or needs a session. The receivers in
``nexhealth_async.integrations`` do the rest of the work: answer fast, drop duplicates, queue.
"""

from __future__ import annotations

from nexhealth_async.webhooks.catalogue import EVENTS
from nexhealth_async.webhooks.event import Event
from nexhealth_async.webhooks.reading import LARGEST_BODY, parse, receive, unreadable
from nexhealth_async.webhooks.signature import Body, Secrets, sign, verify

__all__ = [
    "EVENTS",
    "LARGEST_BODY",
    "Body",
    "Event",
    "Secrets",
    "parse",
    "receive",
    "sign",
    "unreadable",
    "verify",
]
