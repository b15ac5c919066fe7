"""``nexhealth pull``: all records of one kind, to JSON lines or a table."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import msgspec
from attrs import define, evolve, frozen
from cyclopts import Group, Parameter

from nexhealth_async.cli import screen
from nexhealth_async.cli.access import ANYWHERE, Entry, Key, opened, scoped
from nexhealth_async.cli.columns import KINDS, Kind, Resource
from nexhealth_async.cli.life import Quit, run
from nexhealth_async.cli.pen import pen_for
from nexhealth_async.cli.progress import Bar, bar
from nexhealth_async.cli.tables import Table, terminal_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async import NexHealth
    from nexhealth_async.cli.pen import Pen
    from nexhealth_async.endpoints import Endpoint, Row
    from nexhealth_async.walk import Page, Walk

__all__ = ["Output", "Scope", "Which", "pull"]

_WHICH = Group("Which records", sort_key=2)
_HOW = Group("How to read", sort_key=3)
_OUTPUT = Group("Output", sort_key=4)


@Parameter(name="*")
@frozen(kw_only=True)
class Scope:
    """The practice and the location."""

    subdomain: Annotated[
        str | None,
        Parameter(group=_WHICH, help="The practice; not needed if the key sees just one."),
    ] = None
    location: Annotated[
        int | None,
        Parameter(group=_WHICH, help="Id of the location; not needed if there is just one."),
    ] = None


@Parameter(name="*")
@frozen(kw_only=True)
class Which:
    """Which records, and how to read them."""

    since: Annotated[
        str | None,
        Parameter(
            group=_WHICH,
            help="Only records updated since this day or moment, such as 2026-06-01 or "
            "2026-06-01T08:00-04:00. A day begins at midnight UTC.",
        ),
    ] = None
    start: Annotated[
        str | None, Parameter(group=_WHICH, help="Appointments only: the earliest start.")
    ] = None
    end: Annotated[
        str | None, Parameter(group=_WHICH, help="Appointments only: the latest start.")
    ] = None
    limit: Annotated[int | None, Parameter(group=_WHICH, help="Stop after so many records.")] = None
    per_page: Annotated[
        int | None, Parameter(group=_HOW, help="Records in a page (as many as the API allows).")
    ] = None
    prefetch: Annotated[
        int, Parameter(group=_HOW, help="Pages asked for ahead; 0 asks only when needed.")
    ] = 1
    drift: Annotated[
        Literal["watch", "verify", "ignore"],
        Parameter(
            group=_HOW,
            help="What to do about changes during the pull: check again if one shows (watch), "
            "check always (verify: reads twice), or nothing.",
        ),
    ] = "watch"


@Parameter(name="*")
@frozen(kw_only=True)
class Output:
    """Where the records go."""

    output: Annotated[
        Path | None,
        Parameter(
            name=("--output", "-o"),
            group=_OUTPUT,
            help="File to write (stdout). It appears when it is complete, readable by you alone.",
        ),
    ] = None
    format: Annotated[
        Literal["jsonl", "table"] | None,
        Parameter(
            group=_OUTPUT,
            help="JSON lines with every field, or a table of the main ones. On a terminal it is "
            "the table, else JSON lines.",
        ),
    ] = None
    quiet: Annotated[
        bool,
        Parameter(
            name=("--quiet", "-q"),
            group=_OUTPUT,
            negative="",
            show_default=False,
            help="Neither progress bar nor closing line.",
        ),
    ] = False


_ALL = Which()
_NOWHERE_SPECIAL = Scope()
_AS_FITS = Output()


def pull(
    resource: Annotated[Resource, Parameter(help="What to pull.")],
    /,
    *,
    entry: Entry = ANYWHERE,
    scope: Scope = _NOWHERE_SPECIAL,
    which: Which = _ALL,
    output: Output = _AS_FITS,
) -> int:
    """Pull all records of one kind, as JSON lines or a table.

    Data go to stdout or a file; progress and a closing line go to stderr.
    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    work = _Pull(
        resource=resource,
        kind=KINDS[resource],
        row=_row(resource, entry.api_version),
        entry=entry,
        scope=scope,
        which=which,
        output=_settled(output),
    )
    filters = work.filters()
    key = Key.for_entry(entry)
    started = time.monotonic()
    with pen_for(work.output.output) as pen:
        run(work.pull(key, filters, pen))
    if not output.quiet:
        screen.say(work.summary(time.monotonic() - started))
    return 0


