"""Fuzz targets: functions that turn the bytes and headers of a delivery into an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from nexhealth_async import InvalidWebhookError
from nexhealth_async.webhooks import EVENTS, parse, sign, unreadable_event, verify
from tests.fuzz.findings import SENTINEL, ChoiceReader, Finding, target
from tests.fuzz.seeds import BREAK, chosen, records

_NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_NAMES = [
    *(event for events in EVENTS.values() for event in events),
    f"{SENTINEL}_created",
    f"patient_created.{SENTINEL}",
]
_BODY = b'{"event_name":"patient_created","data":{}}'


def _bodies() -> list[bytes]:
    found: list[bytes] = []
    for at, (_, record) in enumerate(records()):
        said = {
            "resource_type": ("Patient", SENTINEL)[at % 2],
            "event_name": _NAMES[at % len(_NAMES)],
            "event_time": "2026-06-01T12:00:00.000Z",
            "subdomain": SENTINEL,
            "institution_id": 19089,
            "delivery_errors": [SENTINEL],
            "previous_attributes": {"name": SENTINEL},
        }
        inside = (record, b"[" + record + b"]", b'{"patients":[' + record + b"]}")[at % 3]
        found.append(msgspec.json.encode(said)[:-1] + b',"data":' + inside + b"}")
    return found


@target(seeds=_bodies)
def body_of_a_webhook(data: bytes) -> None:
    """A body is an event or refused; an event's repr shows nothing of it, and parsing is stable."""
    try:
        event = parse(data)
    except InvalidWebhookError:
        if SENTINEL in repr(unreadable_event(data)):
            raise Finding("the repr of an unreadable event shows a value") from None
        raise
    if SENTINEL in f"{event!r} {event.faults!r} {event.repairs!r}":
        raise Finding("an event shows a value")
    if parse(data) != event or parse(data).key != event.key:
        raise Finding("one body is two events")
    if event.body != data or event.name.partition(".")[0] != event.event:
        raise Finding("an event has lost its body or name")
    if not event.raw and b"\xff" not in data and not _is_broken(data):
        raise Finding("an event's raw members are lost")


def _is_broken(data: bytes) -> bool:
    """Tell whether a part that no field needs is invalid JSON."""
    try:
        msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return True
    return False


def _headers() -> list[bytes]:
    signed = sign(SENTINEL, _BODY, _NOW)
    stamp, signature = signed["timestamp"].encode(), signed["signature"].encode()
    return [
        chosen(at, BREAK.join(parts))
        for at, parts in enumerate(
            (
                (stamp, b"0" * 64, _BODY),
                (b"", signature, _BODY),
                (stamp, signature.upper(), _BODY),
                (stamp + b" ", signature, _BODY),
                (stamp, signature, _BODY + b" "),
                (b"9" * 400, b"\xc3\xa9" * 64, b""),
            )
        )
    ]


@target(choices=1, seeds=_headers)
def headers_of_a_webhook(data: bytes) -> None:
    """Only signed headers are accepted, and no headers raise a foreign error."""
    feed = ChoiceReader(data)
    tolerance = feed.pick((None, timedelta(minutes=5), timedelta(0), timedelta.max))
    stamp, signature, body = (*feed.rest.split(BREAK, 2), b"", b"")[:3]
    headers = {
        "Timestamp": stamp.decode("utf-8", "surrogateescape"),
        "signature": signature.decode("utf-8", "surrogateescape"),
    }
    taken = verify(SENTINEL, headers, body, tolerance=tolerance, now=_NOW)
    if taken and sign(SENTINEL, body, headers["Timestamp"])["signature"] != headers["signature"]:
        raise Finding("a forged delivery is taken")
