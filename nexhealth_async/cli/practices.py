"""``nexhealth practices``: what to pass as subdomain and location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from attrs import asdict, evolve
from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import run
from nexhealth_async.cli.open_session import (
    ANY_LOCATION,
    CliApiKey,
    ConnectionOptions,
    open_session,
)
from nexhealth_async.cli.table_columns import TableColumn
from nexhealth_async.cli.tables import TextTable, page_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async.models import Location

__all__ = ["practices"]

_COLUMNS = (
    TableColumn("practice", ("institution_name",)),
    TableColumn("subdomain", ("subdomain",)),
    TableColumn("location", ("id",), align_right=True),
    TableColumn("name", ("name",)),
    TableColumn("zone", ("tz",)),
    TableColumn("inactive", ("inactive",)),
)
_NAMED = 4
"""So many columns have to be shown; the others are left out where there is no room."""


def practices(
    *,
    format: Annotated[  # noqa: A002 - the option's name
        Literal["table", "jsonl"],
        Parameter(help="A table, or JSON lines with every field of each location."),
    ] = "table",
    entry: ConnectionOptions = ANY_LOCATION,
) -> int:
    """List the practices and locations that the key sees.

    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    places = run(_location_rows(entry, CliApiKey.for_entry(entry)))
    if not places:
        terminal.print_line("This key sees no practice.")
        return 0
    if format == "jsonl":
        from nexhealth_async import to_json

        terminal.write("".join(f"{to_json(place).decode()}\n" for place in places))
        return 0
    rows = [[column.text(place) for column in _COLUMNS] for place in map(asdict, places)]
    # No name is cut: it may be wanted by another command.
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    columns = [
        evolve(column, max_width=width, min_width=max(width, len(column.title)))
        for column, width in zip(_COLUMNS, widths, strict=True)
    ]
    width = page_width()
    named = TextTable(columns[:_NAMED], width=width, colour=False)
    if not named.has_room_for(row[:_NAMED] for row in rows):
        terminal.print_message("".join(f"{_plain_row(row)}\n" for row in rows))
        return 0
    table = TextTable(columns, width=width, colour=terminal.is_coloured())
    terminal.write(table.lines(rows))
    terminal.print_hidden_columns(table.hidden_columns)
    return 0


def _plain_row(row: Sequence[str]) -> str:
    """Say what a row holds, where there is no room for a table."""
    practice, subdomain, location, name, zone, inactive = map(terminal.escape_controls, row)
    more = "".join(f", {part}" for part in (zone, "inactive" if inactive == "yes" else "") if part)
    return f"{practice}, subdomain {subdomain}: location {location}, {name}{more}"


async def _location_rows(entry: ConnectionOptions, key: CliApiKey) -> list[Location]:
    async with open_session(entry, key) as door:
        return [location async for location in door.nex.locations.walk()]
