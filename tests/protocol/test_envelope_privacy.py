"""No error about a response shows a word of it, even where tracebacks print the locals."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import pytest

from nexhealth_async._protocol.envelopes import (
    ParsedData,
    ParsedList,
    ParsedRecord,
    read_data,
    read_empty,
    read_list,
    read_record,
    read_stream,
    read_token,
)
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.operations import LOGIN, Endpoint, OperationSpec
from nexhealth_async.errors import NexHealthError
from nexhealth_async.resources import appointment_types, locations, patients

Reader: TypeAlias = Callable[[Response, OperationSpec], object]

SENTINEL = "Zephyrine-Q-Canary"


def v2(endpoint: Endpoint[object]) -> OperationSpec:
    assert endpoint.v2 is not None
    return endpoint.v2


READERS: tuple[tuple[Reader, OperationSpec], ...] = (
    (read_list, v2(patients.LIST)),
    (read_list, v2(locations.LIST)),
    (read_record, v2(patients.GET)),
    (read_record, v2(patients.CREATE)),
    (read_empty, v2(appointment_types.DELETE)),
    (read_data, v2(patients.GET)),
    (read_stream, v2(patients.GET)),
    (read_token, LOGIN),
)
STATUSES = (200, 302, 403, 500)
HEAD = {"description": ["said"], "error": [["said"]], "count": 1, "page_info": {"end_cursor": "x"}}
PATIENT = {"id": 7, "name": "x"}
BODIES: tuple[dict[str, object], ...] = tuple(
    {"code": code, "data": data, **HEAD}
    for code in (True, False)
    for data in (
        {"patients": [PATIENT]},
        {"user": PATIENT},
        {"token": "a.b.c", "user": PATIENT},
        [{"id": 9, "name": "x", "subdomain": "x", "locations": [PATIENT]}],
        None,
    )
)
STAINS: tuple[object, ...] = (SENTINEL, {SENTINEL: SENTINEL})


def stained(value: object) -> Iterator[object]:
    """Yield copies of a value with the sentinel in one place: each value, and each key."""
    yield from STAINS
    if isinstance(value, list):
        items = cast("list[object]", value)
        for place, item in enumerate(items):
            for other in stained(item):
                yield [*items[:place], other, *items[place + 1 :]]
        yield [*items, SENTINEL]
    elif isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        for name, item in fields.items():
            rest = {key: value for key, value in fields.items() if key != name}
            yield {**rest, SENTINEL: item}
            yield {**fields, SENTINEL: item}
            for other in stained(item):
                yield {**rest, name: other}


def told() -> Iterator[bytes]:
    """Yield bodies that contain the sentinel: complete ones, and unreadable ones."""
    for body in BODIES:
        for other in stained(body):
            yield json.dumps(other).encode()
    for text in (json.dumps(body | {"data": {SENTINEL: [SENTINEL]}}) for body in BODIES[:1]):
        whole = text.encode()
        for ending in (b"\xff", b"\\ud800", b"\0"):
            yield whole.replace(SENTINEL.encode(), SENTINEL.encode() + ending)
            yield whole.replace(SENTINEL.encode(), SENTINEL.encode() + ending, 1)
        yield whole[:-5]
        yield b'{"data":{"token":"' + SENTINEL.encode() + b'\xff"}}'
        yield b'{"data":[{"locations":[{"' + SENTINEL.encode() + b'\xff":1}]}]}'
        yield b'{"data":{"user":{"id":1},"' + SENTINEL.encode() + b'\xff":1}}'
    yield f"<html>{SENTINEL}</html>".encode()
    yield SENTINEL.encode()
    yield f'"{SENTINEL}"'.encode()


BODIES_TOLD = tuple(dict.fromkeys(told()))


def refused(read: Reader, reply: Response, row: OperationSpec) -> NexHealthError | None:
    try:
        read(reply, row)
    except NexHealthError as error:
        return error
    return None


def printed(error: BaseException) -> str:
    """Format an error with the locals of every frame, as error reporters do."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


# Every sentence with which a reply is refused; a new one belongs here too.
SENTENCES = {
    "answered with a redirect",
    "truncated, malformed",
    "is a web page",
    "is not JSON",
    "instead of a list",
    "without the expected list",
    "has no list of locations",
    "instead of a record",
    "there is no such record",
    "holds no token",
    "rejected the request as invalid",
    "access is denied",
    "a firewall",
    "the API failed",
}


def test_no_error_shows_a_value_or_key_of_the_response_even_with_locals() -> None:
    missing = set(SENTENCES)
    for body in BODIES_TOLD:
        for status in STATUSES:
            for read, row in READERS:
                error = refused(read, Response(status=status, body=body), row)
                if error is None:
                    continue
                named = {sentence for sentence in SENTENCES if sentence in str(error)}
                assert named, str(error)
                missing -= named
                assert error.__context__ is None
                assert error.__cause__ is None
                assert SENTINEL not in printed(error), (body, status, row.operation)
    assert missing == set()


def test_the_check_finds_values_in_locals() -> None:
    def read(reply: Response, row: OperationSpec) -> object:
        fields: Any = json.loads(reply.body)
        raise NexHealthError(f"{row.operation} brought {len(fields)}")

    reply = Response(status=200, body=json.dumps({SENTINEL: 1}).encode())
    error = refused(read, reply, LOGIN)
    assert error is not None
    assert SENTINEL in printed(error)


@pytest.mark.parametrize("body", BODIES[:5], ids=["list", "record", "token", "groups", "null"])
def test_no_parsed_response_shows_its_contents(body: dict[str, object]) -> None:
    shown: list[str] = []
    for other in stained(body):
        reply = Response(status=200, body=json.dumps(other).encode())
        for read, row in READERS:
            if read is read_token:
                continue
            try:
                reading = read(reply, row)
            except NexHealthError:
                continue
            if isinstance(reading, (ParsedList, ParsedRecord, ParsedData)):
                shown.append(repr(reading))
    ignoring = json.dumps({"data": [], "error": f"parameters are ignored: {SENTINEL}."}).encode()
    reading = read_list(Response(status=200, body=ignoring), READERS[0][1])
    assert reading.ignored
    shown.append(repr(reading))
    assert len(shown) > 50
    assert not [text for text in shown if SENTINEL in text]
