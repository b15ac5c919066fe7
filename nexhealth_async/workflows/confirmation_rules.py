"""Which looks and which events tell how a write of each kind has ended.

Reference: v2 1.12, v3 1.8. An unwritten record has no ``foreign_id``, and a ``foreign_id_type``
that begins with ``nex`` in either case.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from attrs import frozen

from nexhealth_async import models as m
from nexhealth_async.errors import InvalidArgument
from nexhealth_async.workflows.confirmation import Followed, Seen, Written, followed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nexhealth_async._client.client import Client
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.workflows.confirmation import WriteStatus
    from nexhealth_async.workflows.event_bus import Event, Events

__all__ = [
    "ConfirmationCalls",
    "appointment_written",
    "entry_written",
    "patient_written",
    "reached",
]


class _Written(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def foreign_id(self) -> str | None: ...
    @property
    def foreign_id_type(self) -> str | None: ...


R = TypeVar("R", bound=_Written)
E = TypeVar("E", "m.Payment", "m.Adjustment")
T = TypeVar("T")


@frozen(kw_only=True)
class ConfirmationCalls(Generic[T]):
    """A client, and the operations that confirming a write performs with it."""

    client: Client
    record: Endpoint[T]
    """Reads the record, or lists the records among which it is to appear."""
    location: Endpoint[m.Location]
    sync_status: Endpoint[m.SyncStatus]


_PATIENT_GONE = (
    "the record is no longer there; one that was made through the API gets another id when the "
    "practice's system takes it up, so search for the person"
)
_HELD = "the location takes no bookings from NexHealth (insert_appt_client is off)"
_NOT_CONNECTED = (
    "no practice system is connected (GET /sync_status has no entry): a fresh test account has "
    "sample data only, until NexHealth connects a demo system to it"
)
_RED = "NexHealth does not reach the practice's system at present (write_status is red)"


def reached(record: _Written) -> bool:
    """Tell whether a record is in the practice's own system."""
    kind = (record.foreign_id_type or "").casefold()
    return bool(record.foreign_id) and not kind.startswith("nex")


async def appointment_written(
    calls: ConfirmationCalls[m.Appointment],
    appointment: m.Appointment | int,
    options: Mapping[str, object],
    *,
    timeout: float | None,  # noqa: ASYNC109 - its end is an answer, not an error
    events: Events | None,
) -> Written[m.Appointment]:
    """Follow an appointment until it is in the practice's system, or cannot get there."""
    given = None if isinstance(appointment, int) else appointment
    id = appointment if isinstance(appointment, int) else appointment.id
    location_id = given.location_id if given else None

    async def look() -> Seen[m.Appointment]:
        nonlocal location_id
        seen = await calls.client.call(calls.record, options, id)
        location_id = seen.location_id or location_id
        return Seen(status=_status(seen), record=seen)

    async def explain() -> Seen[m.Appointment]:
        return await _why_it_takes_long(calls, options, location_id)

    return await _followed(
        given,
        Followed(
            look=look,
            told=lambda event: _is_about(event, "appointment_insertion", "id", id, given),
            read=lambda event: _record(event, m.Appointment, id),
            explain=explain,
        ),
        _status,
        timeout=timeout,
        events=events,
    )


def _status(appointment: m.Appointment) -> WriteStatus | None:
    if reached(appointment):
        return "complete"
    if appointment.deleted:
        return "gone"
    return "cancelled" if appointment.cancelled else None


async def _why_it_takes_long(
    calls: ConfirmationCalls[m.Appointment], options: Mapping[str, object], location_id: int | None
) -> Seen[m.Appointment]:
    if location_id is None:
        status, reason = await _connection(calls, options)
        return Seen(status=status, reason=reason)
    location = await calls.client.call(calls.location, {}, location_id)
    if location.insert_appt_client is False:
        return Seen(status="held", reason=_HELD)
    status, reason = await _connection(calls, {**options, "location_ids": [location_id]})
    return Seen(status=status, reason=reason)


async def _connection(
    calls: ConfirmationCalls[T], options: Mapping[str, object]
) -> tuple[WriteStatus | None, str | None]:
    """Ask whether there is a practice's system, and whether it can be written to."""
    async with aclosing(calls.client.walk(calls.sync_status, options)) as walk:
        states = [status.write_status async for status in walk]
    if not states:
        return "not connected", _NOT_CONNECTED
    return None, _RED if "red" in states else None


