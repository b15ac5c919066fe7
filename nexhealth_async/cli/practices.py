"""``nexhealth practices``: what to pass as subdomain and location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from attrs import asdict
from cyclopts import Parameter

from nexhealth_async.cli import screen
from nexhealth_async.cli.access import ANYWHERE, Entry, Key, opened
from nexhealth_async.cli.columns import Column
from nexhealth_async.cli.life import run
from nexhealth_async.cli.tables import Table, terminal_width

if TYPE_CHECKING:
    from nexhealth_async.models import Location

__all__ = ["practices"]

_COLUMNS = (
    Column("practice", ("institution_name",), widest=36, least=12),
    Column("subdomain", ("subdomain",), widest=36, least=14),
    Column("location", ("id",), widest=12, least=8, right=True),
    Column("name", ("name",), widest=36, least=12),
    Column("zone", ("tz",), widest=24, least=12),
    Column("inactive", ("inactive",), widest=8, least=8),
)


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
        screen.say("This key sees no practice.")
        return 0
    if format == "jsonl":
        from nexhealth_async import to_json

        screen.write("".join(f"{to_json(place).decode()}\n" for place in places))
        return 0
    rows = [[column.text(place) for column in _COLUMNS] for place in map(asdict, places)]
    table = Table(_COLUMNS, width=terminal_width(), colour=screen.coloured())
    screen.write(table.lines(rows))
    screen.say_left_out(table.left_out)
    return 0


async def _places(entry: Entry, key: Key) -> list[Location]:
    async with opened(entry, key) as door:
        return [location async for location in door.nex.locations.walk()]
