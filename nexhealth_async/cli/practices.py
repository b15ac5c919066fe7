"""``nexhealth practices``: list subdomains and location ids."""

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
_REQUIRED_COLUMNS = 4
"""Number of columns that are always shown; the others are left out on a narrow terminal."""


def practices(
    *,
    format: Annotated[  # noqa: A002 - the option's name
        Literal["table", "jsonl"],
        Parameter(help="A table, or JSON lines with every field of each location."),
    ] = "table",
    entry: ConnectionOptions = ANY_LOCATION,
) -> int:
    """List the practices and locations that the key sees.

    The key is read from NEXHEALTH_API_KEY, or prompted for.
    """
    locations = run(_read_locations(entry, CliApiKey.for_entry(entry)))
    if not locations:
        terminal.print_line("This key sees no practice.")
        return 0
    if format == "jsonl":
        from nexhealth_async import to_json

        terminal.write("".join(f"{to_json(location).decode()}\n" for location in locations))
        return 0
    rows = [[column.text(location) for column in _COLUMNS] for location in map(asdict, locations)]
    # Names are never truncated, because other commands take them as arguments.
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    columns = [
        evolve(column, max_width=width, min_width=max(width, len(column.title)))
        for column, width in zip(_COLUMNS, widths, strict=True)
    ]
    width = page_width()
    required = TextTable(columns[:_REQUIRED_COLUMNS], width=width, colour=False)
    if not required.has_room_for(row[:_REQUIRED_COLUMNS] for row in rows):
        terminal.print_message("".join(f"{_row_text(row)}\n" for row in rows))
        return 0
    table = TextTable(columns, width=width, colour=terminal.is_coloured())
    terminal.write(table.lines(rows))
    terminal.print_hidden_columns(table.hidden_columns)
    return 0


def _row_text(row: Sequence[str]) -> str:
    """Return a row as a sentence, for terminals too narrow for a table."""
    practice, subdomain, location, name, zone, inactive = map(terminal.escape_controls, row)
    more = "".join(f", {part}" for part in (zone, "inactive" if inactive == "yes" else "") if part)
    return f"{practice}, subdomain {subdomain}: location {location}, {name}{more}"


async def _read_locations(entry: ConnectionOptions, key: CliApiKey) -> list[Location]:
    async with open_session(entry, key) as session:
        return [location async for location in session.nex.locations.walk()]
