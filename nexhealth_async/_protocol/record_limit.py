"""Limit on the number of records in a page.

A body of allowed size may hold millions of tiny records. An undecoded record is a Python object of
about 80 bytes, so such a page would take ten times its size in memory and block the event loop for
seconds.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

__all__ = ["MAX_RECORDS", "has_too_many_records"]

MAX_RECORDS: Final = 100_000
"""Maximum records in a page; the API's largest pages hold 1,000, and unpaged lists a few more."""
_LARGE_BODY: Final = 2 * 2**20
"""Size in bytes above which a body is checked, so that usual pages need no counting."""
_FEW_COMMAS: Final = 250_000
"""Number of commas below which a body passes: it has at most one more record than commas."""


def has_too_many_records(body: bytes, keys: tuple[str, ...], inner: str | None) -> bool:
    """Return whether a list's response holds more records than `MAX_RECORDS`.

    Args:
        body: Body of the response.
        keys: Keys of ``data`` that may hold the list.
        inner: Key of each element that holds the records, if there is one.
    """
    if len(body) <= _LARGE_BODY or body.count(b",") < _FEW_COMMAS:
        return False
    try:
        _counter(keys, inner).decode(body)
    except (_TooManyError, msgspec.ValidationError):  # or elements that are not records
        return True
    except (msgspec.DecodeError, RecursionError):  # invalid JSON, which the caller reports
        return False
    return False


class _TooManyError(Exception):
    """More than `MAX_RECORDS` records."""


def _counter(keys: tuple[str, ...], inner: str | None) -> msgspec.json.Decoder[object]:
    """Return a decoder that discards the records and stops after `MAX_RECORDS`."""
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
    return list[element] | None  # type: ignore[valid-type]  # created at run time


def _wrapper_struct(
    keys: tuple[str, ...], kind: object, namespace: dict[str, Any] | None = None
) -> Any:
    """Return a struct class with these keys, which skips all others."""
    names = {f"field_{index}": key for index, key in enumerate(dict.fromkeys(keys))}
    fields = [(name, kind, None) for name in names]
    return msgspec.defstruct("Wrapper", cast("Any", fields), rename=names, namespace=namespace)
