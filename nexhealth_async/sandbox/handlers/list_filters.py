"""Common filters of listings: exact values, ``updated_since``, ``sort``, deleted records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    text,
)
from nexhealth_async.sandbox.routes import ListResult, SandboxCall, SortOrder
from nexhealth_async.sandbox.tables import RecordTable

__all__ = ["filtered_list", "get_or_404", "in_order", "order", "require_one_of"]


def order(
    call: SandboxCall, table: RecordTable, allowed: Sequence[str], default: str = ""
) -> SortOrder | None:
    """Parse ``sort``: field names separated by commas, with a minus for descending order.

    Raises:
        RequestRejectedError: 400 for anything else.
    """
    sort = call.params.text("sort") or default
    if not sort:
        return None
    fields = [
        (name.strip().removeprefix("-"), name.strip().startswith("-")) for name in sort.split(",")
    ]
    if any(name not in allowed for name, _ in fields):
        raise RequestRejectedError(400, "sort is invalid")
    return SortOrder(fields, table.row)


def in_order(table: RecordTable, ids: Sequence[int], by: SortOrder | None) -> Sequence[int]:
    """Return the ids in this order, cached until the table changes."""
    if by is None:
        return ids
    return table.cached(("sorted", tuple(by.fields), tuple(ids)), lambda: by.sorted(ids))


def require_one_of(call: SandboxCall, names: Sequence[str]) -> None:
    """Reject a request that has none of these filters."""
    if not any(name in call.params for name in names):
        raise RequestRejectedError(
            400, f"At least one of these parameters is required: {', '.join(names)}"
        )


def filtered_list(
    call: SandboxCall,
    table: RecordTable,
    show: Callable[[int], JsonRow],
    *,
    exact: Sequence[str] = (),
    sorts: Sequence[str] = (),
    default_sort: str = "",
    keep: Callable[[JsonRow], bool] | None = None,
    key: object = None,
) -> ListResult:
    """Return the rows of a table, filtered and sorted by the request's parameters.

    Args:
        call: The request.
        table: The table.
        show: Returns the row of an id.
        exact: Parameters that must equal the field of the same name.
        sorts: Fields that ``sort`` can have.
        default_sort: Value of ``sort`` if it is not sent.
        keep: A further filter.
        key: Values on which ``keep`` depends besides the parameters.
    """
    params = call.params
    values: JsonRow = {
        name: value
        for name in exact
        if name in params
        for value in (params.flag(name), params.number(name), params.text(name))
        if value is not None
    }
    since = params.time("updated_since")
    earliest_update = format_timestamp(since.timestamp()) if since else ""
    hides_deleted = "include_deleted" in params or call.version == "v3"
    shows_deleted = params.flag("include_deleted") is True or not hides_deleted

    def matches(record: JsonRow) -> bool:
        return (
            all(record.get(name) == value for name, value in values.items())
            and (not earliest_update or text(record, "updated_at") >= earliest_update)
            and (shows_deleted or record.get("deleted_at") is None)
            and (keep is None or keep(record))
        )

    among = None
    for name in ("patient_id", "guarantor_id"):
        if name in values and name in exact:
            among = table.where(name, values[name])
            break
    ids = table.select((params.key, call.version, repr(key)), matches, among)
    by = order(call, table, sorts, default_sort) if sorts else None
    return ListResult(ids=in_order(table, ids, by), show=show, order=by)


def get_or_404(table: RecordTable, id: int, status: int = 404) -> JsonRow:
    """Return a row.

    Raises:
        RequestRejectedError: ``status`` if there is no row with this id.
    """
    record = table.get(id)
    if record is None:
        raise RequestRejectedError(status, "Resource not found")
    return record
