"""Query parameters of a request, read by the route's own list of names and kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal, TypeAlias, cast

from nexhealth_async.sandbox.json_format import RequestRejectedError, parse_timestamp

__all__ = ["ParamKind", "Params", "read"]

ParamKind: TypeAlias = Literal["text", "int", "bool", "date", "time", "ints", "texts"]
_Value: TypeAlias = str | int | bool | date | datetime | list[int] | list[str]

_BOOLS = {"true": True, "false": False, "1": True, "0": False}


_PAGING = frozenset({"page", "per_page", "include", "start_cursor", "end_cursor"})


class Params:
    """What was asked, by name without brackets; what the route does not take is ``ignored``."""

    def __init__(self, values: Mapping[str, _Value], ignored: Sequence[str]) -> None:
        self._values = values
        self.ignored = ignored

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What was filtered by, without the paging: a key for remembered selections."""
        return tuple(
            sorted(
                (name, str(value)) for name, value in self._values.items() if name not in _PAGING
            )
        )

    def text(self, name: str) -> str | None:
        """A text, if given."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """A whole number, if given."""
        value = self._values.get(name)
        return value if isinstance(value, int) else None

    def flag(self, name: str) -> bool | None:
        """True or false, if given."""
        value = self._values.get(name)
        return value if isinstance(value, bool) else None

    def day(self, name: str) -> date | None:
        """A date, if given."""
        value = self._values.get(name)
        return value if isinstance(value, date) and not isinstance(value, datetime) else None

    def time(self, name: str) -> datetime | None:
        """A moment with zone, if given."""
        value = self._values.get(name)
        return value if isinstance(value, datetime) else None

    def ints(self, name: str) -> list[int]:
        """The numbers of a repeated parameter."""
        value = self._values.get(name)
        return cast("list[int]", value) if isinstance(value, list) else []

    def texts(self, name: str) -> list[str]:
        """The texts of a repeated parameter."""
        value = self._values.get(name)
        return cast("list[str]", value) if isinstance(value, list) else []


def read(query: Sequence[tuple[str, str]], known: Mapping[str, ParamKind]) -> Params:
    """Read a query string by the names and kinds a route knows.

    Raises:
        Refusal: 400 for a value that cannot be read.
    """
    values: dict[str, _Value] = {}
    ignored: list[str] = []
    for wire_name, value in query:
        name = wire_name.removesuffix("[]")
        kind = known.get(name)
        many = kind in {"ints", "texts"}
        if kind is None or many != wire_name.endswith("[]"):
            if wire_name not in ignored:
                ignored.append(wire_name)
        elif many:
            so_far = cast("list[object]", values.setdefault(name, cast("list[str]", [])))
            so_far.append(_read_value(wire_name, value, "int") if kind == "ints" else value)
        elif value or kind == "text":
            values[name] = _read_value(wire_name, value, kind)
    return Params(values, ignored)


def _read_value(name: str, value: str, kind: ParamKind) -> str | int | bool | date | datetime:
    try:
        if kind == "int":
            return int(value)
        if kind == "bool":
            return _BOOLS[value]
        if kind == "date":
            return date.fromisoformat(value[:10])
    except (ValueError, KeyError):
        raise RequestRejectedError(400, f"{name} is invalid") from None
    if kind == "time":
        read_as = parse_timestamp(value)
        if read_as is None:
            raise RequestRejectedError(400, f"{name} is invalid")
        return read_as
    return value
