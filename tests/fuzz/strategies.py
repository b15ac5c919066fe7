"""Hypothesis strategies: JSON with faults, mutated seeds, plain bytes."""

from __future__ import annotations

import random
from functools import cache

import attrs
from hypothesis import strategies as st

from nexhealth_async.models import Record
from tests.fuzz.findings import FuzzTarget
from tests.fuzz.mutations import ODD, mutated
from tests.models.model_samples import MODELS

__all__ = ["documents", "inputs"]

_MEMBERS = (
    *("code", "description", "error", "data", "count", "page_info", "token", "patients", "user"),
    *("has_next_page", "end_cursor", "locations", "amount", "currency", "exp", "iat", "appt"),
)


def _names() -> list[bytes]:
    fields = {field.name for model in MODELS for field in attrs.fields(_attrs(model))}
    return [f'"{name}"'.encode() for name in sorted(fields | {*_MEMBERS})]


def _attrs(model: type[Record]) -> type[attrs.AttrsInstance]:
    assert attrs.has(model)
    return model


@cache
def documents() -> st.SearchStrategy[bytes]:
    """Draw JSON text in a server's style: repeated keys, NaN, lone surrogates, whitespace."""
    names = st.sampled_from(_names()) | st.sampled_from(ODD).filter(lambda text: text[:1] == b'"')
    blank = st.sampled_from((b"", b"", b"", b" ", b"\r\n"))

    def members(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        target = st.tuples(blank, names, blank, inner).map(
            lambda t: t[0] + t[1] + t[2] + b":" + t[3]
        )
        return st.lists(target, max_size=6).map(lambda parts: b"{" + b",".join(parts) + b"}")

    def several(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        return st.lists(inner, max_size=4).map(lambda parts: b"[" + b",".join(parts) + b"]")

    values = st.recursive(
        st.sampled_from(ODD), lambda inner: members(inner) | several(inner), max_leaves=12
    )
    envelope = st.tuples(values, values, values).map(
        lambda t: (
            b'{"code":true,"data":' + t[0] + b',"count":' + t[1] + b',"page_info":' + t[2] + b"}"
        )
    )
    mark = st.sampled_from((b"", b"", b"", b"\xef\xbb\xbf", b"\n\n"))
    return st.tuples(mark, values | members(values) | envelope).map(b"".join)


def inputs(target: FuzzTarget) -> st.SearchStrategy[bytes]:
    """Draw inputs of a target; most are its seeds with a few mutations."""
    choices = st.binary(min_size=target.choices, max_size=target.choices)
    faults = st.tuples(st.sampled_from(target.seeds()), st.integers(0, 2**32), st.integers(0, 4))
    damaged = faults.map(lambda t: mutated(t[0], random.Random(t[1]), t[2]))
    built = st.tuples(choices, documents()).map(b"".join)
    return st.one_of(damaged, damaged, built, st.binary(max_size=200))
