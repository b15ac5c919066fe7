"""Writes followed to the end: what became of them, bookings that happen once, subscriptions kept.

The nouns offer these where one looks for them: ``appointments.confirm(...)``, ``.book(...)`` and
``.reschedule(...)``, ``patients.confirm(...)``, ``payments.confirm(...)``,
``adjustments.confirm(...)``, and ``nex.webhooks.ensure(...)``.
"""

from __future__ import annotations

from nexhealth_async.follow.booking import Rescheduled
from nexhealth_async.follow.ensuring import Ensured, Subscribed, Webhooks
from nexhealth_async.follow.events import Event, EventBoard, Events
from nexhealth_async.follow.outcome import WriteStatus, Written

__all__ = [
    "Ensured",
    "Event",
    "EventBoard",
    "Events",
    "Rescheduled",
    "Subscribed",
    "Webhooks",
    "WriteStatus",
    "Written",
]
