"""Only bodies that were signed with the secret are accepted, byte for byte."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode, encodebytes
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from starlette.datastructures import Headers

from nexhealth_async import InvalidArgumentError
from nexhealth_async.webhooks import receive, sign, verify

SECRET = "an-invented-secret"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
STAMP = "2026-06-01T12:00:00.000Z"
BODY = b'{"event_name": "appointment_created", "data": {"appointments": [{"id": 1}]}}'

VECTORS = {
    "plain": (SECRET, STAMP, BODY),
    "empty body": (SECRET, STAMP, b""),
    "every byte": ("s", STAMP, bytes(range(256)) * 3),
    "long": (SECRET, STAMP, b"{}" * 50_000),
    "letters beyond ASCII": ("clé-für-☃", STAMP, '{"name":"Zoë"}'.encode()),
    "another form of time": (SECRET, "2026-06-01 07:00:00 -0500", BODY),
    "long secret": ("k" * 200, STAMP, BODY),
}


def by_openssl(secret: str, timestamp: str, body: bytes) -> str:
    """Sign with OpenSSL's command line, independently of the library."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed: it stands for the vendor"
    # -A: one line, whatever its length
    in_base64 = subprocess.run(  # noqa: S603 - a tool of this machine
        [openssl, "base64", "-A"], input=body, capture_output=True, check=True
    ).stdout
    key = secret.encode().hex()
    done = subprocess.run(  # noqa: S603 - as above
        [openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}"],
        input=timestamp.encode() + b"." + in_base64,
        capture_output=True,
        check=True,
    )
    return done.stdout.split()[-1].decode()


@pytest.mark.parametrize(("secret", "timestamp", "body"), VECTORS.values(), ids=VECTORS)
def test_signatures_of_openssl_are_accepted_and_equal_ours(
    secret: str, timestamp: str, body: bytes
) -> None:
    signature = by_openssl(secret, timestamp, body)
    assert verify(secret, {"timestamp": timestamp, "signature": signature}, body)
    assert sign(secret, body, timestamp)["signature"] == signature


