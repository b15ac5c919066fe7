"""``nexhealth pull``: all records of one kind, to JSON lines or a table; or many in bulk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import msgspec
from attrs import define, evolve
from cyclopts import Parameter

from nexhealth_async._protocol.api_versions import V2, V3
from nexhealth_async.cli import terminal
from nexhealth_async.cli.completion_names import completions
from nexhealth_async.cli.exit_status import Ended, Quit, run
from nexhealth_async.cli.open_session import ANYWHERE, Entry, Key, check_place, opened, scoped
from nexhealth_async.cli.output import pen_for
from nexhealth_async.cli.progress_bar import Bar, bar
from nexhealth_async.cli.pull_bulk import Order, check_names, decided, is_bulk, pull_in_bulk
from nexhealth_async.cli.pull_options import InBulk, Output, Scope, Which, moment, since, window
from nexhealth_async.cli.table_columns import KINDS, Kind
from nexhealth_async.cli.tables import Table, terminal_width
from nexhealth_async.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async import NexHealth
    from nexhealth_async._protocol.operations import Endpoint, Row
    from nexhealth_async.cli.output import Pen
    from nexhealth_async.pagination.walk import Page, Walk

__all__ = ["pull"]

T = TypeVar("T")

_ALL = Which()
_NOWHERE_SPECIAL = Scope()
_AS_FITS = Output()
_NOTHING_MORE = InBulk()


def pull(
    *resources: Annotated[
        str,
        Parameter(
            help="Lists to pull, such as patients or appointments; --dry-run --all shows all.",
            choices=completions(),
            show_choices=False,
        ),
    ],
    entry: Entry = ANYWHERE,
    scope: Scope = _NOWHERE_SPECIAL,
    which: Which = _ALL,
    output: Output = _AS_FITS,
    in_bulk: InBulk = _NOTHING_MORE,
) -> int:
    """Pull one list to the terminal or a file, or many lists into a target.

    One list without --to goes to stdout or a file. Several lists, or any with --to,
    are pulled in bulk: at the same time, of all practices that the key sees, into
    a target, and so that --resume can go on. If some parts failed and all others
    are complete, the exit status is 3. Progress and closing words go to stderr.
    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    order = Order(
        resources=resources,
        entry=entry,
        scope=scope,
        which=which,
        output=output,
        in_bulk=in_bulk,
    )
    return pull_in_bulk(order) if is_bulk(order) else _pull_one(order)


def _pull_one(order: Order) -> int:
    """Pull one list to stdout or a file."""
    entry, output = order.entry, order.output
    resource = order.resources[0]
    check_names([resource], entry.pinned_version)
    kind = KINDS.get(resource) or Kind(f"record of {resource}", f"records of {resource}", ())
    work = _Pull(
        resource=resource,
        kind=kind,
        entry=entry,
        subdomain=_only("practice", order.scope.practice),
        location_id=_only("location", order.scope.location),
        which=order.which,
        output=_settled(output, kind),
    )
    work.check()
    window(order.which)
    key = Key.for_entry(entry)
    started = time.monotonic()
    try:
        with pen_for(work.output.output) as pen:
            run(work.pull(key, pen))
    except (KeyboardInterrupt, Ended):
        path = work.output.output
        if path is not None and (path.is_file() or not path.exists()):
            terminal.say(f"Stopped; {path} was not written.")
        raise
    if not output.quiet:
        terminal.say(work.summary(time.monotonic() - started))
        terminal.say_left_out(work.left_out)
    return 0


