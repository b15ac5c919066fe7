r"""Repair of JSON with lone surrogates: escapes such as ``"\ud83d"`` without their other half.

No JSON parser of ours takes them, so a single one would make a whole reply unreadable. They arise
where a server cuts text in the middle of an emoji.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MARKER", "REPLACEMENT", "differing_paths", "without_lone_surrogates"]

REPLACEMENT: Final = rb"\ufffd"
"""The escape of U+FFFD, the replacement character."""
MARKER: Final = rb"\ufffe"
"""Another replacement of the same length: where two repaired copies differ, text was replaced."""

_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
# Outside of strings JSON has no backslash, so that tokens can be found without parsing the rest.
_ESCAPES: Final = re.compile(
    rb"(?:\\\\)++|(?:" + _HIGH + _LOW + rb")++|(?P<lone>" + _HIGH + rb"|" + _LOW + rb")"
)
_MAX_ESCAPES: Final = 500_000
"""Runs of escapes to look at; a reply with more is not repaired."""
_FIELD: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_MAX_DEPTH: Final = 20
_DECODE: Final = msgspec.json.Decoder().decode


def without_lone_surrogates(body: bytes, by: bytes = REPLACEMENT) -> bytes | None:
    """Return JSON with each lone surrogate replaced; None if there is none, or far too many."""
    pieces: list[bytes] = []
    end = 0
    for number, found in enumerate(_ESCAPES.finditer(body)):
        if number == _MAX_ESCAPES:
            return None
        if found["lone"]:
            pieces += (body[end : found.start()], by)
            end = found.end()
    if not pieces:
        return None
    pieces.append(body[end:])
    return b"".join(pieces)


def differing_paths(record: msgspec.Raw, repaired: msgspec.Raw) -> tuple[str, ...]:
    """Return the paths of the fields in which two copies of a record differ.

    A path ends above a key that is not spelled like a field of the API: it may be personal.
    """
    try:
        one, two = cast("object", _DECODE(record)), cast("object", _DECODE(repaired))
    except (ValueError, RecursionError):  # the record has other faults, which its decoder meets
        return ()
    return tuple(dict.fromkeys(_find_differences(one, two, "", _MAX_DEPTH)))


def _find_differences(before: object, after: object, path: str, depth: int) -> Iterator[str]:
    if before == after:
        return
    if depth and isinstance(before, dict) and isinstance(after, dict):
        first, second = cast("dict[str, object]", before), cast("dict[str, object]", after)
        if first.keys() == second.keys() and all(map(_FIELD.fullmatch, first)):
            for name, value in first.items():
                step = f"{path}.{name}" if path else name
                yield from _find_differences(value, second[name], step, depth - 1)
            return
    elif depth and isinstance(before, list) and isinstance(after, list):
        pairs = zip(cast("list[object]", before), cast("list[object]", after), strict=False)
        for place, (value, changed) in enumerate(pairs):
            yield from _find_differences(value, changed, f"{path}[{place}]", depth - 1)
        return
    yield path
