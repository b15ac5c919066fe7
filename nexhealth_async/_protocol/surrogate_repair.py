r"""Repair of JSON with lone surrogates: escapes such as ``"\ud83d"`` without their other half.

msgspec rejects them, so a single one would make a whole response undecodable. They occur where a
server truncates text in the middle of an emoji.
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
# JSON has no backslash outside of strings, so escapes can be found without parsing the rest.
_ESCAPES: Final = re.compile(
    rb"(?:\\\\)++|(?:" + _HIGH + _LOW + rb")++|(?P<lone>" + _HIGH + rb"|" + _LOW + rb")"
)
_MAX_ESCAPES: Final = 500_000
"""Maximum number of runs of escapes; a response with more is not repaired."""
_FIELD: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_MAX_DEPTH: Final = 20
_DECODE: Final = msgspec.json.Decoder().decode


def without_lone_surrogates(body: bytes, by: bytes = REPLACEMENT) -> bytes | None:
    """Return JSON with each lone surrogate replaced; None if there is none, or too many escapes."""
    parts: list[bytes] = []
    end = 0
    for number, match in enumerate(_ESCAPES.finditer(body)):
        if number == _MAX_ESCAPES:
            return None
        if match["lone"]:
            parts += (body[end : match.start()], by)
            end = match.end()
    if not parts:
        return None
    parts.append(body[end:])
    return b"".join(parts)


def differing_paths(record: msgspec.Raw, repaired: msgspec.Raw) -> tuple[str, ...]:
    """Return the paths of the fields in which two copies of a record differ.

    A path ends above a key that does not look like a field of the API: it may be personal data.
    """
    try:
        before, after = cast("object", _DECODE(record)), cast("object", _DECODE(repaired))
    except (ValueError, RecursionError):  # the record has other errors, which its decoder reports
        return ()
    return tuple(dict.fromkeys(_find_differences(before, after, "", _MAX_DEPTH)))


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
        for index, (value, changed) in enumerate(pairs):
            yield from _find_differences(value, changed, f"{path}[{index}]", depth - 1)
        return
    yield path
