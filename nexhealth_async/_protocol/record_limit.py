"""A bound on the records of one page: millions of tiny ones fit into a body of allowed size.

A record that is not decoded yet is a Python object of some 80 bytes, so that such a page would
take ten times its size in memory and hold the event loop for seconds.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

__all__ = ["MAX_RECORDS", "has_too_many_records"]

MAX_RECORDS: Final = 100_000
"""Records in one page; the API's largest pages hold 1,000, and lists without pages some more."""
_LARGE_BODY: Final = 2 * 2**20
"""Bytes of a body that is looked at: counting takes time that pages of usual size do not pay."""
_FEW_COMMAS: Final = 250_000
"""Commas of a body that needs no closer look: it holds at most one record more."""


def has_too_many_records(body: bytes, keys: tuple[str, ...], inner: str | None) -> bool:
    """Tell whether a list's reply holds more records than a page may have.

    Args:
        body: The reply.
        keys: Names under which ``data`` may hold the list.
        inner: Name under which each element holds the records themselves, if it does.
    """
    if len(body) <= _LARGE_BODY or body.count(b",") < _FEW_COMMAS:
        return False
    try:
        _counter(keys, inner).decode(body)
    except (_TooManyError, msgspec.ValidationError):  # or elements that are no records at all
        return True
    except (msgspec.DecodeError, RecursionError):  # broken JSON, which is told elsewhere
        return False
    return False


class _TooManyError(Exception):
    """There are more."""


def _counter(keys: tuple[str, ...], inner: str | None) -> msgspec.json.Decoder[object]:
    """Return a decoder that keeps nothing of the records and stops after too many."""
    left = MAX_RECORDS

    def count(_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooManyError

    element = msgspec.defstruct("Element", [], namespace={"__post_init__": count})
    if inner is not None:
        element = _wrapper_struct(
            (inner,), _list_struct(element), namespace={"__post_init__": count}
        )
    data = _list_struct(element) | _wrapper_struct(keys, _list_struct(element))
    return msgspec.json.Decoder(_wrapper_struct(("data",), data))


def _list_struct(element: type) -> Any:
    return list[element] | None  # type: ignore[valid-type]  # made while the program runs


def _wrapper_struct(
    keys: tuple[str, ...], kind: object, namespace: dict[str, Any] | None = None
) -> Any:
    """Return a class that has these keys, and skips all others."""
    names = {f"field_{place}": key for place, key in enumerate(dict.fromkeys(keys))}
    fields = [(name, kind, None) for name in names]
    return msgspec.defstruct("ClaimHolder", cast("Any", fields), rename=names, namespace=namespace)
