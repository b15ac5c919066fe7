"""``nexhealth fleet``: a pull spread over processes, by a queue in Redis."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen
from cyclopts import App, Group, Parameter

from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async.cli import terminal
from nexhealth_async.cli.completion_names import completions
from nexhealth_async.cli.exit_status import Quit, run
from nexhealth_async.cli.open_session import ANYWHERE, Entry, Key, Opened, opened
from nexhealth_async.cli.pull_bulk import (
    PARTIAL,
    Order,
    asked_for,
    decided,
    follows_target,
    practices_of,
)
from nexhealth_async.cli.pull_options import InBulk, Output, Scope, Which
from nexhealth_async.cli.table_columns import Column
from nexhealth_async.cli.tables import Table, terminal_width
from nexhealth_async.cli.target_option import destination, holds_password
from nexhealth_async.errors import NexHealthError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager

    from nexhealth_async.bulk import Event, Target
    from nexhealth_async.fleet import FleetStatus, Queue, Reading, ShardStanding

__all__ = ["fleet"]

VARIABLE: Final = "NEXHEALTH_REDIS"
_LISTED: Final = 50
_WHERE = Group("Where to", sort_key=0)

fleet: App = App(
    name="fleet",
    help="Spread a pull over processes: one begins it, many work, anyone asks after it.",
    help_format="plaintext",
)


@Parameter(name="*")
@frozen(kw_only=True)
class Place:
    """The database and the queue that the processes of a fleet share."""

    to: Annotated[
        str | None,
        Parameter(
            group=_WHERE,
            help="The PostgreSQL database (postgresql://user@host/database). NEXHEALTH_PULL_TO "
            "may say it instead, and PGPASSWORD the password.",
        ),
    ] = None
    schema: Annotated[
        str | None, Parameter(group=_WHERE, help="Schema of the database (public).")
    ] = None
    redis: Annotated[
        str | None,
        Parameter(
            group=_WHERE,
            help="The Redis of the queue (redis://host:6379/0). NEXHEALTH_REDIS may say it "
            "instead, and has to if there is a password in it.",
        ),
    ] = None
    queue: Annotated[
        str, Parameter(group=_WHERE, help="Name of the queue (nexhealth), to keep several apart.")
    ] = "nexhealth"

    def target(self) -> Target:
        """Return the database; raises `Quit` for what processes cannot share."""
        where = destination(self.to, kind=None, compress=None, schema=self.schema)
        if not where.label.startswith("PostgreSQL"):
            raise Quit(
                "A fleet is many processes, and files belong to one (DuckDB's too): use --to "
                "postgresql://user@host/database, or `nexhealth pull` in one process."
            )
        return where.target

    def line(self) -> Queue:
        """Return the queue; raises `Quit` if it is not told which."""
        queue = self.line_if_told()
        if queue is None:
            raise Quit(f"Say where the queue is: --redis redis://host:6379/0, or set {VARIABLE}.")
        return queue

    def line_if_told(self) -> Queue | None:
        """Return the queue; None if it is not told which."""
        from nexhealth_async.fleet import Queue

        url = self.redis or os.environ.get(VARIABLE, "").strip()
        if not url:
            return None
        queue = Queue(url=url, name=self.queue)
        if self.redis is not None and ("@" in urlsplit(url).netloc or holds_password(url)):
            raise Quit(
                "A password does not belong on the command line, where others can read it: put "
                f"the address in {VARIABLE}."
            )
        return queue


_HERE = Place()
_NOWHERE_SPECIAL = Scope()


@frozen(kw_only=True)
class _Begin:
    """What to pull, and how."""

    order: Order = field(repr=False)
    place: Place
    reading: Reading
    replace: bool
    adopt: bool
    recopy: bool

    async def run(self, key: Key) -> str:
        """Plan it and queue it; returns the pull's id."""
        from nexhealth_async.fleet import fleet_pull

        order, wanted = self.order, asked_for(self.order)
        async with _member(order.entry, key, self.place.line()) as door:
            if not follows_target(order):
                await decided(door.nex, wanted.resources or ())
            return await fleet_pull(
                door.nex,
                wanted.resources,
                to=self.place.target(),
                redis=self.place.line(),
                practices=await practices_of(door.nex, order.scope),
                since=wanted.since,
                compare=wanted.compare,
                appointments_from=wanted.first,
                appointments_until=wanted.last,
                reading=self.reading,
                replace=self.replace,
                adopt=self.adopt,
                recopy=self.recopy,
            )


