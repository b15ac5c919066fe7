"""An in-process API server of invented dental practices, for tests of this library and of yours.

It shares no paging or request code with the client: what both believed wrongly would never show.
"""

from __future__ import annotations

from nexhealth_async.sandbox.assumptions import CountAs, Guesses
from nexhealth_async.sandbox.clock import Clock
from nexhealth_async.sandbox.faults import Fault
from nexhealth_async.sandbox.json_format import Row
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.request_log import PageShown, SeenRequest
from nexhealth_async.sandbox.row_types import (
    AppointmentRow,
    AppointmentTypeRow,
    AvailabilityRow,
    BodySiteRow,
    MoneyRow,
    OperatoryRow,
    PatientBioRow,
    PatientRow,
    ProcedureRow,
    ProviderRow,
    RequestableRow,
    Rows,
)
from nexhealth_async.sandbox.sandbox import ANCHOR, Sandbox
from nexhealth_async.sandbox.tables import Table
from nexhealth_async.sandbox.webhook_deliveries import Deliveries, Sent

__all__ = [
    "ANCHOR",
    "AppointmentRow",
    "AppointmentTypeRow",
    "AvailabilityRow",
    "BodySiteRow",
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
    "RequestableRow",
    "Row",
    "Rows",
    "Sandbox",
    "SeenRequest",
    "Sent",
    "Table",
]
