"""``nexhealth fleet pull``: plan a pull and queue its shards for the workers."""

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
    """A pull to plan, and the options with which workers read it."""

    command: PullCommand = field(repr=False)
    place: FleetLocation
    reading: ReadOptions
    replace: bool

    async def run(self, key: CliApiKey) -> str:
        """Plan the pull, queue its shards and return the pull's id."""
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
        Parameter(help="Only records updated since this date or time; last: since the last pull."),
    ] = None,
    start: Annotated[str | None, Parameter(help="Appointments only: earliest start.")] = None,
    end: Annotated[str | None, Parameter(help="Appointments only: latest start.")] = None,
    compare: Annotated[
        str | None,
        Parameter(
            help="With --since last: read a list whole after this many days (7), always or never, "
            "to find deleted records."
        ),
    ] = None,
    drift: Annotated[
        Literal["watch", "verify", "ignore"],
        Parameter(
            help="Changes during a pull of numbered pages: check again if one shows (watch), "
            "always check (verify), or ignore them."
        ),
    ] = "verify",
    per_page: Annotated[int | None, Parameter(help="Records per page.")] = None,
    concurrency: Annotated[int, Parameter(help="Requests in flight per shard.")] = 8,
    resume: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Queue the unfinished and dead shards of the last pull again.",
        ),
    ] = False,
    replace: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Discard the last pull if it is unfinished. Without this option, the command "
            "fails.",
        ),
    ] = False,
    adopt: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Treat records that an earlier release copied without their origin as records "
            "of this account.",
        ),
    ] = False,
    recopy: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Delete all records and copy everything again, also in another API version.",
        ),
    ] = False,
) -> int:
    """Plan a pull, store the plan in the database and queue its shards.

    The pull's name goes to stdout. Start workers with `nexhealth fleet work`.
    The key is read from NEXHEALTH_API_KEY, or prompted for.
    """
    from nexhealth_async.fleet import ReadOptions, requeue

    refuse_sandbox(entry)
    reading = ReadOptions(drift=drift, per_page=per_page, concurrency=concurrency)
    if resume:
        if resources or all or since or replace or adopt or recopy:
            raise CliError(
                "--resume continues the last pull: leave out the lists and --since, "
                "--all, --replace, --adopt and --recopy."
            )
        # Default options keep the options of the pull.
        changed = None if reading == ReadOptions() else reading
        name = run(requeue(to=place.target(), redis=place.task_queue(), reading=changed))
        terminal.print_line(
            "There is nothing to resume." if name is None else "Queued the remaining shards again."
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
            check()  # usage errors come before the prompt for the key
        work = _FleetPullCommand(command=command, place=place, reading=reading, replace=replace)
        name = run(work.run(CliApiKey.for_entry(entry)))
        terminal.print_line(
            "Queued; run `nexhealth fleet work` to read it, `nexhealth fleet status` to follow it."
        )
    if name is not None:
        terminal.write(f"{name}\n")
    return 0
