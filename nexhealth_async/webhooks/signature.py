"""Signatures of deliveries: the hex HMAC-SHA256 of timestamp, dot and base64 body."""

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
"""Secret of a webhook endpoint, or several during a rotation."""
Body: TypeAlias = bytes | bytearray | memoryview
"""Raw bytes of a body."""

_EPOCH = re.compile(r"\d{1,11}(\.\d{1,9})?", re.ASCII)
_LONGEST_HEADER = 128
"""Maximum length of a header; longer ones are rejected without work."""


@strip_traceback
def verify(
    secrets: Secrets,
    headers: Mapping[str, str],
    body: Body,
    *,
    tolerance: timedelta | None = None,
    now: datetime | None = None,
) -> bool:
    """Verify that a delivery was signed with one of the secrets, in constant time.

    Invalid input from the network returns False and never raises.

    Args:
        secrets: One secret or several; any of them may match, so that a rotation loses no delivery.
        headers: Headers of the request, with names in any case.
        body: Body of the request as raw bytes.
        tolerance: Maximum difference between ``timestamp`` and ``now``, in both directions; None
            accepts any. It prevents replays of a recorded delivery. The vendor does not document
            whether retries are signed again: a tolerance may reject retries, so use one only if you
            have seen that it does not. `Event.key` detects duplicates in any case.
        now: Current time with a time zone; the system clock by default.

    Returns:
        True if the signature matches and the timestamp, in ISO 8601, seconds since 1970 or as an
        HTTP date, is within the tolerance.

    Raises:
        InvalidArgumentError: There is no secret or an empty one, the body is text, the tolerance is
            negative, or ``now`` has no time zone.
    """
    keys = check_secrets(secrets)
    content = check_body(body)
    if tolerance is not None and tolerance < timedelta():
        raise InvalidArgumentError("tolerance must not be negative")
    if now is not None:
        check_aware("now", now)
    timestamp, signature = header(headers, "timestamp"), header(headers, "signature")
    if not timestamp or not signature:
        return False
    message = _signed_message(timestamp, content)
    is_valid = False
    for key in keys:  # all of them, so that the time does not reveal the match
        is_valid |= hmac.compare_digest(_digest(key, message), signature)
    if not is_valid or tolerance is None:
        return is_valid
    sent_at = _parse_timestamp(timestamp)
    return sent_at is not None and abs(sent_at - (now or datetime.now(UTC))) <= tolerance


@strip_traceback
def sign(secret: str | bytes, body: Body, timestamp: datetime | str) -> dict[str, str]:
    """Return the headers of a signed delivery, for tests of a receiver.

    Args:
        secret: Secret of the endpoint.
        body: Body of the delivery.
        timestamp: Time with a time zone, written as ISO 8601 in UTC; text is used unchanged.

    Raises:
        InvalidArgumentError: The secret is empty, the body is text, or the time has no time zone.
    """
    (key,) = check_secrets(secret)
    if isinstance(timestamp, datetime):
        timestamp = (
            check_aware("timestamp", timestamp).astimezone(UTC).isoformat(timespec="milliseconds")
        )
    digest = _digest(key, _signed_message(timestamp, check_body(body)))
    return {
        "content-type": "application/json",
        "timestamp": timestamp,
        "signature": digest.decode(),
    }


def check_secrets(secrets: Secrets) -> tuple[bytes, ...]:
    """Return the secrets as bytes.

    Raises:
        InvalidArgumentError: There is none, or one is empty or not text: anybody could sign with an
            empty secret.
    """
    values: list[object] = [secrets] if isinstance(secrets, str | bytes) else _as_list(secrets)
    encoded = (
        value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        for value in values
    )
    # Files with a secret often end in a line break.
    keys = tuple(value.rstrip(b"\r\n") if isinstance(value, bytes) else value for value in encoded)
    if not keys or not all(isinstance(key, bytes) and key for key in keys):
        raise InvalidArgumentError(
            "secrets must be the endpoint's secret_key, or several of them, none empty"
        )
    return cast("tuple[bytes, ...]", keys)


def _as_list(secrets: object) -> list[object]:
    if not isinstance(secrets, Iterable):
        return []
    return list(cast("Iterable[object]", secrets))


def check_body(body: object) -> bytes:
    """Return the bytes of a body.

    Raises:
        InvalidArgumentError: The body is text or parsed, and so not what was signed.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(cast("Body", body))
    raise InvalidArgumentError(
        f"body must be the raw bytes of the request, not {type(body).__name__}: "
        "the signature covers the bytes as they were sent"
    )


def header(headers: Mapping[str, str], name: str) -> bytes:
    """Return the value of a header; empty if there are several or it is not ASCII."""
    values = {
        value
        for key, value in cast("Mapping[object, object]", headers).items()
        if isinstance(key, str) and isinstance(value, str) and key.lower() == name
    }
    value = values.pop() if len(values) == 1 else ""
    return value.encode() if len(value) <= _LONGEST_HEADER and value.isascii() else b""


def _signed_message(timestamp: bytes | str, body: bytes) -> bytes:
    timestamp_bytes = timestamp.encode() if isinstance(timestamp, str) else timestamp
    return b"%b.%b" % (timestamp_bytes, b64encode(body))


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, sha256).hexdigest().encode()


def _parse_timestamp(timestamp: bytes) -> datetime | None:
    """Parse a time in ISO 8601, in seconds since 1970 or as an HTTP date; None if invalid."""
    text = timestamp.decode().strip()
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if text[:1].isalpha():
            parsed = parsedate_to_datetime(text)
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return read_timestamp(text, [])
    except (ValueRejectedError, ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