def tampered() -> dict[str, tuple[dict[str, str], bytes]]:
    headers = sign(SECRET, BODY, STAMP)
    signature = headers["signature"]
    other_digit = "1" if signature[0] == "0" else "0"
    in_lines = encodebytes(BODY).replace(b"\n", b"") + b"\n"
    return {
        "one byte changed": (headers, BODY.replace(b"1", b"2")),
        "one byte less": (headers, BODY[:-1]),
        "half of it": (headers, BODY[: len(BODY) // 2]),
        "one byte more": (headers, BODY + b"\n"),
        "empty": (headers, b""),
        "written anew": (headers, json.dumps(json.loads(BODY), separators=(",", ":")).encode()),
        "in another encoding": (headers, BODY.decode().encode("utf-16")),
        "already in base64": (headers, b64encode(BODY)),
        "base64 with a line's end": (headers, in_lines),
        "another time": (headers | {"timestamp": "2026-06-01T12:00:01.000Z"}, BODY),
        "the same time otherwise": (headers | {"timestamp": "2026-06-01T12:00:00Z"}, BODY),
        "no time": ({"signature": signature}, BODY),
        "empty time": (headers | {"timestamp": ""}, BODY),
        "no signature": ({"timestamp": STAMP}, BODY),
        "empty signature": (headers | {"signature": ""}, BODY),
        "another digit": (headers | {"signature": other_digit + signature[1:]}, BODY),
        "a digit less": (headers | {"signature": signature[:-1]}, BODY),
        "capital digits": (headers | {"signature": signature.upper()}, BODY),
        "with a prefix": (headers | {"signature": f"sha256={signature}"}, BODY),
        "beyond ASCII": (headers | {"signature": signature[:-1] + "é"}, BODY),
        "endless": (headers | {"signature": signature * 100_000}, BODY),
        "under another name": ({"timestamp": STAMP, "x-nexhealth-signature": signature}, BODY),
        "signed with another secret": (sign("another", BODY, STAMP), BODY),
        "signed without time": (
            {"timestamp": STAMP, "signature": by_openssl(SECRET, "", BODY)},
            BODY,
        ),
    }


@pytest.mark.parametrize("name", tampered())
def test_tampered_bodies_are_refused(name: str) -> None:
    headers, body = tampered()[name]
    assert verify(SECRET, headers, body) is False
    assert receive(SECRET, headers, body) is None


@pytest.mark.parametrize("kind", [dict, MappingProxyType, CIMultiDict, Headers])
def test_headers_may_be_any_mapping_with_names_in_any_case(kind: Any) -> None:
    for spell in (str.lower, str.upper, str.title):
        headers = {spell(name): value for name, value in sign(SECRET, BODY, STAMP).items()}
        assert verify(SECRET, kind(headers), BODY)


def test_two_different_signatures_are_refused() -> None:
    good = sign(SECRET, BODY, STAMP)
    twice = CIMultiDict([*good.items(), ("Signature", "0" * 64)])
    assert not verify(SECRET, CIMultiDictProxy(twice), BODY)
    assert not verify(SECRET, {**good, "Signature": "0" * 64}, BODY)


def test_any_of_several_secrets_is_accepted() -> None:
    headers = sign("new", BODY, STAMP)
    assert verify(["old", "new"], headers, BODY)
    assert verify((b"new", "old"), headers, BODY)
    assert verify({"new"}, headers, memoryview(BODY))
    assert verify("new", headers, bytearray(BODY))
    assert not verify(["old", "older"], headers, BODY)


@pytest.mark.parametrize("seconds", [-301, -300, -1, 0, 1, 300, 301])
def test_a_tolerance_applies_in_both_directions(seconds: int) -> None:
    headers = sign(SECRET, BODY, NOW + timedelta(seconds=seconds))
    tolerance = timedelta(minutes=5)
    assert verify(SECRET, headers, BODY, tolerance=tolerance, now=NOW) is (abs(seconds) <= 300)
    assert verify(SECRET, headers, BODY, now=NOW + timedelta(days=400))


def test_now_defaults_to_the_present() -> None:
    fresh = sign(SECRET, BODY, datetime.now(UTC))
    assert verify(SECRET, fresh, BODY, tolerance=timedelta(minutes=5))
    assert not verify(SECRET, sign(SECRET, BODY, NOW), BODY, tolerance=timedelta(hours=1))


FORMS = {
    "seconds since 1970": "1780315200",
    "seconds with a fraction": "1780315200.250",
    "an HTTP date": "Mon, 01 Jun 2026 12:00:00 GMT",
    "an HTTP date with an offset": "Mon, 01 Jun 2026 07:00:00 -0500",
    "ISO 8601": STAMP,
}


@pytest.mark.parametrize("stamp", FORMS.values(), ids=FORMS)
def test_a_tolerance_reads_every_form_of_time(stamp: str) -> None:
    headers = sign(SECRET, BODY, stamp)
    for minutes, taken in ((0, True), (4, True), (6, False), (-6, False)):
        now = NOW + timedelta(minutes=minutes)
        assert verify(SECRET, headers, BODY, tolerance=timedelta(minutes=5), now=now) is taken


UNREADABLE = [
    "",
    "soon",
    "2026-13-01T00:00:00Z",
    "9" * 200,
    "99999999999",
    "-1780315200",
    "178031520012345",
    "Mon, 41 Jun 2026 12:00:00 GMT",
    "Mon, 01 Jun 99999 12:00:00 GMT",
    "Mon",
]


@pytest.mark.parametrize("stamp", UNREADABLE)
def test_with_a_tolerance_an_unreadable_time_is_refused(stamp: str) -> None:
    headers = sign(SECRET, BODY, stamp)
    assert not verify(SECRET, headers, BODY, tolerance=timedelta(days=1), now=NOW)


BODIES: list[Any] = [BODY.decode(), {"event_name": "x"}, None, 7, [1, 2]]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_body_that_is_not_bytes_is_a_programming_error(body: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="raw bytes"):
        verify(SECRET, sign(SECRET, BODY, STAMP), body)
    with pytest.raises(InvalidArgumentError, match="raw bytes"):
        sign(SECRET, body, STAMP)


SECRETS: list[Any] = ["", b"", [], ["good", ""], (), [None], None, 7, [b""]]


@pytest.mark.parametrize("secrets", SECRETS, ids=repr)
def test_a_missing_or_empty_secret_is_a_programming_error(secrets: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="secret_key"):
        verify(secrets, {}, BODY)


def test_a_negative_tolerance_and_naive_times_are_programming_errors() -> None:
    naive = datetime(2026, 6, 1)  # noqa: DTZ001 - naive on purpose
    with pytest.raises(InvalidArgumentError, match="negative"):
        verify(SECRET, {}, BODY, tolerance=timedelta(seconds=-1))
    with pytest.raises(InvalidArgumentError, match="zone"):
        verify(SECRET, {}, BODY, now=naive)
    with pytest.raises(InvalidArgumentError, match="zone"):
        sign(SECRET, BODY, naive)


names = st.sampled_from(["timestamp", "Timestamp", "signature", "SIGNATURE", "x"]) | st.text()


@given(
    headers=st.dictionaries(names, st.text(st.characters(), max_size=80)),
    body=st.binary(max_size=200),
    tolerance=st.none() | st.timedeltas(timedelta(0), timedelta.max),
)
def test_garbage_is_refused_and_never_raises(
    headers: dict[str, str], body: bytes, tolerance: timedelta | None
) -> None:
    assert verify(SECRET, headers, body, tolerance=tolerance, now=NOW) is False
    assert receive(SECRET, headers, body, tolerance=tolerance, now=NOW) is None


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_read_from_a_file_may_end_with_a_newline(ending: str) -> None:
    body = b"{}"
    assert verify(SECRET + ending, sign(SECRET, body, NOW), body)
    assert verify((SECRET + ending).encode(), sign(SECRET, body, NOW), body)


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
        lambda text: text.rstrip("\r\n")
    ),
    body=st.binary(),
    at=st.datetimes(timezones=st.just(UTC)),
)
def test_signed_bodies_are_accepted(secret: str, body: bytes, at: datetime) -> None:
    headers = sign(secret, body, at)
    assert verify(secret, headers, body, tolerance=timedelta(seconds=1), now=at)
    assert not verify(secret + "x", headers, body)