@fleet.command
def pull(
    *resources: Annotated[
        str,
        Parameter(
            help="Lists to pull, such as patients.", choices=completions(), show_choices=False
        ),
    ],
    entry: Entry = ANYWHERE,
    place: Place = _HERE,
    scope: Scope = _NOWHERE_SPECIAL,
    all: Annotated[  # noqa: A002 - the option's name
        bool, Parameter(negative="", show_default=False, help="All lists that the key may read.")
    ] = False,
    since: Annotated[
        str | None,
        Parameter(help="Only what changed since this day or moment; last: since the last pull."),
    ] = None,
    start: Annotated[str | None, Parameter(help="Appointments only: the earliest start.")] = None,
    end: Annotated[str | None, Parameter(help="Appointments only: the latest start.")] = None,
    compare: Annotated[
        str | None,
        Parameter(help="With --since last: a number of days (7), always or never."),
    ] = None,
    drift: Annotated[
        Literal["watch", "verify", "ignore"],
        Parameter(help="How lists with page numbers are shown to be complete."),
    ] = "verify",
    per_page: Annotated[int | None, Parameter(help="Records in a page.")] = None,
    concurrency: Annotated[int, Parameter(help="Requests under way for one part of a list.")] = 8,
    resume: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Queue again what is left of the last pull, such as what was given up.",
        ),
    ] = False,
    replace: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Give up the last pull where it is unfinished; without this, it is kept.",
        ),
    ] = False,
    adopt: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Take what an earlier release copied, and kept no origin of, for records of this "
            "account.",
        ),
    ] = False,
    recopy: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Delete all records and copy everything anew, in another version of the API too.",
        ),
    ] = False,
) -> int:
    """Plan a pull, keep the plan in the database, and queue its parts for the workers.

    The pull's name goes to stdout. Workers are started by `nexhealth fleet work`.
    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    from nexhealth_async.fleet import Reading, queue_again

    if entry.sandbox:
        raise Quit("A sandbox ends with this command: a fleet needs a server that stays.")
    reading = Reading(drift=drift, per_page=per_page, concurrency=concurrency)
    if resume:
        if resources or all or since or replace or adopt or recopy:
            raise Quit("--resume goes on with what was asked for before: leave out the rest.")
        # Options that nobody gave change nothing.
        anew = None if reading == Reading() else reading
        found = run(queue_again(to=place.target(), redis=place.line(), reading=anew))
        terminal.say("Nothing is left to do." if found is None else "Queued again what was left.")
    else:
        order = Order(
            resources=resources,
            entry=entry,
            scope=scope,
            which=Which(since=since, start=start, end=end, per_page=per_page, drift=drift),
            output=Output(),
            in_bulk=InBulk(
                to=place.to, all=all, compare=compare, concurrency=concurrency, recopy=recopy
            ),
        )
        for check in (place.target, place.line, lambda: asked_for(order)):
            check()  # what is wrong is told before a key is asked for
        begin = _Begin(
            order=order,
            place=place,
            reading=reading,
            replace=replace,
            adopt=adopt,
            recopy=recopy,
        )
        found = run(begin.run(Key.for_entry(entry)))
        terminal.say(
            "Queued; `nexhealth fleet work` reads it, `nexhealth fleet status` tells of it."
        )
    if found is not None:
        terminal.write(f"{found}\n")
    return 0


@fleet.command
def work(
    *,
    entry: Entry = ANYWHERE,
    place: Place = _HERE,
    shards: Annotated[int, Parameter(help="Parts of pulls to read at a time.")] = 4,
    grace: Annotated[
        float, Parameter(help="Seconds for what is under way once Ctrl-C or SIGTERM comes.")
    ] = 20.0,
    takeover: Annotated[
        float,
        Parameter(help="Seconds without a sign of life after which others take over; all alike."),
    ] = 30.0,
    tries: Annotated[int, Parameter(help="How often a part is begun at the most.")] = 20,
    until_empty: Annotated[
        bool, Parameter(negative="", show_default=False, help="End when nothing is queued.")
    ] = False,
) -> int:
    """Read what is queued, into the database, until Ctrl-C or SIGTERM.

    Run as many as you like. What is under way at the end is finished, or handed
    back to be gone on with elsewhere, and the exit status is 0. A second Ctrl-C
    or SIGTERM ends it at once. Nothing is lost either way. At its end it says on
    stderr what it has done.
    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    if entry.sandbox:
        raise Quit("A sandbox ends with this command: a fleet needs a server that stays.")
    target = place.target()
    queue = evolve(place.line(), concurrency=shards, grace=grace, takeover=takeover, tries=tries)
    tally = _Tally()
    key, left = Key.for_entry(entry), None
    try:
        left = run(_work(entry, key, target, queue, tally, until_empty=until_empty))
    except NexHealthError:
        if tally != _Tally():
            terminal.say(tally.text(left))
        raise
    terminal.say(tally.text(left))
    return 0


def _member(entry: Entry, key: Key, queue: Queue) -> AbstractAsyncContextManager[Opened]:
    """Open a session that shares token and rate limits with the others of the fleet."""
    from nexhealth_async.stores import RedisRates, RedisTokens

    return opened(
        entry,
        key,
        tokens=RedisTokens(queue.url),
        rates=RedisRates(queue.url),
        version=entry.said_version or AUTO,
    )


