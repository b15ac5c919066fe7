"""``nexhealth practices``: what to pass as subdomain and location."""

from __future__ import annotations

from nexhealth_async.cli import screen
from nexhealth_async.cli.access import ANYWHERE, Entry, Key, opened
from nexhealth_async.cli.columns import Column
from nexhealth_async.cli.life import run
from nexhealth_async.cli.tables import Table, terminal_width

__all__ = ["practices"]

_COLUMNS = (
    Column("practice", ("institution_name",), widest=36, least=12),
    Column("subdomain", ("subdomain",), widest=36, least=14),
    Column("location", ("id",), widest=12, least=8, right=True),
    Column("name", ("name",), widest=36, least=12),
    Column("zone", ("tz",), widest=24, least=12),
    Column("inactive", ("inactive",), widest=8, least=8),
)


def practices(*, entry: Entry = ANYWHERE) -> int:
    """List the practices and locations that the key sees.

    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    rows = run(_rows(entry, Key.for_entry(entry)))
    if not rows:
        screen.say("This key sees no practice.")
        return 0
    table = Table(_COLUMNS, width=terminal_width(), colour=screen.coloured())
    screen.write(table.lines(rows))
    screen.say_left_out(table.left_out)
    return 0


async def _rows(entry: Entry, key: Key) -> list[list[str]]:
    from attrs import asdict

    async with opened(entry, key) as door:
        seen = [asdict(location) async for location in door.nex.locations.walk()]
    return [[column.text(location) for column in _COLUMNS] for location in seen]
