"""``nexhealth endpoints``: every operation this library offers; asks no server."""

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
        Parameter(negative="", show_default=False, help="As JSON, with all that is known of each."),
    ] = False,
    api_version: Annotated[
        str | None,
        Parameter(
            name=["--version", "--api-version"],
            help="Only those of this version of the API: v2 or v3.",
        ),
    ] = None,
    resource: Annotated[
        str | None, Parameter(help="Only those of one noun, such as patients.")
    ] = None,
) -> int:
    """List every operation of the API that this library offers. Asks no server."""
    every = operations()
    if resource is not None:
        _check_resource(resource, every)
    found = [
        one
        for one in every
        if (api_version is None or api_version.partition(".")[0] == one.version)
        and resource in (None, one.resource, one.resource.partition(".")[0])
    ]
    if not found:
        known = api_version is None or api_version.partition(".")[0] in {"v2", "v3"}
        raise CliError(
            f"{api_version} has nothing of {resource}: leave out --version."
            if known
            else "--version takes v2 or v3."
        )
    if json:
        data = [asdict(one) for one in found]
        terminal.write(msgspec.json.format(msgspec.json.encode(data)).decode() + "\n")
        return 0
    by_call: dict[str, list[Operation]] = defaultdict(list)
    for one in found:
        by_call[_call(one)].append(one)
    rows = [_row(call, ones) for call, ones in by_call.items()]
    # No cell is cut, since calls and paths differ at their ends: what has no room is left out.
    width = page_width()
    shown: list[int] = []
    columns: list[TableColumn] = []
    for at, cells in enumerate(zip(_TITLES, *rows, strict=True)):
        longest = max(map(len, cells))
        column = TableColumn(_TITLES[at], (), max_width=longest, min_width=longest)
        if not shown or TextTable([*columns, column], width=width, colour=False).has_room_for(
            [row[one] for one in (*shown, at)] for row in rows
        ):
            shown.append(at)
            columns.append(column)
    table = TextTable(columns, width=width, colour=terminal.is_coloured())
    terminal.write(table.lines([row[at] for at in shown] for row in rows))
    terminal.print_hidden_columns([title for at, title in enumerate(_TITLES) if at not in shown])
    return 0


def _check_resource(resource: str, every: Sequence[Operation]) -> None:
    """Raise `CliError` for a noun there is not, with the one that was likely meant."""
    names = list(dict.fromkeys(one.resource for one in every))
    names += [name.partition(".")[0] for name in names]
    if resource not in names:
        near = get_close_matches(resource.replace("-", "_"), names, 1, 0.7)
        meant = f"did you mean {near[0]}?" if near else "`nexhealth endpoints` lists them all."
        raise CliError(f"{terminal.shell_quote(resource)}: there is no such resource; {meant}")


def _call(operation: Operation) -> str:
    noun = "" if operation.resource == "authenticates" else f"{operation.resource}."
    return f"nex.{noun}{operation.verb}()"


def _row(call: str, operations: Sequence[Operation]) -> list[str]:
    """Return the cells of an operation; what differs between versions is told of each."""

    def both(cells: Iterable[str]) -> str:
        return "/".join(dict.fromkeys(cells))

    return [
        call,
        " ".join(one.version for one in operations),
        both(one.method for one in operations),
        " or ".join(dict.fromkeys(one.path for one in operations)),
        both("yes" if one.safe else "no" for one in operations),
        both(one.rate_class for one in operations),
        both(one.paging for one in operations),
        ", ".join(dict.fromkeys(name for one in operations for name in one.filters)),
    ]
