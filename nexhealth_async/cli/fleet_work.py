"""``nexhealth fleet work``: one worker, which reads what is queued into the database."""

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
    refuse_sandbox(entry)
    target = place.target()
    queue = evolve(
        place.task_queue(), concurrency=shards, grace=grace, takeover=takeover, max_attempts=tries
    )
    progress = BulkProgress()
    key, left = CliApiKey.for_entry(entry), None
    try:
        left = run(_work(entry, key, target, queue, progress, until_empty=until_empty))
    except NexHealthError:
        if progress.shards_done or progress.failures:
            terminal.print_line(_summary(progress, left))
        raise
    terminal.print_line(_summary(progress, left))
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
    """Work; returns how much is left in the queue if that is why it ends."""
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
    with suppress(TargetError):  # the work is done, and was told
        async with queue.connected() as connection:
            return await connection.size()
    return None


def _summary(progress: BulkProgress, left: int | None) -> str:
    """Summarize a worker; ``left`` is how much is still queued, None if that was not asked."""
    parts = terminal.count_text(progress.shards_done, "part")
    done = f"{parts}, {terminal.count_text(progress.records, 'record')}"
    if progress.failures:
        failures = terminal.count_text(progress.failures, "failure")
        done += f", {failures} (`nexhealth fleet status` tells why)"
    match left:
        case None:
            return f"{done}; stopped"
        case 0:
            return f"{done}; the queue is empty"
        case _:
            return f"{done}; still queued or under way elsewhere: {left:,}"
