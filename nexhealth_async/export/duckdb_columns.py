"""A model's columns in DuckDB, and what becomes of those of a table that is there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from nexhealth_async.export.columns import Column, Kind, columns_of
from nexhealth_async.export.common_sql import quoted
from nexhealth_async.export.state_tables import wrong_type

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

__all__ = ["changes", "types_of", "widened"]

_AMOUNT: Final = "DECIMAL(18,4)"
_TYPES: Final = {
    Kind.INTEGER: "BIGINT",
    Kind.FLOAT: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TEXT: "VARCHAR",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.DATE: "DATE",
    Kind.MONEY: f"STRUCT(amount {_AMOUNT}, currency VARCHAR)",  # inside a struct
    Kind.JSON: "VARCHAR",  # inside a struct; a column of its own is JSON
}


def types_of(model: type) -> dict[str, str]:
    """Return the type of each column of a model's table, by name."""
    types: dict[str, str] = {}
    for column in columns_of(model):
        if column.kind is Kind.MONEY:
            types |= {f"{column.name}_amount": _AMOUNT, f"{column.name}_currency": "VARCHAR"}
        else:
            types[column.name] = "JSON" if column.kind is Kind.JSON else _type(column)
    return types | {"_shard": "INTEGER"}


def _type(column: Column) -> str:
    if column.element is not None:
        return f"{_type(column.element)}[]"
    if column.kind is Kind.STRUCT:
        return f"STRUCT({', '.join(f'{quoted(part.name)} {_type(part)}' for part in column.parts)})"
    return _TYPES[column.kind]


def changes(
    table: str,
    have: Mapping[str, DuckDBPyType],
    want: Mapping[str, str],
    parse: Callable[[str], DuckDBPyType],
) -> list[str]:
    """Return the statements that give a table what it lacks; ``parse`` reads a type's text.

    Columns that nobody wants stay. One whose type is another is a `TargetError`, except that a
    struct may have more parts, or fewer: those it lacks are added.
    """
    found: list[str] = []
    for name, text in want.items():
        change = f"alter table {quoted(table)}"
        if name not in have:
            found.append(f"{change} add column {quoted(name)} {text}")
            continue
        wide = widened(have[name], parse(text))
        if wide is None:
            raise wrong_type(table, name, str(have[name]), text)
        if str(parse(wide)) != str(have[name]):
            found.append(f"{change} alter column {quoted(name)} set data type {wide}")
    return found


def widened(have: DuckDBPyType, want: DuckDBPyType) -> str | None:
    """Return the type that holds everything of both: ``have`` with further parts, or None."""
    if have.id != want.id or have.id not in {"list", "struct"}:
        return str(have) if str(have) == str(want) else None
    old, new = _parts(have), _parts(want)
    parts: dict[str, str] = {name: str(kind) for name, kind in (old | new).items()}
    for name in old.keys() & new.keys():
        wide = widened(old[name], new[name])
        if wide is None:
            return None
        parts[name] = wide
    if have.id == "list":
        return f"{parts['child']}[]"
    return f"STRUCT({', '.join(f'{quoted(name)} {kind}' for name, kind in parts.items())})"


def _parts(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    return dict(cast("list[tuple[str, DuckDBPyType]]", kind.children))
