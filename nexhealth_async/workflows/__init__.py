"""Workflows of several calls: booking, rescheduling, confirmation of writes, find-or-create.

Resources offer them as methods: ``appointments.confirm(...)``, ``.book(...)`` and
``.reschedule(...)``, ``patients.confirm(...)``, ``payments.confirm(...)`` and
``adjustments.confirm(...)``.
"""

from __future__ import annotations

from nexhealth_async.workflows.booking import RescheduleResult
from nexhealth_async.workflows.confirmation import WriteResult, WriteStatus
from nexhealth_async.workflows.event_bus import EventBus, EventSource, WriteEvent

__all__ = [
    "EventBus",
    "EventSource",
    "RescheduleResult",
    "WriteEvent",
    "WriteResult",
    "WriteStatus",
]
