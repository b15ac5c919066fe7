"""Confirmation of each kind of write: the polls and the webhook events that settle it.

Reference: v2 1.12, v3 1.8. A record that is not synced yet has no ``foreign_id``, and a
``foreign_id_type`` that starts with ``nex`` (in upper or lower case).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from attrs import frozen

from nexhealth_async import models as m
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.workflows.confirmation import (
    PollResult,
    TrackedWrite,
    WriteResult,
    track_write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nexhealth_async._client.client import Client
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.workflows.confirmation import WriteStatus
    from nexhealth_async.workflows.event_bus import EventSource, WriteEvent

__all__ = [
    "ConfirmationCalls",
    "confirm_appointment",
    "confirm_entry",
    "confirm_patient",
    "is_synced",
]


class _SyncedRecord(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def foreign_id(self) -> str | None: ...
    @property
    def foreign_id_type(self) -> str | None: ...


R = TypeVar("R", bound=_SyncedRecord)
E = TypeVar("E", "m.Payment", "m.Adjustment")
T = TypeVar("T")


@frozen(kw_only=True)
class ConfirmationCalls(Generic[T]):
    """A client and the operations that confirmations use."""

    client: Client
    record: Endpoint[T]
    """Gets the record, or lists the records among which it will appear."""
    location: Endpoint[m.Location]
    sync_status: Endpoint[m.SyncStatus]


_PATIENT_GONE = (
    "the record no longer exists; a patient created through the API gets another id when the "
    "practice's system imports it, so search for the patient"
)
_HELD_REASON = "the location accepts no bookings from NexHealth (insert_appt_client is off)"
_NOT_CONNECTED = (
    "no practice system is connected (GET /sync_status has no entry); a new test account has only "
    "sample data until NexHealth connects a demo system"
)
_DISCONNECTED = "NexHealth cannot reach the practice's system at present (write_status is red)"


def is_synced(record: _SyncedRecord) -> bool:
    """Return whether a record is in the practice's system."""
    kind = (record.foreign_id_type or "").casefold()
    return bool(record.foreign_id) and not kind.startswith("nex")


async def confirm_appointment(
    calls: ConfirmationCalls[m.Appointment],
    appointment: m.Appointment | int,
    options: Mapping[str, object],
    *,
    timeout: float | None,  # noqa: ASYNC109 - its end is a result, not an error
    events: EventSource | None,
) -> WriteResult[m.Appointment]:
    """Wait until an appointment is in the practice's system, or cannot get there."""
    first = None if isinstance(appointment, int) else appointment
    id = appointment if isinstance(appointment, int) else appointment.id
    location_id = first.location_id if first else None

    async def poll() -> PollResult[m.Appointment]:
        nonlocal location_id
        record = await calls.client.call(calls.record, options, id)
        location_id = record.location_id or location_id
        return PollResult(status=_status(record), record=record)

    async def explain() -> PollResult[m.Appointment]:
        return await _explain_delay(calls, options, location_id)

    return await _track_record(
        first,
        TrackedWrite(
            poll=poll,
            matches_event=lambda event: _is_about(event, "appointment_insertion", "id", id, first),
            read=lambda event: _find_record(event, m.Appointment, id),
            explain=explain,
        ),
        _status,
        timeout=timeout,
        events=events,
    )


def _status(appointment: m.Appointment) -> WriteStatus | None:
    if is_synced(appointment):
        return "complete"
    if appointment.deleted:
        return "gone"
    return "cancelled" if appointment.cancelled else None


async def _explain_delay(
    calls: ConfirmationCalls[m.Appointment], options: Mapping[str, object], location_id: int | None
) -> PollResult[m.Appointment]:
    if location_id is None:
        status, reason = await _connection(calls, options)
        return PollResult(status=status, reason=reason)
    location = await calls.client.call(calls.location, {}, location_id)
    if location.insert_appt_client is False:
        return PollResult(status="held", reason=_HELD_REASON)
    status, reason = await _connection(calls, {**options, "location_ids": [location_id]})
    return PollResult(status=status, reason=reason)


async def _connection(
    calls: ConfirmationCalls[T], options: Mapping[str, object]
) -> tuple[WriteStatus | None, str | None]:
    """Check whether a practice system is connected and can be written to."""
    async with aclosing(calls.client.walk(calls.sync_status, options)) as walk:
        states = [status.write_status async for status in walk]
    if not states:
        return "not connected", _NOT_CONNECTED
    return None, _DISCONNECTED if "red" in states else None


