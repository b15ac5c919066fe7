"""Expensive inputs of at most a megabyte: their cost stays in proportion to their size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from attrs import frozen

from tests.fuzz.findings import Finding, judge
from tests.fuzz.targets import TARGETS

_MEGABYTE = 1_000_000
_LESS = 100_000
"""For targets that are slow under memory tracing, or have a real limit far below."""
_AT_REST = 32 * _MEGABYTE
_PER_BYTE = 120
"""A list of records costs a Python object for each, and the shortest record is two bytes long."""


@frozen
class ExpensiveInput:
    name: str
    target: str
    choices: bytes
    made: Callable[[], bytes]
    defect: str = ""
    """The fix that is needed, where the promise is not kept."""


def _many(part: bytes, size: int = _MEGABYTE) -> bytes:
    return part * (size // len(part))


def _data(inside: bytes) -> bytes:
    return b'{"code":true,"data":' + inside + b"}"


_READ_LIST, _READ_RECORD, _READ_DATA = b"\1\0\0", b"\1\0\1", b"\1\0\2"
_REFUSED = b"\1\2\0"

BOMBS = [
    *(
        ExpensiveInput(name, "envelope-of-a-reply", choices, made)
        for choices in (_READ_LIST, _READ_DATA, _REFUSED)
        for name, made in (
            ("brackets", lambda: _many(b"[")),
            ("nested lists", lambda: _data(b"[" * 400_000 + b"]" * 400_000)),
            ("nested objects", lambda: _data(_many(b'{"a":'))),
            ("nested errors", lambda: b'{"code":false,"error":' + _many(b"[")),
            ("short records", lambda: _data(b"[" + _many(b"0,") + b"0]")),
            ("empty records", lambda: _data(b"[" + _many(b"{},") + b"{}]")),
            ("repeated keys", lambda: b"{" + _many(b'"data":[],') + b'"data":[]}'),
            ("digits of a count", lambda: b'{"data":[],"count":' + _many(b"9") + b"}"),
            ("a huge exponent", lambda: b'{"data":[],"count":1e999999999}'),
            ("quotation marks", lambda: _many(b'\\"')),
            ("blanks", lambda: _many(b" ")),
            (
                "refusals",
                lambda: b'{"code":false,"error":[' + _many(b'"patient patient",') + b'""]}',
            ),
            (
                "a long refusal",
                lambda: b'{"code":false,"error":["' + _many(b"patient ") + b'"]}',
            ),
            (
                "a long warning",
                lambda: b'{"data":[],"error":["' + _many(b"parameters are ignored ") + b'"]}',
            ),
        )
    ),
    *(
        ExpensiveInput(name, target, b"\0", made)
        for target in ("record-of-a-model", "two-decoders-of-a-record", "record-on-a-terminal")
        for name, made in (
            ("digits of an id", lambda: b'{"id":' + _many(b"9") + b"}"),
            ("an id in text", lambda: b'{"id":"' + _many(b"9") + b'"}'),
            ("digits of a fraction", lambda: b'{"id":1.' + _many(b"9") + b"}"),
            ("a huge exponent", lambda: b'{"id":1e999999999}'),
            ("a huge sum", lambda: b'{"id":1,"amount":"1e999999999","fee":1e999999999}'),
            ("unknown keys", lambda: b'{"id":1' + _many(b',"x":{}') + b"}"),
            (
                "a long name",
                lambda: b'{"id":1,"name":"' + _many(b"\xf0\x9f\xa6\xb7", _LESS) + b'"}',
            ),
            ("nesting", lambda: b'{"id":1,"misc":' + _many(b'{"a":')),
            ("a long moment", lambda: b'{"id":1,"updated_at":"' + _many(b"2026-") + b'"}'),
        )
    ),
    ExpensiveInput("a long token", "lifetime-of-a-token", b"\0", lambda: _many(b"a.")),
    ExpensiveInput(
        "a token of digits", "lifetime-of-a-token", b"\1", lambda: b'{"exp":' + _many(b"9") + b"}"
    ),
    ExpensiveInput("a deep token", "lifetime-of-a-token", b"\1", lambda: _many(b"[")),
    ExpensiveInput("digits to wait", "retry-after-header", b"", lambda: _many(b"9")),
    ExpensiveInput("blanks to wait", "retry-after-header", b"", lambda: _many(b"  (")),
    ExpensiveInput(
        "a date to wait for", "retry-after-header", b"", lambda: b"Wed, " + _many(b"21 Oct ")
    ),
    ExpensiveInput("a long path", "path-of-a-request", b"\0", lambda: b"/" + _many(b"a.")),
    ExpensiveInput("a long path", "address-of-a-document", b"\0\0", lambda: _many(b"/1")),
    ExpensiveInput(
        "a long query", "address-of-a-document", b"\0\0", lambda: b"/x?" + _many(b"a=1&", _LESS)
    ),
    ExpensiveInput("a long subdomain", "subdomain", b"", lambda: _many(b"a-")),
    ExpensiveInput("a long base URL", "base-url", b"", lambda: b"https://" + _many(b"a.")),
    ExpensiveInput(
        "a long redirect", "redirect-of-a-file", b"\0\0", lambda: b"https://x/" + _many(b"../")
    ),
    ExpensiveInput("a long resume value", "resume-value", b"\0\0", lambda: b"n:" + _many(b"1:")),
    ExpensiveInput("a long cursor", "resume-value", b"\1\0", lambda: b"c:1:" + _many(b"x")),
    ExpensiveInput(
        "zeros in zeros", "packed-body", b"\0", lambda: TARGETS["packed-body"].seeds()[3]
    ),
]


def _marked(bomb: ExpensiveInput) -> object:
    name = f"{bomb.name}: {bomb.target} {bomb.choices.hex()}"
    if not bomb.defect:
        return pytest.param(bomb, id=name)
    mark = pytest.mark.xfail(strict=True, raises=Finding, reason=bomb.defect)
    return pytest.param(bomb, id=name, marks=mark)


@pytest.mark.parametrize("bomb", [_marked(bomb) for bomb in BOMBS])
def test_expensive_inputs_cost_in_proportion_to_their_size(bomb: ExpensiveInput) -> None:
    one, data = TARGETS[bomb.target], bomb.choices + bomb.made()
    judge(one, data)
    tracemalloc.start()
    try:
        judge(one, data, slowness=20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak > _AT_REST + _PER_BYTE * len(data):
        raise Finding(f"{bomb.name} take {peak / 1e6:.0f} MB")
