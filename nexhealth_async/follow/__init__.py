"""Writes followed to the end: what became of them, and bookings that happen once.

The nouns offer these where one looks for them: ``appointments.confirm(...)``, ``.book(...)`` and
``.reschedule(...)``, ``patients.confirm(...)``, ``payments.confirm(...)``
and ``adjustments.confirm(...)``.
"""

from __future__ import annotations

from nexhealth_async.follow.booking import Rescheduled
from nexhealth_async.follow.events import Event, EventBoard, Events
from nexhealth_async.follow.outcome import WriteStatus, Written

__all__ = [
    "Event",
    "EventBoard",
    "Events",
    "Rescheduled",
    "WriteStatus",
    "Written",
]