async def confirm_patient(
    calls: ConfirmationCalls[m.Patient],
    patient: m.Patient | int,
    options: Mapping[str, object],
    *,
    timeout: float | None,  # noqa: ASYNC109 - its end is a result, not an error
) -> WriteResult[m.Patient]:
    """Wait until a patient is in the practice's system, by polling: there is no event for it."""
    first = None if isinstance(patient, int) else patient
    id = patient if isinstance(patient, int) else patient.id

    async def poll() -> PollResult[m.Patient]:
        record = await calls.client.call(calls.record, options, id)
        return PollResult(status=_sync_status(record), record=record)

    async def explain() -> PollResult[m.Patient]:
        status, reason = await _connection(calls, options)
        return PollResult(status=status, reason=reason)

    write = TrackedWrite(
        poll=poll,
        matches_event=lambda _: False,
        read=lambda _: None,
        deleted_reason=_PATIENT_GONE,
        explain=explain,
    )
    return await _track_record(first, write, _sync_status, timeout=timeout, events=None)


def _sync_status(record: _SyncedRecord) -> WriteStatus | None:
    return "complete" if is_synced(record) else None


async def _track_record(
    record: R | None,
    write: TrackedWrite[R],
    status: Callable[[R], WriteStatus | None],
    *,
    timeout: float | None,  # noqa: ASYNC109 - its end is a result, not an error
    events: EventSource | None,
) -> WriteResult[R]:
    """Track a write unless the given record is complete already."""
    if record is not None and status(record) == "complete":
        return WriteResult(status="complete", record=record, source="look")
    return await track_write(write, first=record, timeout=timeout, events=events)


async def confirm_entry(
    calls: ConfirmationCalls[E],
    transaction_id: str,
    filters: Mapping[str, object],
    *,
    amount: Decimal | int | None,
    timeout: float | None,  # noqa: ASYNC109 - its end is a result, not an error
    events: EventSource | None,
) -> WriteResult[tuple[E, ...]]:
    """Wait until the ledger shows a whole payment or adjustment."""
    if not transaction_id.strip():
        raise InvalidArgumentError(
            "transaction_id is blank; pass the transaction_id of the payment or adjustment"
        )
    record_type = calls.record.resource.removesuffix("s")

    async def poll() -> PollResult[tuple[E, ...]]:
        async with aclosing(calls.client.walk(calls.record, filters)) as walk:
            entries = tuple(
                [entry async for entry in walk if entry.transaction_id == transaction_id]
            )
        if not entries:
            return PollResult()
        is_whole = amount is None or _total_amount(entries) == amount
        reason = None if is_whole else "the entries of the ledger do not add up to the amount yet"
        return PollResult(status="complete" if is_whole else None, record=entries, reason=reason)

    def matches(event: WriteEvent) -> bool:
        return _is_about(event, f"{record_type}_insertion", "transaction_id", transaction_id, None)

    async def explain() -> PollResult[tuple[E, ...]]:
        scope = {name: filters[name] for name in ("subdomain", "location_id") if name in filters}
        status, reason = await _connection(calls, scope)
        return PollResult(status=status, reason=reason)

    write = TrackedWrite(poll=poll, matches_event=matches, read=lambda _: None, explain=explain)
    return await track_write(write, first=None, timeout=timeout, events=events)


def _total_amount(entries: Sequence[m.Payment | m.Adjustment]) -> Decimal:
    amounts = (
        entry.payment_amount if isinstance(entry, m.Payment) else entry.adjustment_amount
        for entry in entries
    )
    return sum((money.amount for money in amounts if money is not None), Decimal(0))


def _is_about(event: WriteEvent, name: str, field: str, value: object, first: object) -> bool:
    """Return whether an event of this name is about the record with this value.

    A bus may serve several API keys, so the institution must match too, if it is known.
    """
    if event.event != name:
        return False
    institution_id = _get(first, "institution_id")
    return any(
        str(_get(record, field)) == str(value)
        and (institution_id is None or _get(record, "institution_id") in {None, institution_id})
        for record in event.records
    )


def _find_record(event: WriteEvent, model: type[R], id: int) -> R | None:
    matches = (record for record in event.records if isinstance(record, model) and record.id == id)
    return next(matches, None)


def _get(record: object, name: str) -> object:
    if isinstance(record, Mapping):
        return cast("Mapping[str, object]", record).get(name)
    return getattr(record, name, None)
