"""``nexhealth endpoints``: every operation this library offers; asks no server."""

from __future__ import annotations

from typing import Annotated

import msgspec
from attrs import asdict
from cyclopts import Parameter

from nexhealth_async.cli import screen
from nexhealth_async.cli.columns import Column
from nexhealth_async.cli.life import Quit
from nexhealth_async.cli.tables import Table, terminal_width
from nexhealth_async.endpoints import Operation, operations

__all__ = ["endpoints"]

_COLUMNS = (
    Column("version", ("version",), widest=7, least=3),
    Column("method", ("method",), widest=6, least=6),
    Column("path", ("path",), widest=50, least=20),
    Column("python", ("python",), widest=44, least=16),
    Column("paging", ("paging",), widest=8, least=8),
    Column("rate", ("rate_class",), widest=6, least=6),
    Column("safe", ("safe",), widest=4, least=4),
    Column("filters", ("filters",), widest=200, least=12),
)


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
    found = [
        one
        for one in operations()
        if (api_version is None or api_version.partition(".")[0] == one.version)
        and resource in (None, one.resource, one.resource.partition(".")[0])
    ]
    if not found:
        raise Quit("There is no such operation; `nexhealth endpoints` lists them all.")
    if json:
        data = [asdict(one) for one in found]
        screen.write(msgspec.json.format(msgspec.json.encode(data)).decode() + "\n")
        return 0
    table = Table(_COLUMNS, width=terminal_width(), colour=screen.coloured())
    screen.write(table.lines([column.text(_shown(one)) for column in _COLUMNS] for one in found))
    screen.say_left_out(table.left_out)
    return 0


def _shown(operation: Operation) -> dict[str, object]:
    fields: dict[str, object] = asdict(operation)
    noun = "" if operation.resource == "authenticates" else f"{operation.resource}."
    fields["python"] = f"nex.{noun}{operation.verb}()"
    fields["filters"] = list(operation.filters)
    return fields
