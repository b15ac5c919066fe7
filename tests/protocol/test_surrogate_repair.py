"""Lone surrogates in JSON: each is replaced, and nothing else."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexhealth_async._protocol.surrogate_repair import (
    MARKER,
    differing_paths,
    without_lone_surrogates,
)

TEXTS = st.text(
    st.one_of(
        st.characters(categories=["Cs"]),
        st.sampled_from(["\\", '"', "u", "d", "8", "\n", "\U0001f600", "é"]),
        st.characters(max_codepoint=0x7F, categories=["L", "N", "P", "Zs", "Cc"]),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("body", "repaired"),
    [
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\uDC00 and text"', rb'"\ufffd and text"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\ud83d\ude00\ude00"', rb'"\ud83d\ude00\ufffd"'),
        (rb'"\ud83d\n\uDE00"', rb'"\ufffd\n\ufffd"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
        (rb'"\\ud83d\udc00"', rb'"\\ud83d\ufffd"'),
        (rb'{"\ud83d": "\u00e9\udc00"}', rb'{"\ufffd": "\u00e9\ufffd"}'),
    ],
)
def test_each_lone_surrogate_is_replaced(body: bytes, repaired: bytes) -> None:
    assert without_lone_surrogates(body) == repaired


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        rb'"\ud83d\ude00"',
        rb'"\\ud83d"',
        rb'"\\\\ud83d"',
        rb'"\uZZZZ"',
        b'"\xed\xa0\xbd',
    ],
)
def test_text_without_surrogates_is_not_repaired(body: bytes) -> None:
    assert without_lone_surrogates(body) is None


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_repaired_json_differs_only_in_the_surrogates(value: object) -> None:
    written = json.dumps(value)
    body = without_lone_surrogates(written.encode()) or written.encode()
    # Python's own parser takes lone surrogates.
    expected = json.dumps(json.loads(written), ensure_ascii=False).encode("utf-16", "surrogatepass")
    text = expected.decode("utf-16", "replace")
    assert msgspec.json.decode(body) == json.loads(text)


def test_a_body_of_escapes_only_is_abandoned_soon() -> None:
    body = b'"' + rb"\\a\ud83d" * 2_000_000 + b'"'
    began = time.process_time()
    assert without_lone_surrogates(body) is None
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("record", "paths"),
    [
        (rb'{"id": 1, "name": "A\ud83d"}', ("name",)),
        (rb'{"bio": {"city": "\ud83d"}, "notes": ["x", "\udc00"]}', ("bio.city", "notes[1]")),
        (rb'{"bio": {"Jane Roe": "\ud83d"}}', ("bio",)),
        (rb'{"bio": {"\ud83d": 1}}', ("bio",)),
        (b'{"name": "\xff\\ud83d"}', ()),
    ],
)
def test_paths_name_fields_but_no_key_that_may_be_personal(
    record: bytes, paths: tuple[str, ...]
) -> None:
    one, other = (Raw(without_lone_surrogates(record, by) or b"") for by in (rb"\ufffd", MARKER))
    assert differing_paths(one, other) == paths


def test_deep_nesting_truncates_the_path_and_raises_nothing() -> None:
    record = b'{"a":' * 300 + rb'"\ud83d"' + b"}" * 300
    one, other = (Raw(without_lone_surrogates(record, by) or b"") for by in (rb"\ufffd", MARKER))
    [path] = differing_paths(one, other)
    assert path.startswith("a.a.a")
