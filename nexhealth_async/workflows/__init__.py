"""Writes followed to the end: what became of them, and bookings that happen once.

Resources offer these as methods: ``appointments.confirm(...)``, ``.book(...)`` and
``.reschedule(...)``, ``patients.confirm(...)``, ``payments.confirm(...)``
and ``adjustments.confirm(...)``.
"""

from __future__ import annotations

from nexhealth_async.workflows.booking import Rescheduled
from nexhealth_async.workflows.confirmation import WriteStatus, Written
from nexhealth_async.workflows.event_bus import Event, EventBoard, Events

__all__ = [
    "Event",
    "EventBoard",
    "Events",
    "Rescheduled",
    "WriteStatus",
    "Written",
]
