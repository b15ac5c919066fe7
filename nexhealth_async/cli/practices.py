"""``nexhealth practices``: what to pass as subdomain and location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from attrs import asdict, evolve
from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import run
from nexhealth_async.cli.open_session import ANYWHERE, Entry, Key, opened
from nexhealth_async.cli.table_columns import Column
from nexhealth_async.cli.tables import Table, page_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async.models import Location

__all__ = ["practices"]

_COLUMNS = (
    Column("practice", ("institution_name",)),
    Column("subdomain", ("subdomain",)),
    Column("location", ("id",), right=True),
    Column("name", ("name",)),
    Column("zone", ("tz",)),
    Column("inactive", ("inactive",)),
)
_NAMED = 4
"""So many columns have to be shown; the others are left out where there is no room."""


def practices(
    *,
    format: Annotated[  # noqa: A002 - the option's name
        Literal["table", "jsonl"],
        Parameter(help="A table, or JSON lines with every field of each location."),
    ] = "table",
    entry: Entry = ANYWHERE,
) -> int:
    """List the practices and locations that the key sees.

    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    places = run(_places(entry, Key.for_entry(entry)))
    if not places:
        terminal.say("This key sees no practice.")
        return 0
    if format == "jsonl":
        from nexhealth_async import to_json

        terminal.write("".join(f"{to_json(place).decode()}\n" for place in places))
        return 0
    rows = [[column.text(place) for column in _COLUMNS] for place in map(asdict, places)]
    # No name is cut: it may be wanted by another command.
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    columns = [
        evolve(column, widest=width, least=max(width, len(column.title)))
        for column, width in zip(_COLUMNS, widths, strict=True)
    ]
    width = page_width()
    named = Table(columns[:_NAMED], width=width, colour=False)
    if not named.has_room_for(row[:_NAMED] for row in rows):
        terminal.tell("".join(f"{_in_words(row)}\n" for row in rows))
        return 0
    table = Table(columns, width=width, colour=terminal.coloured())
    terminal.write(table.lines(rows))
    terminal.say_left_out(table.left_out)
    return 0


def _in_words(row: Sequence[str]) -> str:
    """Say what a row holds, where there is no room for a table."""
    practice, subdomain, location, name, zone, inactive = map(terminal.clean, row)
    more = "".join(f", {part}" for part in (zone, "inactive" if inactive == "yes" else "") if part)
    return f"{practice}, subdomain {subdomain}: location {location}, {name}{more}"


async def _places(entry: Entry, key: Key) -> list[Location]:
    async with opened(entry, key) as door:
        return [location async for location in door.nex.locations.walk()]
