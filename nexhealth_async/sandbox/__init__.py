"""An in-process API server of invented dental practices, for tests of this library and of yours.

It shares no paging or request code with the client: what both believed wrongly would never show.
"""

from __future__ import annotations

from nexhealth_async.sandbox.box import ANCHOR, Sandbox
from nexhealth_async.sandbox.clock import Clock
from nexhealth_async.sandbox.deliveries import Deliveries, Sent
from nexhealth_async.sandbox.faults import Fault
from nexhealth_async.sandbox.guesses import CountAs, Guesses
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.rows import (
    AppointmentRow,
    AppointmentTypeRow,
    AvailabilityRow,
    MoneyRow,
    OperatoryRow,
    PatientBioRow,
    PatientRow,
    ProcedureRow,
    ProviderRow,
    Rows,
)
from nexhealth_async.sandbox.seen import PageShown, SeenRequest
from nexhealth_async.sandbox.store import Table
from nexhealth_async.sandbox.wire import Row

__all__ = [
    "ANCHOR",
    "AppointmentRow",
    "AppointmentTypeRow",
    "AvailabilityRow",
    "Clock",
    "CountAs",
    "Deliveries",
    "Fault",
    "Guesses",
    "MoneyRow",
    "OperatoryRow",
    "PageShown",
    "PatientBioRow",
    "PatientRow",
    "Practice",
    "ProcedureRow",
    "ProviderRow",
    "Row",
    "Rows",
    "Sandbox",
    "SeenRequest",
    "Sent",
    "Table",
]