async def patient_written(
    calls: ConfirmationCalls[m.Patient],
    patient: m.Patient | int,
    options: Mapping[str, object],
    *,
    timeout: float | None,  # noqa: ASYNC109 - its end is an answer, not an error
) -> Written[m.Patient]:
    """Follow a patient until the practice's system has them; no event tells of it."""
    given = None if isinstance(patient, int) else patient
    id = patient if isinstance(patient, int) else patient.id

    async def look() -> Seen[m.Patient]:
        seen = await calls.client.call(calls.record, options, id)
        return Seen(status=_complete(seen), record=seen)

    async def explain() -> Seen[m.Patient]:
        status, reason = await _connection(calls, options)
        return Seen(status=status, reason=reason)

    write = Followed(
        look=look,
        told=lambda _: False,
        read=lambda _: None,
        gone=_PATIENT_GONE,
        explain=explain,
    )
    return await _followed(given, write, _complete, timeout=timeout, events=None)


def _complete(record: _Written) -> WriteStatus | None:
    return "complete" if reached(record) else None


async def _followed(
    given: R | None,
    write: Followed[R],
    status: Callable[[R], WriteStatus | None],
    *,
    timeout: float | None,  # noqa: ASYNC109 - its end is an answer, not an error
    events: Events | None,
) -> Written[R]:
    """Look no further where the record at hand says enough."""
    if given is not None and status(given) == "complete":
        return Written(status="complete", record=given, told_by="look")
    return await followed(write, first=given, timeout=timeout, events=events)


async def entry_written(
    calls: ConfirmationCalls[E],
    transaction_id: str,
    filters: Mapping[str, object],
    *,
    amount: Decimal | int | None,
    timeout: float | None,  # noqa: ASYNC109 - its end is an answer, not an error
    events: Events | None,
) -> Written[tuple[E, ...]]:
    """Follow a payment or adjustment until the ledger shows all of it."""
    if not transaction_id.strip():
        raise InvalidArgument(
            "transaction_id is blank; pass the one that the payment or adjustment was made with"
        )
    noun = calls.record.resource.removesuffix("s")

    async def look() -> Seen[tuple[E, ...]]:
        async with aclosing(calls.client.walk(calls.record, filters)) as walk:
            rows = tuple([one async for one in walk if one.transaction_id == transaction_id])
        if not rows:
            return Seen()
        whole = amount is None or _sum(rows) == amount
        reason = None if whole else "the rows in the ledger do not add up to the amount yet"
        return Seen(status="complete" if whole else None, record=rows, reason=reason)

    def told(event: Event) -> bool:
        return _is_about(event, f"{noun}_insertion", "transaction_id", transaction_id, None)

    async def explain() -> Seen[tuple[E, ...]]:
        scope = {name: filters[name] for name in ("subdomain", "location_id") if name in filters}
        status, reason = await _connection(calls, scope)
        return Seen(status=status, reason=reason)

    write = Followed(look=look, told=told, read=lambda _: None, explain=explain)
    return await followed(write, first=None, timeout=timeout, events=events)


def _sum(rows: Sequence[m.Payment | m.Adjustment]) -> Decimal:
    amounts = (
        one.payment_amount if isinstance(one, m.Payment) else one.adjustment_amount for one in rows
    )
    return sum((money.amount for money in amounts if money is not None), Decimal(0))


def _is_about(event: Event, name: str, field: str, value: object, given: object) -> bool:
    """Tell whether an event of this name is about the record with this value.

    A board may serve several keys, so that a record of another institution is not the one.
    """
    if event.event != name:
        return False
    ours = _get(given, "institution_id")
    return any(
        str(_get(record, field)) == str(value)
        and (ours is None or _get(record, "institution_id") in {None, ours})
        for record in event.records
    )


def _record(event: Event, model: type[R], id: int) -> R | None:
    found = (one for one in event.records if isinstance(one, model) and one.id == id)
    return next(found, None)


def _get(record: object, name: str) -> object:
    if isinstance(record, Mapping):
        return cast("Mapping[str, object]", record).get(name)
    return getattr(record, name, None)
