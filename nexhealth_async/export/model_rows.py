"""Records as rows of plain Python values, for targets that take one row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias, cast

from attrs import frozen

from nexhealth_async.export.columns import ColumnKind, FieldColumn, check_of, fields_of
from nexhealth_async.export.extra_fields import (
    KnownFields,
    extra_json,
    fields_in,
    find_extra_fields,
    json_of,
    json_text,
    known_fields,
)

if TYPE_CHECKING:
    from msgspec import Raw

    from nexhealth_async.export.columns import Check
    from nexhealth_async.export.extra_fields import ExtraFields

    _CellMaker: TypeAlias = "Callable[[object, Raw | None], object]"

__all__ = ["Checks", "flat_columns", "values_of"]

Checks: TypeAlias = "Callable[[FieldColumn], Check]"
"""Returns a function that checks if a column can hold a value; see `check_of`."""


def flat_columns(model: type) -> tuple[FieldColumn, ...]:
    """Return the columns of a model's fields, with structs and lists of structs as JSON."""
    return _flat_of(model)


@cache
def _flat_of(model: type) -> tuple[FieldColumn, ...]:
    return tuple(
        column if column.is_plain else FieldColumn(name=column.name, kind=ColumnKind.JSON)
        for column in fields_of(model)
    )


def values_of(
    model: type, records: Sequence[object], raw: Sequence[bytes], *, checks: Checks = check_of
) -> Iterator[tuple[list[object], str | None]]:
    """Yield each record's values in the order of `flat_columns`, and its `_extra` text.

    Scalars and `Money` stay as they are, lists are tuples of scalars, and other values are the JSON
    text that the server sent. A value that fails its column's check (for a list: any element; for
    JSON: the text) is None, and `_extra` holds the field as it was sent.
    """
    plan = _row_plan(model, checks)
    for record, data in zip(records, raw, strict=True):
        yield _row_values(plan, record, fields_in(data))


@frozen
class _RowPlan:
    known: KnownFields
    take: Callable[[object], tuple[object, ...]]
    makers: tuple[tuple[str, _CellMaker], ...]


@cache
def _row_plan(model: type, checks: Checks) -> _RowPlan:
    columns = flat_columns(model)
    names = [column.name for column in columns]
    makers = [(column.name, _cell_maker(column, checks)) for column in columns]
    return _RowPlan(known_fields(columns), _attribute_getter(names), tuple(makers))


def _attribute_getter(names: Sequence[str]) -> Callable[[object], tuple[object, ...]]:
    take = attrgetter(*names)
    if len(names) > 1:
        return cast("Callable[[object], tuple[object, ...]]", take)
    return lambda record: (take(record),)


def _row_values(
    plan: _RowPlan, record: object, fields: Mapping[str, Raw]
) -> tuple[list[object], str | None]:
    extra: ExtraFields = find_extra_fields(plan.known, record, fields)
    row = list(plan.take(record))
    for at, value in enumerate(row):
        if value is None:
            continue
        name, make = plan.makers[at]
        sent = fields.get(name)
        row[at] = cell = make(value, sent)
        if cell is None:
            extra[name] = json_of(value) if sent is None else sent
    return row, extra_json(extra)


def _cell_maker(column: FieldColumn, checks: Checks) -> _CellMaker:
    """Return a function that converts a value for its column; None if it does not fit."""
    check = checks(column)
    if column.kind is ColumnKind.JSON:
        return lambda value, sent: _if_valid(
            check, json_text(json_of(value) if sent is None else sent)
        )
    if column.mixed:
        return lambda value, _: _if_valid(check, str(value))
    if column.element is None:
        return lambda value, _: value if check(value) else None
    inner = checks(column.element)
    return lambda value, _: (
        value
        if check(value)
        and all(item is None or inner(item) for item in cast("tuple[object, ...]", value))
        else None
    )


def _if_valid(check: Check, value: str) -> str | None:
    return value if check(value) else None
