"""Fuzz targets: readers of a response, from the envelope to the headers of an error."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from itertools import product
from math import isfinite

from nexhealth_async._protocol.envelopes import (
    ParsedBody,
    ParsedList,
    read_data,
    read_empty,
    read_list,
    read_record,
    read_token,
)
from nexhealth_async._protocol.error_mapping import error_for_response
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.operations import OperationSpec
from nexhealth_async._protocol.retry_after import retry_after
from nexhealth_async._protocol.token_life import lifetime_of
from tests.fuzz.findings import SENTINEL, ChoiceReader, Finding, private, target
from tests.fuzz.seeds import ROWS, chosen, envelope, refusals

_STATUSES = (200, 201, 400, 401, 403, 404, 422, 429, 500, 503, 302, 204, 415, 100, 999, 0)
_READERS: tuple[Callable[[Response, OperationSpec], object], ...] = (
    read_list,
    read_record,
    read_data,
    read_empty,
    read_token,
)
_DAY = 24 * 3600.0
_NOW = 1_780_000_000.0


def _envelopes() -> list[bytes]:
    patient = {"id": 7, "first_name": SENTINEL}
    bodies = [
        envelope(data={"patients": [patient, {"id": 8}]}, count=2),
        envelope(data=[patient], page_info={"has_next_page": True, "end_cursor": SENTINEL}),
        envelope(data=[{"id": 1, "name": SENTINEL, "subdomain": "demo", "locations": [patient]}]),
        envelope(data={"user": patient}, description="Created", error=[]),
        envelope(data={"appt": {"id": 3}, "stripe_client_secret": None}),
        envelope(data={"token": f"a.{SENTINEL}.b"}, description="Authenticated", error=[]),
        envelope(data=None, count=0),
        envelope(data=[], count="12", description=[[f"parameters are ignored: {SENTINEL}."]]),
        f"<html>{SENTINEL}</html>".encode(),
        f'{{"{SENTINEL}":1}}'.encode(),
        b"",
    ]
    refused = [envelope(code=False, data=None, error=[text]) for text in refusals()]
    return [
        bytes([row, status, reader]) + body
        for (row, body), status, reader in product(
            enumerate([*bodies, *refused]), (0, 2), range(len(_READERS))
        )
        if status == 0 or reader < 2
    ]


@target(choices=3, seeds=_envelopes)
def envelope_of_a_reply(data: bytes) -> None:
    """Each reader gives a valid result or an error of ours."""
    feed = ChoiceReader(data)
    row, status, read = feed.pick(ROWS), feed.pick(_STATUSES), feed.pick(_READERS)
    reading = read(Response(status=status, body=feed.rest, received_at=_NOW), row)
    if isinstance(reading, ParsedBody) and SENTINEL in repr(reading):
        raise Finding("the repr of a reading shows a value")
    if isinstance(reading, ParsedList) and reading.count is not None and reading.count < 0:
        raise Finding("a count below zero was believed")
    if isinstance(reading, str) and not all("!" <= sign <= "~" for sign in reading):
        raise Finding("a token was taken that no header can hold")


def _payloads() -> list[bytes]:
    claims = [
        b'{"sub":"x","scp":"api_user","iat":1769600000,"exp":1769603600,"jti":"%s"}',
        b'{"iat":0,"exp":1e999}',
        b'{"iat":1,"exp":true}',
        b"[1]",
        b'{"iat":"0","exp":' + b"9" * 400 + b"}",
    ]
    whole = b"e30." + urlsafe_b64encode(claims[0]) + b".sig"
    return [chosen(1, claim.replace(b"%s", SENTINEL.encode())) for claim in claims] + [
        chosen(0, text) for text in (whole, b"a.b.c", b".", b"..", b"a.=.b", b"\xff.\xff")
    ]


@target(choices=1, seeds=_payloads)
def lifetime_of_a_token(data: bytes) -> None:
    """For any login response, the lifetime is finite and at most a day."""
    feed = ChoiceReader(data)
    bare = feed.number(2) == 0
    token = feed.rest if bare else b"e30." + urlsafe_b64encode(feed.rest).rstrip(b"=") + b".s"
    seconds = lifetime_of(token.decode("utf-8", "surrogateescape"))
    if not 1.0 <= seconds <= _DAY:
        raise Finding(f"a token's lifetime of {seconds} seconds was believed")


def _waits() -> list[bytes]:
    values = [
        "3",
        "0.5",
        "-1",
        "1e9",
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "Wed, 21 Oct 2026 07:28:00 -2400",
        "Wed, 99 Oct 99999 99:99:99 +9999",
        "21 Oct 0001 00:00:00 +2359",
        "\u0663",
        "inf",
        "",
    ]
    date = "Wed, 21 Oct 2026 07:27:00 GMT"
    return [f"{value}\n{date}".encode() for value in values]


@target(seeds=_waits)
def retry_after_header(data: bytes) -> None:
    """Seconds to wait are finite and not negative, for any two headers."""
    # As aiohttp hands headers over.
    wait, _, date = data.decode("utf-8", "surrogateescape").partition("\n")
    seconds = retry_after({"retry-after": wait, "date": date}, _NOW)
    if seconds is not None and not (isfinite(seconds) and seconds >= 0):
        raise Finding(f"{seconds} seconds to wait were believed")


def _sentences() -> list[bytes]:
    return [
        bytes([at, status]) + text.encode()
        for at in (0, 60)
        for status in (2, 4, 7)
        for text in refusals()
    ]


@target(choices=2, seeds=_sentences)
def text_of_a_refusal(data: bytes) -> None:
    """The error for an error response shows none of its sentences."""
    feed = ChoiceReader(data)
    row, status = feed.pick(ROWS), feed.pick(_STATUSES)
    # Sentences come here cut to size.
    texts = [text[:1_000] for text in feed.rest.decode("utf-8", "replace").split("\n")]
    error = error_for_response(
        Response(status=status, body=feed.rest, received_at=_NOW), row, texts=texts
    )
    private(error)
    if len(str(error)) > 400:
        raise Finding("a refusal's message grows with the server's text")
