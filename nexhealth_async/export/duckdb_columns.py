"""Column types of a model's table in DuckDB, and changes to existing tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from nexhealth_async.export.columns import ColumnKind, FieldColumn, columns_of
from nexhealth_async.export.common_sql import quote_identifier
from nexhealth_async.export.state_tables import wrong_type_error

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

__all__ = ["changes", "types_of", "widen_type"]

_AMOUNT: Final = "DECIMAL(18,4)"
_TYPES: Final = {
    ColumnKind.INTEGER: "BIGINT",
    ColumnKind.FLOAT: "DOUBLE",
    ColumnKind.BOOLEAN: "BOOLEAN",
    ColumnKind.TEXT: "VARCHAR",
    ColumnKind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnKind.DATE: "DATE",
    ColumnKind.MONEY: f"STRUCT(amount {_AMOUNT}, currency VARCHAR)",  # inside a struct
    ColumnKind.JSON: "VARCHAR",  # inside a struct; a top-level column is JSON
}


def types_of(model: type) -> dict[str, str]:
    """Return the type of each column of a model's table, by name."""
    types: dict[str, str] = {}
    for column in columns_of(model):
        if column.kind is ColumnKind.MONEY:
            types |= {f"{column.name}_amount": _AMOUNT, f"{column.name}_currency": "VARCHAR"}
        else:
            types[column.name] = "JSON" if column.kind is ColumnKind.JSON else _type(column)
    return types | {"_shard": "INTEGER"}


def _type(column: FieldColumn) -> str:
    if column.element is not None:
        return f"{_type(column.element)}[]"
    if column.kind is ColumnKind.STRUCT:
        parts = (f"{quote_identifier(part.name)} {_type(part)}" for part in column.parts)
        return f"STRUCT({', '.join(parts)})"
    return _TYPES[column.kind]


def changes(
    table: str,
    current: Mapping[str, DuckDBPyType],
    expected: Mapping[str, str],
    parse: Callable[[str], DuckDBPyType],
) -> list[str]:
    """Return the statements that add missing columns and struct parts to a table.

    Other columns stay. ``parse`` converts the text of a type.

    Raises:
        TargetError: A column has another type; a struct may have more or fewer parts.
    """
    statements: list[str] = []
    for name, text in expected.items():
        alter = f"alter table {quote_identifier(table)}"
        if name not in current:
            statements.append(f"{alter} add column {quote_identifier(name)} {text}")
            continue
        wide = widen_type(current[name], parse(text))
        if wide is None:
            raise wrong_type_error(table, name, str(current[name]), text)
        if str(parse(wide)) != str(current[name]):
            statements.append(f"{alter} alter column {quote_identifier(name)} set data type {wide}")
    return statements


def widen_type(current: DuckDBPyType, expected: DuckDBPyType) -> str | None:
    """Return the type with the parts of both types; None if they differ otherwise."""
    if current.id != expected.id or current.id not in {"list", "struct"}:
        return str(current) if str(current) == str(expected) else None
    current_parts, expected_parts = _parts(current), _parts(expected)
    parts: dict[str, str] = {
        name: str(kind) for name, kind in (current_parts | expected_parts).items()
    }
    for name in current_parts.keys() & expected_parts.keys():
        wide = widen_type(current_parts[name], expected_parts[name])
        if wide is None:
            return None
        parts[name] = wide
    if current.id == "list":
        return f"{parts['child']}[]"
    return (
        f"STRUCT({', '.join(f'{quote_identifier(name)} {kind}' for name, kind in parts.items())})"
    )


def _parts(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    return dict(cast("list[tuple[str, DuckDBPyType]]", kind.children))
