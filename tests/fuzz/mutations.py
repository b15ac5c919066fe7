"""Small mutations of an input, like those of a broken or hostile server."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from tests.fuzz.findings import SENTINEL

__all__ = ["ODD", "mutated"]

ODD: tuple[bytes, ...] = (
    b"null",
    b"true",
    b"false",
    b"{}",
    b"[]",
    b'""',
    b'" "',
    b"0",
    b"-0",
    b"-1",
    b"1.0",
    b"1.5",
    b"-0.0",
    b"1e5",
    b"1E+5",
    b"1e-400",
    b"1e400",
    b"1e999999999",
    b"1e999999999999999999999",
    b"18446744073709551616",
    b"9223372036854775808",
    b"1" * 400,
    b"0.1" + b"1" * 400,
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"01",
    b'"NaN"',
    b'"Infinity"',
    b'"1e5"',
    b'"12"',
    b'" 12 "',
    b'"1_0"',
    b'"1e999999999"',
    b'"\xd9\xa1\xd9\xa2"',
    b'"true"',
    b'"False"',
    b'"2026-01-28"',
    b'"2026-1-5"',
    b'"2026-02-30"',
    b'"0000-00-00"',
    b'"0001-01-01T00:00:00+23:59"',
    b'"9999-12-31T23:59:59.999999999-23:59"',
    b'"2026-01-28T14:00:60Z"',
    b'"2026-01-28T24:00:00Z"',
    b'"2026-01-28T14:00:00"',
    b'"2026-01-28 14:00:00 UTC"',
    b'"2026-01-28T15:11:282Z"',
    b'"2026-01-28T14:00:00+99:99"',
    b'"2026-01-28T14:00:00.123456789-0530"',
    b'"2026-01-28t14:00:00z"',
    b"1769600000",
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"',
    b'"\\ud83e\\uddb7"',
    b'"\\"',
    b'"\xff\xfe"',
    b'"\xc0\xaf"',
    b'"\xed\xa0\x80"',
    b"[null]",
    b"[[]]",
    b"[{}]",
    b'{"id":{}}',
    b'{"amount":{},"currency":1}',
    b'{"amount":1e999,"currency":null}',
    b"[" * 200,
    b"[" * 200 + b"]" * 200,
    b'{"a":' * 200 + b"1" + b"}" * 200,
    f'"{SENTINEL}"'.encode(),
    f'"{SENTINEL}'.encode() + b'\xff"',
    f'{{"{SENTINEL}":"{SENTINEL}"}}'.encode(),
    f'["{SENTINEL}"]'.encode(),
)
"""Values that replace others of any type."""

_BITS: tuple[bytes, ...] = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\0", b"\n", b" ", b"."),
    *(b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x1b[2J", b"\r\n", b"%2e", b"..", b"@"),
    *(b'"id":1,', b'"code":false,', b'"data":null,', b'"count":-1,', SENTINEL.encode()),
)
_SCALAR = re.compile(rb'(?<=[:\[,])\s*("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+\-]*|true|false|null|\{\})')


def mutated(data: bytes, rng: random.Random, times: int) -> bytes:
    """Mutate an input so many times."""
    for _ in range(times):
        data = rng.choice(_WAYS)(data, rng)
    return data


def _replace(data: bytes, rng: random.Random) -> bytes:
    """Replace a value in JSON by a malformed one."""
    places = list(_SCALAR.finditer(data))
    if not places:
        return data
    place = rng.choice(places)
    return data[: place.start()] + rng.choice(ODD) + data[place.end() :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    """Repeat one member with another value."""
    members = list(re.finditer(rb'"\w+":', data))
    if not members:
        return data
    name = rng.choice(members)
    return data[: name.start()] + name[0] + rng.choice(ODD) + b"," + data[name.start() :]


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_BITS) + data[at:]


def _remove(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randrange(1, 20) :]


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


_WAYS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    *(_replace,) * 6,
    _repeat,
    _truncate,
    _insert,
    _remove,
    _overwrite,
)
