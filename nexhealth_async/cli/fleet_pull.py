"""``nexhealth fleet pull``: plan a pull and queue its parts for the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from attrs import field, frozen
from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.completion_names import completions
from nexhealth_async.cli.exit_status import CliError, run
from nexhealth_async.cli.fleet_options import DEFAULT_LOCATION, FleetLocation, refuse_sandbox
from nexhealth_async.cli.open_session import ANY_LOCATION, CliApiKey, ConnectionOptions
from nexhealth_async.cli.pull_command import (
    PullCommand,
    open_pull,
    parse_bulk_options,
    practices_of,
)
from nexhealth_async.cli.pull_options import (
    BulkPullOptions,
    FilterOptions,
    OutputOptions,
    ScopeOptions,
)

if TYPE_CHECKING:
    from nexhealth_async.fleet import ReadOptions

__all__ = ["pull"]

_DEFAULT_SCOPE: Final = ScopeOptions()


@frozen(kw_only=True)
class _FleetPullCommand:
    """A pull to plan, and how workers are to read it."""

    command: PullCommand = field(repr=False)
    place: FleetLocation
    reading: ReadOptions
    replace: bool

    async def run(self, key: CliApiKey) -> str:
        """Plan the pull and queue its parts; returns the pull's id."""
        from nexhealth_async.fleet import fleet_pull
        from nexhealth_async.stores import RedisRates, RedisTokens

        command, options = self.command, parse_bulk_options(self.command)
        queue = self.place.task_queue()
        async with open_pull(
            command, key, tokens=RedisTokens(queue.url), rates=RedisRates(queue.url)
        ) as session:
            return await fleet_pull(
                session.nex,
                options.lists,
                to=self.place.target(),
                redis=queue,
                practices=await practices_of(session.nex, command.scope),
                since=options.since,
                compare=options.compare,
                appointments_from=options.first,
                appointments_until=options.last,
                reading=self.reading,
                replace=self.replace,
                adopt=command.bulk.adopt,
                recopy=command.bulk.recopy,
            )


def pull(
    *resources: Annotated[
        str,
        Parameter(
            help="Lists to pull, such as patients.", choices=completions(), show_choices=False
        ),
    ],
    entry: ConnectionOptions = ANY_LOCATION,
    place: FleetLocation = DEFAULT_LOCATION,
    scope: ScopeOptions = _DEFAULT_SCOPE,
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
    from nexhealth_async.fleet import ReadOptions, requeue

    refuse_sandbox(entry)
    reading = ReadOptions(drift=drift, per_page=per_page, concurrency=concurrency)
    if resume:
        if resources or all or since or replace or adopt or recopy:
            raise CliError("--resume goes on with what was asked for before: leave out the rest.")
        # Options that nobody gave change nothing.
        changed = None if reading == ReadOptions() else reading
        name = run(requeue(to=place.target(), redis=place.task_queue(), reading=changed))
        terminal.print_line(
            "Nothing is left to do." if name is None else "Queued again what was left."
        )
    else:
        command = PullCommand(
            lists=resources,
            entry=entry,
            scope=scope,
            filters=FilterOptions(
                since=since, start=start, end=end, per_page=per_page, drift=drift
            ),
            output=OutputOptions(),
            bulk=BulkPullOptions(
                to=place.to,
                all=all,
                compare=compare,
                concurrency=concurrency,
                adopt=adopt,
                recopy=recopy,
            ),
        )
        for check in (place.target, place.task_queue, lambda: parse_bulk_options(command)):
            check()  # wrong use is refused before a key is asked for
        work = _FleetPullCommand(command=command, place=place, reading=reading, replace=replace)
        name = run(work.run(CliApiKey.for_entry(entry)))
        terminal.print_line(
            "Queued; `nexhealth fleet work` reads it, `nexhealth fleet status` tells of it."
        )
    if name is not None:
        terminal.write(f"{name}\n")
    return 0
