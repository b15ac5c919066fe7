"""``nexhealth endpoints``: list the operations of this library, without a request."""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from attrs import asdict
from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import CliError
from nexhealth_async.cli.table_columns import TableColumn
from nexhealth_async.cli.tables import TextTable, page_width
from nexhealth_async.resources import operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nexhealth_async._protocol.operations import Operation

__all__ = ["endpoints"]

_TITLES: Final = ("python", "versions", "method", "path", "safe", "rate", "paging", "filters")


def endpoints(
    *,
    json: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Print JSON with every property."),
    ] = False,
    api_version: Annotated[
        str | None,
        Parameter(
            name=["--version", "--api-version"],
            help="Only operations of this API version: v2 or v3.",
        ),
    ] = None,
    resource: Annotated[
        str | None, Parameter(help="Only operations of one resource, such as patients.")
    ] = None,
) -> int:
    """List the operations of the API that this library offers. Sends no request."""
    every = operations()
    if resource is not None:
        _check_resource(resource, every)
    matches = [
        operation
        for operation in every
        if (api_version is None or api_version.partition(".")[0] == operation.version)
        and resource in (None, operation.resource, operation.resource.partition(".")[0])
    ]
    if not matches:
        is_version = api_version is None or api_version.partition(".")[0] in {"v2", "v3"}
        raise CliError(
            f"{api_version} has no operations of {resource}: leave out --version."
            if is_version
            else "--version takes v2 or v3."
        )
    if json:
        data = [asdict(operation) for operation in matches]
        terminal.write(msgspec.json.format(msgspec.json.encode(data)).decode() + "\n")
        return 0
    by_call: dict[str, list[Operation]] = defaultdict(list)
    for operation in matches:
        by_call[_call_text(operation)].append(operation)
    rows = [_table_row(call, versions) for call, versions in by_call.items()]
    # Cells are never truncated, because calls and paths differ at their ends: columns that do
    # not fit are left out instead.
    width = page_width()
    shown: list[int] = []
    columns: list[TableColumn] = []
    for index, cells in enumerate(zip(_TITLES, *rows, strict=True)):
        longest = max(map(len, cells))
        column = TableColumn(_TITLES[index], (), max_width=longest, min_width=longest)
        if not shown or TextTable([*columns, column], width=width, colour=False).has_room_for(
            [row[i] for i in (*shown, index)] for row in rows
        ):
            shown.append(index)
            columns.append(column)
    table = TextTable(columns, width=width, colour=terminal.is_coloured())
    terminal.write(table.lines([row[index] for index in shown] for row in rows))
    terminal.print_hidden_columns([title for i, title in enumerate(_TITLES) if i not in shown])
    return 0


def _check_resource(resource: str, operations: Sequence[Operation]) -> None:
    """Raise `CliError` for an unknown resource, and suggest the nearest name."""
    names = list(dict.fromkeys(operation.resource for operation in operations))
    names += [name.partition(".")[0] for name in names]
    if resource not in names:
        matches = get_close_matches(resource.replace("-", "_"), names, 1, 0.7)
        hint = f"did you mean {matches[0]}?" if matches else "`nexhealth endpoints` lists them all."
        raise CliError(f"{terminal.redact_argument(resource)}: there is no such resource; {hint}")


def _call_text(operation: Operation) -> str:
    prefix = "" if operation.resource == "authenticates" else f"{operation.resource}."
    return f"nex.{prefix}{operation.verb}()"


def _table_row(call: str, operations: Sequence[Operation]) -> list[str]:
    """Return the cells of an operation; values that differ between versions are all shown."""

    def join_distinct(cells: Iterable[str]) -> str:
        return "/".join(dict.fromkeys(cells))

    return [
        call,
        " ".join(operation.version for operation in operations),
        join_distinct(operation.method for operation in operations),
        " or ".join(dict.fromkeys(operation.path for operation in operations)),
        join_distinct("yes" if operation.safe else "no" for operation in operations),
        join_distinct(operation.rate_class for operation in operations),
        join_distinct(operation.paging for operation in operations),
        ", ".join(dict.fromkeys(name for operation in operations for name in operation.filters)),
    ]
