"""From a delivery's bytes to an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from msgspec import Raw

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async._protocol.webhook_events import EventType, event_type_of
from nexhealth_async.codec import ValueRejectedError, read_int, read_timestamp, resolve_annotations
from nexhealth_async.errors import InvalidWebhookError, UndecodableRecordError
from nexhealth_async.webhooks.deduplication_keys import key_of, key_of_bytes
from nexhealth_async.webhooks.event import Event
from nexhealth_async.webhooks.signature import Body, Secrets, check_body, header, verify

if TYPE_CHECKING:
    from nexhealth_async.codec import Codec
    from nexhealth_async.models import JSON, Record

__all__ = ["MAX_BODY_BYTES", "parse", "receive", "unreadable_event"]

MAX_BODY_BYTES: Final = 1024 * 1024
"""Bytes of the largest body that is read, unless told otherwise."""
_MAX_RECORDS: Final = 1_000
"""More than a page of the API holds: what says so is no event."""
_MAX_NAME_LENGTH: Final = 200
_TEST_HEADER: Final = "nex-webhook-test"

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_BROKEN = (ValueError, RecursionError)


@strip_traceback
def receive(
    secrets: Secrets,
    headers: Mapping[str, str],
    body: Body,
    *,
    tolerance: timedelta | None = None,
    now: datetime | None = None,
) -> Event | None:
    """Verify a delivery and read it; None if its signature is not good, which is to answer 401.

    A body of more than ``MAX_BODY_BYTES`` bytes is refused before its signature is computed.

    Raises:
        InvalidWebhookError: the signature is good, but the body is no event; or the body is too
            large, whoever signed it.
        InvalidArgumentError: for a mistake in the program, as `verify` does.
    """
    _check_size(body, MAX_BODY_BYTES)
    if not verify(secrets, headers, body, tolerance=tolerance, now=now):
        return None
    return parse(body, is_test=is_test_delivery(headers))


@strip_traceback
def parse(
    body: Body,
    *,
    largest: int = MAX_BODY_BYTES,
    codec: Codec | None = None,
    is_test: bool = False,
) -> Event:
    """Read a delivery's body; verify it first.

    Events that the catalogue does not know are read too. Records are decoded as in listings: small
    faults are repaired and listed, a record that cannot be read stays a dict.

    Args:
        body: The bytes as they arrived.
        largest: The most bytes that are read.
        codec: One with hooks of your own.
        is_test: Whether the headers say that it is a test; the body may say so, too.

    Raises:
        InvalidWebhookError: the body is no JSON, no event, nested too deeply, has more than
            ``largest`` bytes or more than 1,000 records. The error holds nothing of it.
        InvalidArgumentError: the body is no bytes.
    """
    _check_size(body, largest)
    content = check_body(body)
    fields = _object(content)
    if fields is None:
        raise InvalidWebhookError("the body is no JSON object")
    said = _text(fields.get("event_name"))
    if not said:
        raise InvalidWebhookError("the body names no event")
    name, dot, outcome = said.partition(".")
    spelled = _text(fields.get("resource_type")) or ""
    kind = event_type_of(spelled, name)
    inside = _object(fields.get("data")) or {}
    found = _find_records(fields.get("data"), inside, kind)
    if len(found) > _MAX_RECORDS:
        raise InvalidWebhookError(f"the body has more than {_MAX_RECORDS} records")
    records, repairs, faults = _records(found, kind, codec or _codec())
    resource_type = (kind and kind.resource_type) or spelled
    event_time = _timestamp(fields.get("event_time"))
    previous = _previous_attributes(fields, inside, found)
    is_test = is_test or _value(fields.get("test")) is True
    key = key_of(
        resource_type,
        said,
        _plain(found),
        content=records,
        model=kind.model if kind else None,
        previous=previous,
        is_test=is_test,
        event_time=event_time,
        body=content,
    )
    return Event(
        resource_type=resource_type,
        event=name,
        outcome=outcome if dot else None,
        event_time=event_time,
        subdomain=_text(fields.get("subdomain")),
        institution_id=_int(fields.get("institution_id")),
        records=records,
        previous_attributes=previous,
        delivery_errors=_errors(fields.get("delivery_errors")),
        repairs=repairs,
        faults=faults,
        is_test=is_test,
        key=key,
        body=content,
    )


def unreadable_event(body: bytes) -> Event:
    """Return an event that says nothing but its body: for what is signed, yet cannot be read."""
    return Event(resource_type="", event="", key=key_of_bytes(body), body=body)


def is_test_delivery(headers: Mapping[str, str]) -> bool:
    """Tell whether the headers mark a delivery that only tries the endpoint (v3.1.0)."""
    sent = header(headers, _TEST_HEADER).strip().lower()
    return sent not in {b"", b"false", b"0", b"no"}


def _check_size(body: Body, largest: int) -> None:
    size = body.nbytes if isinstance(body, memoryview) else len(check_body(body))
    if size > largest:
        raise InvalidWebhookError(f"the body has more than {largest} bytes")


@cache
def _codec() -> Codec:
    from nexhealth_async.codec import Codec

    return Codec()


def _object(data: bytes | Raw | None) -> dict[str, Raw] | None:
    try:
        return None if data is None else _OBJECT.decode(data)
    except _BROKEN:
        return None


def _list(data: Raw) -> list[Raw] | None:
    try:
        return _LIST.decode(data)
    except _BROKEN:
        return None


def _value(data: Raw | None) -> Any:
    """Read a value nobody has promised; what is broken counts as absent."""
    try:
        return None if data is None else msgspec.json.decode(data)
    except _BROKEN:
        return None


def _text(data: Raw | None) -> str | None:
    value = _value(data)
    return value if isinstance(value, str) and len(value) <= _MAX_NAME_LENGTH else None


def _int(data: Raw | None) -> int | None:
    try:
        return read_int(_value(data), [])
    except ValueRejectedError:
        return None


def _timestamp(data: Raw | None) -> datetime | None:
    try:
        return read_timestamp(_value(data), [])
    except ValueRejectedError:
        return None


def _find_records(data: Raw | None, inside: dict[str, Raw], kind: EventType | None) -> list[Raw]:
    """Return the records in ``data``: a list, one of them bare, or under a name of their own."""
    if data is None:
        return []
    several = _list(data)
    if several is not None:
        return several
    for name in kind.wrappers if kind else ():
        if name in inside and (held := _held_records(inside[name])) is not None:
            return held
    others = [value for name, value in inside.items() if name != "previous_attributes"]
    if len(others) == 1 and (held := _held_records(others[0])) is not None:
        return held  # a name that nobody has told us yet
    return [data] if others else []


def _held_records(data: Raw) -> list[Raw] | None:
    """Return what stands under a name, if it is records."""
    if _object(data) is not None:
        return [data]
    return _list(data)


def _records(
    found: list[Raw], kind: EventType | None, codec: Codec
) -> tuple[
    tuple[Record | dict[str, JSON], ...], tuple[str, ...], tuple[UndecodableRecordError, ...]
]:
    model = kind.model if kind else None
    if model is not None:
        resolve_annotations(model)
    records: list[Record | dict[str, JSON]] = []
    repairs: list[str] = []
    faults: list[UndecodableRecordError] = []
    for data in found:
        if model is not None:
            try:
                record, repaired = codec.decode(model, data)
            except UndecodableRecordError as fault:
                # Its frames hold the record, and it is kept for as long as the event.
                faults.append(fault.with_traceback(None))
            else:
                repairs += (f"[{len(records)}].{path}" for path in repaired)
                records.append(record)
                continue
        records += _plain([data])
    return tuple(records), tuple(repairs), tuple(faults)


def _plain(found: list[Raw]) -> list[dict[str, JSON]]:
    """Return the records as they were sent."""
    values = map(_value, found)
    return [cast("dict[str, JSON]", value) for value in values if isinstance(value, dict)]


def _previous_attributes(
    fields: dict[str, Raw], inside: dict[str, Raw], found: list[Raw]
) -> dict[str, JSON] | None:
    """Return what is said of the state before; the pages do not say at which level it stands."""
    places = [fields, inside, *((_object(found[0]) or {},) if len(found) == 1 else ())]
    for place in places:
        value = _value(place.get("previous_attributes"))
        if isinstance(value, dict):
            return cast("dict[str, JSON]", value)
    return None


def _errors(data: Raw | None) -> tuple[JSON, ...]:
    value: JSON = _value(data)
    if isinstance(value, list):
        return tuple(value)
    return () if value is None else (value,)