@define
class _Tally:
    """What one worker has done."""

    parts: int = 0
    records: int = 0
    failures: int = 0

    def note(self, event: Event) -> None:
        """Count what was read to its end, and what failed."""
        from nexhealth_async.bulk import ShardDone, ShardFailed

        if isinstance(event, ShardDone):
            self.parts += 1
            self.records += event.records
        elif isinstance(event, ShardFailed):
            self.failures += 1

    def text(self, left: int | None) -> str:
        """Sum it up; ``left`` is how much is still queued, None if nobody asked."""
        done = f"{terminal.counted(self.parts, 'part')}, {terminal.counted(self.records, 'record')}"
        if self.failures:
            failures = terminal.counted(self.failures, "failure")
            done += f", {failures} (`nexhealth fleet status` tells why)"
        match left:
            case None:
                return f"{done}; stopped"
            case 0:
                return f"{done}; the queue is empty"
            case _:
                return f"{done}; still queued or under way elsewhere: {left:,}"


async def _work(
    entry: Entry, key: Key, target: Target, queue: Queue, tally: _Tally, *, until_empty: bool
) -> int | None:
    """Work; returns how much is left in the queue if that is why it ends."""
    from nexhealth_async.fleet import fleet_work

    async with _member(entry, key, queue) as door:
        await fleet_work(
            door.nex, to=target, redis=queue, on_event=tally.note, until_empty=until_empty
        )
    if not until_empty:
        return None
    with suppress(TargetError):  # the work is done, and was told
        async with queue.connected() as line:
            return await line.size()
    return None


@fleet.command
def status(
    pull: Annotated[
        str | None, Parameter(help="Which pull: what `nexhealth fleet pull` printed (the last).")
    ] = None,
    /,
    *,
    place: Place = _HERE,
    allow_rejected: Annotated[
        Literal["known", "all"] | None,
        Parameter(
            help="Once the pull is done, records that could not be read make the exit status 3; "
            "known: not those that earlier pulls rejected; all: none."
        ),
    ] = None,
) -> int:
    """Tell how far a pull has come: the last one, or the one named.

    It needs no key, and Redis only to tell what the queue has given up. The exit
    status is 3 if parts were given up, or if the pull is done and records could
    not be read.
    """
    from nexhealth_async.bulk.target_support import not_allowed
    from nexhealth_async.fleet import fleet_status

    queue = place.line_if_told()
    found = run(fleet_status(pull, to=place.target(), redis=queue))
    if found is None:
        named = "no pull of that name" if pull else "no pull"
        raise Quit(f"There is {named} in this database; only the last one is remembered.")
    _tell(found, with_queue=queue is not None)
    lacks = found.finished and not_allowed(found.rejected, allow_rejected)
    return PARTIAL if found.dead or lacks else 0


_COUNTED: Final = ("shards", "done", "dead", "failed", "reading", "waiting", "records", "rejected")
"""The ones at the right are left out first."""


def _tell(found: FleetStatus, *, with_queue: bool) -> None:
    """Write the table, how the pull stands, and what is wrong with it."""
    counted = [title for title in _COUNTED if with_queue or title != "dead"]
    by_resource: dict[str, list[ShardStanding]] = defaultdict(list)
    for one in found.shards:
        by_resource[one.shard.resource].append(one)
    rejected = Counter[str]()
    for group, count in found.rejected.items():
        rejected[group.partition("/")[0]] += count.total
    rows = [
        _row(resource, ones, counted, rejected[resource]) for resource, ones in by_resource.items()
    ]
    if len(rows) > 1:
        rows.append(_row("all", found.shards, counted, rejected.total()))
    columns = (
        Column("resource", (), widest=40, least=12),
        *(Column(title, (), widest=12, least=6, right=True) for title in counted),
    )
    table = Table(columns, width=terminal_width(), colour=terminal.coloured())
    terminal.write(table.lines(rows))
    begun = found.started.astimezone().isoformat(sep=" ", timespec="seconds")
    what = "done" if found.finished else "over, with parts given up" if found.over else "under way"
    lines = [f"pull {found.pull}, begun {begun}: {what}", *_troubles(found)]
    terminal.tell("".join(f"{line}\n" for line in lines))
    terminal.say_left_out(table.left_out)
    if not with_queue and not found.finished:
        terminal.say(
            f"(without --redis or {VARIABLE} it is not known what the queue has given up: that "
            "counts as failed or waiting)"
        )


def _row(
    name: str, shards: Iterable[ShardStanding], counted: Iterable[str], rejected: int
) -> list[str]:
    every = list(shards)
    numbers = Counter[str](one.stage for one in every)
    numbers.update(
        shards=len(every),
        records=sum(one.records for one in every),
        rejected=rejected,
    )
    return [name, *(f"{numbers[title]:,}" for title in counted)]


def _troubles(found: FleetStatus) -> list[str]:
    named = [*found.dead, *found.of("failed")]
    lines = [
        f"  {one.stage}: {terminal.clean(one.shard.name)}, {one.tries} tries: "
        f"{terminal.clean(one.error or 'no reason was kept')}"
        for one in named[:_LISTED]
    ]
    if len(named) > _LISTED:
        lines.append(f"  and {len(named) - _LISTED:,} more")
    lines += [
        f"  rejected: {terminal.clean(name)}, {terminal.counted(count.total, 'record')} "
        f"({count.new:,} by this pull first), see the table _rejected"
        for name, count in [*found.rejected.items()][:_LISTED]
    ]
    if found.dead:
        lines.append("`nexhealth fleet pull --resume` queues what was given up once more.")
    return lines
