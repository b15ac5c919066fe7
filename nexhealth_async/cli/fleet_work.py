"""``nexhealth fleet work``: a worker, which reads queued shards into the database."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from attrs import evolve
from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import run
from nexhealth_async.cli.fleet_options import DEFAULT_LOCATION, FleetLocation, refuse_sandbox
from nexhealth_async.cli.open_session import (
    ANY_LOCATION,
    CliApiKey,
    ConnectionOptions,
    open_session,
)
from nexhealth_async.cli.progress import BulkProgress
from nexhealth_async.errors import NexHealthError, TargetError

if TYPE_CHECKING:
    from nexhealth_async.bulk import Target
    from nexhealth_async.fleet import FleetQueue

__all__ = ["work"]


def work(
    *,
    entry: ConnectionOptions = ANY_LOCATION,
    place: FleetLocation = DEFAULT_LOCATION,
    shards: Annotated[int, Parameter(help="Shards to read at the same time.")] = 4,
    grace: Annotated[
        float, Parameter(help="Seconds to finish shards in progress after Ctrl-C or SIGTERM.")
    ] = 20.0,
    takeover: Annotated[
        float,
        Parameter(
            help="Seconds without a heartbeat after which other workers take over a shard; use "
            "the same value for all workers."
        ),
    ] = 30.0,
    tries: Annotated[int, Parameter(help="Maximum number of attempts per shard.")] = 20,
    until_empty: Annotated[
        bool, Parameter(negative="", show_default=False, help="Exit when the queue is empty.")
    ] = False,
) -> int:
    """Read queued shards into the database until Ctrl-C or SIGTERM.

    Run as many workers as you like. After the first Ctrl-C or SIGTERM, a worker
    finishes its shards or returns them to the queue, prints a summary to stderr
    and exits with status 0. A second one ends it at once. No records are lost.
    The key is read from NEXHEALTH_API_KEY, or prompted for.
    """
    refuse_sandbox(entry)
    target = place.target()
    queue = evolve(
        place.task_queue(), concurrency=shards, grace=grace, takeover=takeover, max_attempts=tries
    )
    progress = BulkProgress()
    key, queued = CliApiKey.for_entry(entry), None
    try:
        queued = run(_work(entry, key, target, queue, progress, until_empty=until_empty))
    except NexHealthError:
        if progress.shards_done or progress.failures:
            terminal.print_line(_summary(progress, queued))
        raise
    terminal.print_line(_summary(progress, queued))
    return 0


async def _work(
    entry: ConnectionOptions,
    key: CliApiKey,
    target: Target,
    queue: FleetQueue,
    progress: BulkProgress,
    *,
    until_empty: bool,
) -> int | None:
    """Run the worker; return the size of the queue with ``until_empty``, else None."""
    from nexhealth_async.fleet import fleet_work
    from nexhealth_async.stores import RedisRates, RedisTokens

    tokens, rates = RedisTokens(queue.url), RedisRates(queue.url)
    async with open_session(entry, key, tokens=tokens, rates=rates) as session:
        await fleet_work(
            session.nex,
            to=target,
            redis=queue,
            on_event=progress.record_event,
            until_empty=until_empty,
        )
    if not until_empty:
        return None
    with suppress(TargetError):  # the work is done; only its summary lacks a number
        async with queue.connected() as connection:
            return await connection.size()
    return None


def _summary(progress: BulkProgress, queued: int | None) -> str:
    """Summarize a worker; ``queued`` is the size of the queue, None if it is unknown."""
    shards = terminal.count_text(progress.shards_done, "shard")
    done = f"{shards}, {terminal.count_text(progress.records, 'record')}"
    if progress.failures:
        failures = terminal.count_text(progress.failures, "failure")
        done += f", {failures} (see `nexhealth fleet status`)"
    match queued:
        case None:
            return f"{done}; stopped"
        case 0:
            return f"{done}; the queue is empty"
        case _:
            return f"{done}; queued or in progress elsewhere: {queued:,}"
