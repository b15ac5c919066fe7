"""Column types of a model's table in PostgreSQL, and its rows for ``COPY``.

An amount of money is two columns, ``<name>_amount`` and ``<name>_currency``. Lists of scalars are
arrays, and other nested values are ``jsonb``. ``_extra`` is ``json``, which keeps the JSON as it
was sent, including values that ``jsonb`` and text cannot hold, such as the character NUL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final, cast

from nexhealth_async.bulk import Batch
from nexhealth_async.export import columns
from nexhealth_async.export.columns import EXTRA, PRACTICE, PULL, Check, ColumnKind, FieldColumn
from nexhealth_async.export.common_sql import quote_identifier
from nexhealth_async.export.model_rows import flat_columns, values_of
from nexhealth_async.export.state_tables import Row, practice_of, wrong_type_error
from nexhealth_async.models import Money

__all__ = ["changes", "check_of", "json_value", "rows_of", "types_of"]

_TYPES: Final = {
    ColumnKind.INTEGER: "bigint",
    ColumnKind.FLOAT: "double precision",
    ColumnKind.BOOLEAN: "boolean",
    ColumnKind.TEXT: "text",
    ColumnKind.TIMESTAMP: "timestamp with time zone",
    ColumnKind.DATE: "date",
    ColumnKind.JSON: "jsonb",
}
_NOT_IN_JSONB: Final = re.compile(
    r"""[\x00-\x1f]                                                 # must be escaped in strings
    | \\u0000
    | \\u[dD][89abAB][0-9a-fA-F]{2} (?!\\u[dD][c-fC-F])             # halves of a surrogate pair
    | (?<!\\u[dD][89abAB][0-9a-fA-F]{2}) \\u[dD][c-fC-F]
    | (?<=[\[:,\s])-?[0-9.]+[eE][+-]?[0-9]{4}                       # numbers beyond numeric
    | [0-9]{1000}
    """,
    re.VERBOSE,
)
_MAX_EXPONENT: Final = 100
"""Largest power of ten of an amount of money, in both directions."""


@cache
def types_of(model: type) -> Mapping[str, str]:
    """Return the type of each column of a model's table, by name."""
    types = {PRACTICE.name: "text"}
    for column in flat_columns(model):
        types |= _types(column)
    return types | {EXTRA.name: "json", PULL.name: "text", "_shard": "integer"}


def _types(column: FieldColumn) -> dict[str, str]:
    if column.kind is ColumnKind.MONEY:
        return {f"{column.name}_amount": "numeric", f"{column.name}_currency": "text"}
    if column.element is not None:
        return {column.name: f"{_TYPES[column.element.kind]}[]"}
    return {column.name: _TYPES[column.kind]}


def changes(table: str, current: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return the statements that add missing columns to a table; other columns stay.

    Raises:
        TargetError: A column has another type.
    """
    for name, kind in expected.items():
        if current.get(name, kind) != kind:
            raise wrong_type_error(table, name, current[name], kind)
    return [
        f"alter table {quote_identifier(table)} add column {quote_identifier(name)} {kind}"
        for name, kind in expected.items()
        if name not in current
    ]


def rows_of(batch: Batch, model: type, pull: str, number: int) -> Iterator[Row]:
    """Yield the batch's rows in the order of `types_of`."""
    money_indexes = [
        at for at, column in enumerate(flat_columns(model)) if column.kind is ColumnKind.MONEY
    ]
    practice = practice_of(batch.shard.subdomain)
    columns = [column.name for column in flat_columns(model)]
    names_practice = batch.shard.subdomain is None and "subdomain" in columns
    at_subdomain = columns.index("subdomain") if names_practice else None
    for values, extra in values_of(model, batch.records, batch.raw, checks=check_of):
        row_practice = (
            practice
            if at_subdomain is None
            else practice_of(cast("str | None", values[at_subdomain]))
        )
        for at in reversed(money_indexes):
            values[at : at + 1] = _amount_and_currency(values[at])
        yield (row_practice, *values, None if extra is None else json_value(extra), pull, number)


def _amount_and_currency(value: object) -> Sequence[object]:
    if value is None:
        return (None, None)
    money = cast("Money", value)
    return (money.amount, money.currency)


def check_of(column: FieldColumn) -> Check:
    """Return a function that checks if a column can hold a value other than None."""
    return _CHECKS.get(column.kind) or columns.check_of(column)


def _is_text(value: object) -> bool:
    return _is_unicode(value) and "\x00" not in cast("str", value)


def _is_amount(value: object) -> bool:
    if not isinstance(value, Money):
        return False
    exponent = value.amount.as_tuple().exponent
    in_range = isinstance(exponent, int) and exponent >= -_MAX_EXPONENT
    return in_range and value.amount.adjusted() <= _MAX_EXPONENT and _is_text(value.currency)


def _is_jsonb(value: object) -> bool:
    if not _is_unicode(value):
        return False
    text = cast("str", value)
    found = _NOT_IN_JSONB.search(text)
    while found is not None and found[0] in "\n\r\t":  # between values; escaped inside strings
        found = _NOT_IN_JSONB.search(text, found.end())
    return found is None


_is_unicode: Final = columns.check_of(EXTRA)
_CHECKS: Final = {
    ColumnKind.TEXT: _is_text,
    ColumnKind.MONEY: _is_amount,
    ColumnKind.JSON: _is_jsonb,
}


def json_value(text: str) -> str:
    """Return JSON text as it is, or as a JSON string if it is not valid JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps(text)
    return text
