"""What most listings have in common: exact filters, ``updated_since``, ``sort``, deletions."""

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
    """What ``sort`` asks for: names with commas between, a minus in front for falling.

    Raises:
        Refusal: 400 for anything else.
    """
    asked = call.params.text("sort") or default
    if not asked:
        return None
    fields = [
        (name.strip().removeprefix("-"), name.strip().startswith("-")) for name in asked.split(",")
    ]
    if any(name not in allowed for name, _ in fields):
        raise RequestRejectedError(400, "sort is invalid")
    return SortOrder(fields, table.row)


def in_order(table: RecordTable, ids: Sequence[int], by: SortOrder | None) -> Sequence[int]:
    """The ids as sorted, remembered until the table changes."""
    if by is None:
        return ids
    return table.cached(("sorted", tuple(by.fields), tuple(ids)), lambda: by.sorted(ids))


def require_one_of(call: SandboxCall, names: Sequence[str]) -> None:
    """Refuse to run a listing that none of these filters narrows."""
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
    """The rows of a table as the usual parameters narrow and sort them.

    ``exact`` are parameters that a row's field of the same name must equal; ``key`` is what
    ``keep`` depends on besides the parameters.
    """
    asked = call.params
    wanted: JsonRow = {
        name: value
        for name in exact
        if name in asked
        for value in (asked.flag(name), asked.number(name), asked.text(name))
        if value is not None
    }
    since = asked.time("updated_since")
    floor = format_timestamp(since.timestamp()) if since else ""
    hides_deleted = "include_deleted" in asked or call.version == "v3"
    deleted = asked.flag("include_deleted") is True or not hides_deleted

    def kept(one: JsonRow) -> bool:
        return (
            all(one.get(name) == value for name, value in wanted.items())
            and (not floor or text(one, "updated_at") >= floor)
            and (deleted or one.get("deleted_at") is None)
            and (keep is None or keep(one))
        )

    among = None
    for name in ("patient_id", "guarantor_id"):
        if name in wanted and name in exact:
            among = table.where(name, wanted[name])
            break
    ids = table.select((asked.key, call.version, repr(key)), kept, among)
    by = order(call, table, sorts, default_sort) if sorts else None
    return ListResult(ids=in_order(table, ids, by), show=show, order=by)


def get_or_404(table: RecordTable, id: int, status: int = 404) -> JsonRow:
    """The row with this id.

    Raises:
        Refusal: 404 when there is none.
    """
    one = table.get(id)
    if one is None:
        raise RequestRejectedError(status, "Resource not found")
    return one
