"""Query parameters of a request, parsed by the route's parameter names and types."""

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
    """Parsed query parameters, by name without brackets.

    ``ignored`` has the names that the route does not take.
    """

    def __init__(self, values: Mapping[str, _Value], ignored: Sequence[str]) -> None:
        self._values = values
        self.ignored = ignored

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """Filters without paging parameters, as a key of cached selections."""
        return tuple(
            sorted(
                (name, str(value)) for name, value in self._values.items() if name not in _PAGING
            )
        )

    def text(self, name: str) -> str | None:
        """Return a string, or None."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """Return an integer, or None."""
        value = self._values.get(name)
        return value if isinstance(value, int) else None

    def flag(self, name: str) -> bool | None:
        """Return a boolean, or None."""
        value = self._values.get(name)
        return value if isinstance(value, bool) else None

    def day(self, name: str) -> date | None:
        """Return a date, or None."""
        value = self._values.get(name)
        return value if isinstance(value, date) and not isinstance(value, datetime) else None

    def time(self, name: str) -> datetime | None:
        """Return a datetime with a zone, or None."""
        value = self._values.get(name)
        return value if isinstance(value, datetime) else None

    def ints(self, name: str) -> list[int]:
        """Return the integers of a repeated parameter."""
        value = self._values.get(name)
        return cast("list[int]", value) if isinstance(value, list) else []

    def texts(self, name: str) -> list[str]:
        """Return the strings of a repeated parameter."""
        value = self._values.get(name)
        return cast("list[str]", value) if isinstance(value, list) else []


def read(query: Sequence[tuple[str, str]], known: Mapping[str, ParamKind]) -> Params:
    """Parse a query by a route's parameter names and types.

    Raises:
        RequestRejectedError: 400 for a value that cannot be parsed.
    """
    values: dict[str, _Value] = {}
    ignored: list[str] = []
    for wire_name, value in query:
        name = wire_name.removesuffix("[]")
        kind = known.get(name)
        is_list = kind in {"ints", "texts"}
        if kind is None or is_list != wire_name.endswith("[]"):
            if wire_name not in ignored:
                ignored.append(wire_name)
        elif is_list:
            items = cast("list[object]", values.setdefault(name, cast("list[str]", [])))
            items.append(_read_value(wire_name, value, "int") if kind == "ints" else value)
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
        timestamp = parse_timestamp(value)
        if timestamp is None:
            raise RequestRejectedError(400, f"{name} is invalid")
        return timestamp
    return value
