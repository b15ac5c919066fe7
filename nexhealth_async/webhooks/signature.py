"""Who sent a delivery: the hex HMAC-SHA256 of its timestamp, a dot, and its body in base64."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TypeAlias, cast

from nexhealth_async._protocol.timestamps import check_aware
from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.codec import ValueRejectedError, read_timestamp
from nexhealth_async.errors import InvalidArgumentError

__all__ = ["Body", "Secrets", "check_body", "check_secrets", "header", "sign", "verify"]

Secrets: TypeAlias = str | bytes | Iterable[str | bytes]
"""One ``secret_key`` of a webhook endpoint, or several while one replaces another."""
Body: TypeAlias = bytes | bytearray | memoryview
"""A body as it came from the wire."""

_EPOCH = re.compile(r"\d{1,11}(\.\d{1,9})?", re.ASCII)
_LONGEST_HEADER = 128
"""No timestamp and no signature is longer; what is, costs no time."""


@strip_traceback
def verify(
    secrets: Secrets,
    headers: Mapping[str, str],
    body: Body,
    *,
    tolerance: timedelta | None = None,
    now: datetime | None = None,
) -> bool:
    """Tell whether a delivery was signed with one of the secrets, in constant time.

    ``headers`` may be any mapping, its names in any case; ``body`` are the bytes as they arrived.
    With several secrets any of them will do, so one can be replaced without losing a delivery.

    ``tolerance`` refuses deliveries whose ``timestamp`` is further than this from ``now`` (the
    present, unless given), before or after. The timestamp may be ISO 8601, seconds since 1970 or an
    HTTP date; what cannot be read is refused. A tolerance keeps a recorded delivery from being
    played again later. Whether the vendor signs its retries anew is not documented: it may be that
    a tolerance refuses retries, so leave it out unless you have seen that it does not. Duplicates
    are kept out by `Event.key` in any case.

    Whatever came from the wire is refused by False, never by an error.

    Raises:
        InvalidArgumentError: for a mistake in the program: no secret or an empty one, a body that
            is text, a negative tolerance, a ``now`` without zone.
    """
    keys = check_secrets(secrets)
    content = check_body(body)
    if tolerance is not None and tolerance < timedelta():
        raise InvalidArgumentError("a tolerance cannot be negative")
    if now is not None:
        check_aware("now", now)
    timestamp, signature = header(headers, "timestamp"), header(headers, "signature")
    if not timestamp or not signature:
        return False
    signed = _signed(timestamp, content)
    good = False
    for key in keys:  # all of them, so that time does not tell which one it was
        good |= hmac.compare_digest(_digest(key, signed), signature)
    if not good or tolerance is None:
        return good
    sent = _parse_timestamp(timestamp)
    return sent is not None and abs(sent - (now or datetime.now(UTC))) <= tolerance


@strip_traceback
def sign(secret: str | bytes, body: Body, timestamp: datetime | str) -> dict[str, str]:
    """Return the headers of a delivery of this body, for tests of what receives it.

    A ``datetime`` must have a zone and is written as ISO 8601 in UTC; text is used as it is.

    Raises:
        InvalidArgumentError: for an empty secret, a body that is text, a moment without zone.
    """
    (key,) = check_secrets(secret)
    if isinstance(timestamp, datetime):
        timestamp = (
            check_aware("timestamp", timestamp).astimezone(UTC).isoformat(timespec="milliseconds")
        )
    digest = _digest(key, _signed(timestamp, check_body(body)))
    return {
        "content-type": "application/json",
        "timestamp": timestamp,
        "signature": digest.decode(),
    }


def check_secrets(secrets: Secrets) -> tuple[bytes, ...]:
    """Return the keys as bytes; an empty one would take what anybody signs with nothing.

    Raises:
        InvalidArgumentError: there is none, or one of them is empty or no text.
    """
    given: list[object] = [secrets] if isinstance(secrets, str | bytes) else _as_list(secrets)
    bare = (one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one for one in given)
    # Files that hold a secret end in a line break.
    keys = tuple(one.rstrip(b"\r\n") if isinstance(one, bytes) else one for one in bare)
    if not keys or not all(isinstance(key, bytes) and key for key in keys):
        raise InvalidArgumentError(
            "give the endpoint's secret_key, or several of them; none is empty"
        )
    return cast("tuple[bytes, ...]", keys)


def _as_list(secrets: object) -> list[object]:
    if not isinstance(secrets, Iterable):
        return []
    return list(cast("Iterable[object]", secrets))


def check_body(body: object) -> bytes:
    """Return the bytes of a body.

    Raises:
        InvalidArgumentError: it is text or parsed already, and so not what was signed.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(cast("Body", body))
    raise InvalidArgumentError(
        f"body must be the raw bytes of the request, not {type(body).__name__}: "
        "the signature is over the bytes as they were sent"
    )


def header(headers: Mapping[str, str], name: str) -> bytes:
    """Return the one value of a header; nothing if there are several, or it is no plain text."""
    found = {
        value
        for key, value in cast("Mapping[object, object]", headers).items()
        if isinstance(key, str) and isinstance(value, str) and key.lower() == name
    }
    value = found.pop() if len(found) == 1 else ""
    return value.encode() if len(value) <= _LONGEST_HEADER and value.isascii() else b""


def _signed(timestamp: bytes | str, body: bytes) -> bytes:
    stamp = timestamp.encode() if isinstance(timestamp, str) else timestamp
    return b"%b.%b" % (stamp, b64encode(body))


def _digest(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, sha256).hexdigest().encode()


def _parse_timestamp(timestamp: bytes) -> datetime | None:
    """Read a time as ISO 8601, as seconds since 1970 or as an HTTP date; None if nobody can."""
    text = timestamp.decode().strip()
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if text[:1].isalpha():
            found = parsedate_to_datetime(text)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return read_timestamp(text, [])
    except (ValueRejectedError, ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