@define(kw_only=True)
class _Pull:
    """One pull: what was asked for, and how much of it has come."""

    resource: Resource
    kind: Kind
    row: Row
    entry: Entry
    scope: Scope
    which: Which
    output: Output
    done: int = 0
    warned: int = 0

    def filters(self) -> dict[str, object]:
        """Return the filters and walk options, or raise `Quit` for those this kind has not."""
        which, names = self.which, self.row.filters
        for option, least in (("limit", 0), ("per_page", 1), ("prefetch", 0)):
            number = cast("int | None", getattr(which, option))
            if number is not None and number < least:
                raise Quit(f"--{option.replace('_', '-')} must be at least {least}.")
        given: dict[str, object] = {"limit": which.limit}
        if self.row.max_per_page is not None:
            given |= {
                "per_page": which.per_page,
                "prefetch": which.prefetch,
                "drift": which.drift,
            }
        elif which.per_page is not None:
            raise Quit(f"{self.kind.many} come whole, not in pages: leave out --per-page.")
        for option, name in (("since", "updated_since"), ("start", "start"), ("end", "end")):
            text = cast("str | None", getattr(which, option))
            if text is None:
                if name in self.row.required:
                    raise Quit(f"{self.kind.many} need --start and --end.")
            elif name in names:
                given[name] = _moment(option, text)
            else:
                raise Quit(f"{self.kind.many} cannot be narrowed by --{option}: leave it out.")
        return {name: value for name, value in given.items() if value is not None}

    async def pull(self, key: Key, filters: dict[str, object], pen: Pen) -> None:
        """Read page after page and write each one out."""
        # The bar must not be drawn into rows: it steps aside if both go to terminals.
        shared = self.output.output is None and screen.output_is_terminal()
        table = self._table() if self.output.format == "table" else None
        async with (
            opened(self.entry, key) as door,
            bar(self.kind.many, wanted=not self.output.quiet) as progress,
        ):
            nex = await scoped(
                door, self.row, subdomain=self.scope.subdomain, location_id=self.scope.location
            )
            async for page in _walk(nex, self.resource, filters).raw_json().pages():
                data = (
                    _json_lines(page.items)
                    if table is None
                    else _rows(table, self.kind, page.items)
                )
                await _write(pen, data, progress if shared else None)
                self._note(page, progress)

    def _table(self) -> Table:
        colour = self.output.output is None and screen.coloured()
        return Table(self.kind.columns, width=terminal_width(), colour=colour)

    def _note(self, page: Page[bytes], progress: Bar) -> None:
        self.done += len(page.items)
        self.warned += bool(page.warnings)
        total, limit = page.count, self.which.limit
        if total is not None and limit is not None:
            total = min(total, limit)
        progress.show(self.done, total)

    def summary(self, seconds: float) -> str:
        """Say what was pulled, how fast, and where to."""
        text = f"{self.kind.counted(self.done)} in {seconds:.1f} s"
        if self.done:
            text += f" ({self.done / max(seconds, 0.001):.0f}/s)"
        if self.output.output is not None:
            text += f", written to {self.output.output}"
        if self.warned:
            text += f"\nnote: the server sent warnings with {self.warned} of the pages"
        return text


async def _write(pen: Pen, data: bytes, progress: Bar | None) -> None:
    if progress is None:
        await pen.write(data)
        return
    with progress.away():
        await pen.write(data)


def _walk(nex: NexHealth, resource: Resource, filters: dict[str, object]) -> Walk[object]:
    return nex.walk(_endpoint(resource), filters)


def _endpoint(resource: Resource) -> Endpoint[object]:
    from nexhealth_async import endpoints

    return next(one for one in endpoints.ALL if one.resource == resource and one.verb == "walk")


def _row(resource: Resource, version: str) -> Row:
    from nexhealth_async.core.request import version_name
    from nexhealth_async.errors import NotInThisVersion

    version_name(version)
    endpoint = _endpoint(resource)
    row = endpoint.v2 if version.startswith("v2") else endpoint.v3
    if row is None:
        other = "v2" if endpoint.v2 else "v3"
        raise NotInThisVersion(
            f"{resource} cannot be pulled from API version {version}; use --api-version {other}"
        )
    return row


def _settled(output: Output) -> Output:
    if output.output is not None and str(output.output) == "-":
        output = evolve(output, output=None)
    if output.format is None:
        fits = output.output is None and screen.output_is_terminal()
        output = evolve(output, format="table" if fits else "jsonl")
    return output


def _moment(option: str, text: str) -> datetime:
    try:
        if "T" not in text.upper() and " " not in text.strip():
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Quit(
            f"--{option} takes a day or a moment, such as 2026-06-01 or 2026-06-01T08:00-04:00."
        ) from None
    if moment.tzinfo is None:
        raise Quit(f"--{option} needs a zone beside the time of day: add Z or an offset as -04:00.")
    return moment


def _json_lines(records: Sequence[bytes]) -> bytes:
    # A server that breaks lines inside a record may do so between tokens only.
    return b"".join(
        (record if b"\n" not in record and b"\r" not in record else _on_one_line(record)) + b"\n"
        for record in records
    )


def _on_one_line(record: bytes) -> bytes:
    return record.replace(b"\r", b" ").replace(b"\n", b" ")


def _rows(table: Table, kind: Kind, records: Sequence[bytes]) -> bytes:
    rows = [[column.text(record) for column in kind.columns] for record in map(_fields, records)]
    return table.lines(rows).encode(errors="replace")


def _fields(record: bytes) -> dict[str, object]:
    try:
        value: object = msgspec.json.decode(record)
    except (ValueError, RecursionError):
        value = None
    return cast("dict[str, object]", value) if isinstance(value, dict) else {"id": "(unreadable)"}