@define(kw_only=True)
class _Pull:
    """One pull: what was asked for, and how much of it has come."""

    resource: str
    kind: Kind
    entry: Entry
    subdomain: str | None
    location_id: int | None
    which: Which
    output: Output
    done: int = 0
    warned: int = 0
    left_out: tuple[str, ...] = ()
    version: str | None = None
    """The version that is spoken, once that is known."""

    def check(self) -> None:
        """Raise `Quit` for what the version cannot do, or none of those that may be spoken."""
        refused: list[Quit] = []
        pinned = self.entry.pinned_version
        for version in (V2, V3) if pinned is None else (pinned,):
            try:
                self.filters(self._row(version))
            except Quit as quit_:
                refused.append(quit_)
            else:
                return
        raise refused[0]

    def _row(self, version: str) -> Row:
        """Return what is known of the list in a version."""
        from nexhealth_async.bulk import facts

        check_names([self.resource], version)
        row = facts(self.resource, version).row
        if "{id}" in row.path:
            raise Quit(
                f"{self.resource} are read place by place, in bulk: add --to, such as --to out/."
            )
        return row

    def filters(self, row: Row) -> dict[str, object]:
        """Return the filters and walk options, or raise `Quit` for those this kind has not."""
        which, names = self.which, row.filters
        for option, least in (("limit", 0), ("per_page", 1), ("prefetch", 0)):
            number = cast("int | None", getattr(which, option))
            if number is not None and number < least:
                raise Quit(f"--{option.replace('_', '-')} must be at least {least}.")
        given: dict[str, object] = {"limit": which.limit}
        if row.max_per_page is not None:
            given |= {
                "per_page": which.per_page,
                "prefetch": 1 if which.prefetch is None else which.prefetch,
                "drift": which.drift or "watch",
            }
        elif which.per_page is not None:
            raise Quit(f"{self.kind.many} come whole, not in pages: leave out --per-page.")
        for option, name in (("since", "updated_since"), ("start", "start"), ("end", "end")):
            text = cast("str | None", getattr(which, option))
            if text is None:
                if name in row.required:
                    raise Quit(
                        f"{self.kind.many} need --start and --end, or --to, which takes all."
                    )
            elif name in names:
                given[name] = since(text) if option == "since" else moment(option, text)
            else:
                raise Quit(f"{self.kind.many} cannot be narrowed by --{option}: leave it out.")
        if "updated_since" in row.one_of:
            from nexhealth_async.bulk.target_support import BEGINNING

            given.setdefault("updated_since", BEGINNING)
        return {name: value for name, value in given.items() if value is not None}

    async def pull(self, key: Key, pen: Pen) -> None:
        """Read page after page and write each one out."""
        # The bar must not be drawn into rows: it steps aside if both go to terminals.
        shared = self.output.output is None and terminal.output_is_terminal()
        table = self._table() if self.output.format == "table" else None
        async with (
            opened(self.entry, key) as door,
            bar(self.kind.many, wanted=not self.output.quiet) as progress,
        ):
            self.version = await decided(door.nex, [self.resource])
            row = self._row(self.version)
            filters = self.filters(row)
            nex = await scoped(
                door,
                row,
                subdomain=self.subdomain,
                location_id=self.location_id,
            )
            try:
                async for page in _walk(nex, self.resource, filters).raw_json().pages():
                    data = (
                        _json_lines(page.items)
                        if table is None
                        else _rows(table, self.kind, page.items)
                    )
                    await _write(pen, data, progress if shared else None)
                    self._note(page, progress)
                if table is not None:
                    self.left_out = table.left_out
            except (Forbidden, NotFound):
                await check_place(door.nex, subdomain=self.subdomain, location_id=self.location_id)
                raise

    def _table(self) -> Table:
        colour = self.output.output is None and terminal.coloured()
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
        text += f", API version {self.version}"
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


def _walk(nex: NexHealth, resource: str, filters: dict[str, object]) -> Walk[object]:
    return nex.walk(_endpoint(resource), filters)


def _endpoint(resource: str) -> Endpoint[object]:
    from nexhealth_async.resources import ENDPOINTS

    return next(one for one in ENDPOINTS if one.resource == resource and one.verb == "walk")


def _settled(output: Output, kind: Kind) -> Output:
    if output.output is not None and str(output.output) == "-":
        output = evolve(output, output=None)
    if output.format is None:
        fits = kind.columns and output.output is None and terminal.output_is_terminal()
        output = evolve(output, format="table" if fits else "jsonl")
    elif output.format == "table" and not kind.columns:
        raise Quit(f"{kind.many} have no table: leave out --format table, for JSON lines.")
    return output


def _only(option: str, given: tuple[T, ...]) -> T | None:
    if len(given) > 1:
        raise Quit(f"--{option} more than once is for a bulk pull: add --to.")
    return given[0] if given else None


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
