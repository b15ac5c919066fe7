"""An in-process API server with invented dental practices, for tests of clients.

It shares no code with the client, because tests would not find errors in shared code.
"""

from __future__ import annotations

from nexhealth_async.sandbox.assumptions import Assumptions, CountAs
from nexhealth_async.sandbox.clock import Clock
from nexhealth_async.sandbox.faults import Fault
from nexhealth_async.sandbox.json_format import JsonRow
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.request_log import RecordedPage, RecordedRequest
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
from nexhealth_async.sandbox.sandbox import DEFAULT_ANCHOR, Sandbox
from nexhealth_async.sandbox.tables import RecordTable
from nexhealth_async.sandbox.webhook_deliveries import Deliveries, SentDelivery

__all__ = [
    "DEFAULT_ANCHOR",
    "AppointmentRow",
    "AppointmentTypeRow",
    "Assumptions",
    "AvailabilityRow",
    "BodySiteRow",
    "Clock",
    "CountAs",
    "Deliveries",
    "Fault",
    "JsonRow",
    "MoneyRow",
    "OperatoryRow",
    "PatientBioRow",
    "PatientRow",
    "Practice",
    "ProcedureRow",
    "ProviderRow",
    "RecordTable",
    "RecordedPage",
    "RecordedRequest",
    "RequestableRow",
    "Rows",
    "Sandbox",
    "SentDelivery",
]
