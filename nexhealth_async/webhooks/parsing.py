"""Parsing of deliveries into events."""

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
"""Default maximum size of a body in bytes."""
_MAX_RECORDS: Final = 1_000
"""Maximum number of records; the API's pages hold fewer."""
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
    """Verify a delivery and parse it.

    A body of more than ``MAX_BODY_BYTES`` bytes is rejected before its signature is computed.

    Args:
        secrets: Secret of the endpoint, or several during a rotation.
        headers: Headers of the request.
        body: Body of the request as raw bytes.
        tolerance: Maximum age of the timestamp, see `verify`.
        now: Current time with a time zone; the system clock by default.

    Returns:
        The event; None if the signature is invalid, for which respond 401.

    Raises:
        InvalidWebhookError: The signature is valid but the body is not an event; or the body is too
            large, signed or not.
        InvalidArgumentError: The arguments are invalid, as in `verify`.
    """
    _check_size(body, MAX_BODY_BYTES)
    if not verify(secrets, headers, body, tolerance=tolerance, now=now):
        return None
    return parse(body, is_test=is_test_delivery(headers))


@strip_traceback
def parse(
    body: Body,
    *,
    max_bytes: int = MAX_BODY_BYTES,
    codec: Codec | None = None,
    is_test: bool = False,
) -> Event:
    """Parse the body of a delivery; verify it first.

    Events that the catalogue lacks are parsed too. Records are decoded as in listings: small faults
    are repaired and listed, and a record that cannot be decoded is a dict.

    Args:
        body: Body of the request as raw bytes.
        max_bytes: Maximum size of the body.
        codec: A codec with your own hooks.
        is_test: True if the headers mark a test; the body may mark it, too.

    Raises:
        InvalidWebhookError: The body is not JSON or not an event, is nested too deeply, or has more
            than ``max_bytes`` bytes or 1,000 records. The error holds none of its content.
        InvalidArgumentError: The body is not bytes.
    """
    _check_size(body, max_bytes)
    content = check_body(body)
    fields = _object(content)
    if fields is None:
        raise InvalidWebhookError("the body is not a JSON object")
    full_name = _text(fields.get("event_name"))
    if not full_name:
        raise InvalidWebhookError("the body has no event name")
    name, dot, outcome = full_name.partition(".")
    sent_type = _text(fields.get("resource_type")) or ""
    event_type = event_type_of(sent_type, name)
    data = _object(fields.get("data")) or {}
    raw_records = _find_records(fields.get("data"), data, event_type)
    if len(raw_records) > _MAX_RECORDS:
        raise InvalidWebhookError(f"the body has more than {_MAX_RECORDS} records")
    records, repairs, faults = _records(raw_records, event_type, codec or _codec())
    resource_type = (event_type and event_type.resource_type) or sent_type
    event_time = _timestamp(fields.get("event_time"))
    previous = _previous_attributes(fields, data, raw_records)
    is_test = is_test or _value(fields.get("test")) is True
    key = key_of(
        resource_type,
        full_name,
        _as_dicts(raw_records),
        content=records,
        model=event_type.model if event_type else None,
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
    """Return an event without a name, for a signed body that cannot be parsed."""
    return Event(resource_type="", event="", key=key_of_bytes(body), body=body)


def is_test_delivery(headers: Mapping[str, str]) -> bool:
    """Return whether the headers mark a test of the endpoint (v3.1.0)."""
    value = header(headers, _TEST_HEADER).strip().lower()
    return value not in {b"", b"false", b"0", b"no"}


def _check_size(body: Body, max_bytes: int) -> None:
    size = body.nbytes if isinstance(body, memoryview) else len(check_body(body))
    if size > max_bytes:
        raise InvalidWebhookError(f"the body has more than {max_bytes} bytes")


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
    """Decode an undocumented value; invalid JSON counts as absent."""
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


def _find_records(
    data: Raw | None, fields: dict[str, Raw], event_type: EventType | None
) -> list[Raw]:
    """Return the records in ``data``: a list, a single record, or under a name."""
    if data is None:
        return []
    items = _list(data)
    if items is not None:
        return items
    for name in event_type.wrappers if event_type else ():
        if name in fields and (records := _parse_records(fields[name])) is not None:
            return records
    values = [value for name, value in fields.items() if name != "previous_attributes"]
    if len(values) == 1 and (records := _parse_records(values[0])) is not None:
        return records  # an undocumented name
    return [data] if values else []


def _parse_records(data: Raw) -> list[Raw] | None:
    """Return the records under a name; None if there are none."""
    if _object(data) is not None:
        return [data]
    return _list(data)


def _records(
    raw_records: list[Raw], event_type: EventType | None, codec: Codec
) -> tuple[
    tuple[Record | dict[str, JSON], ...], tuple[str, ...], tuple[UndecodableRecordError, ...]
]:
    model = event_type.model if event_type else None
    if model is not None:
        resolve_annotations(model)
    records: list[Record | dict[str, JSON]] = []
    repairs: list[str] = []
    faults: list[UndecodableRecordError] = []
    for data in raw_records:
        if model is not None:
            try:
                record, repaired = codec.decode(model, data)
            except UndecodableRecordError as error:
                # Its frames hold the record, and the event keeps the error.
                faults.append(error.with_traceback(None))
            else:
                repairs += (f"[{len(records)}].{path}" for path in repaired)
                records.append(record)
                continue
        records += _as_dicts([data])
    return tuple(records), tuple(repairs), tuple(faults)


def _as_dicts(raw_records: list[Raw]) -> list[dict[str, JSON]]:
    """Return the records as they were sent."""
    values = map(_value, raw_records)
    return [cast("dict[str, JSON]", value) for value in values if isinstance(value, dict)]


def _previous_attributes(
    fields: dict[str, Raw], data: dict[str, Raw], raw_records: list[Raw]
) -> dict[str, JSON] | None:
    """Return the previous attributes; the vendor does not document where they are."""
    candidates = [
        fields,
        data,
        *((_object(raw_records[0]) or {},) if len(raw_records) == 1 else ()),
    ]
    for candidate in candidates:
        value = _value(candidate.get("previous_attributes"))
        if isinstance(value, dict):
            return cast("dict[str, JSON]", value)
    return None


def _errors(data: Raw | None) -> tuple[JSON, ...]:
    value: JSON = _value(data)
    if isinstance(value, list):
        return tuple(value)
    return () if value is None else (value,)
