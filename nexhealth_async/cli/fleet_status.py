"""``nexhealth fleet status``: progress and failures of a pull."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import PARTIAL, CliError, run
from nexhealth_async.cli.fleet_options import DEFAULT_LOCATION, REDIS_VARIABLE, FleetLocation
from nexhealth_async.cli.table_columns import TableColumn
from nexhealth_async.cli.tables import TextTable, terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexhealth_async.fleet import FleetStatus, ShardStatus

__all__ = ["status"]

_LISTED: Final = 50
"""Maximum number of failed shards, and of lists with rejected records, in the report."""


def status(
    pull: Annotated[
        str | None, Parameter(help="Name that `nexhealth fleet pull` printed (the last pull).")
    ] = None,
    /,
    *,
    place: FleetLocation = DEFAULT_LOCATION,
    allow_rejected: Annotated[
        Literal["known", "all"] | None,
        Parameter(
            help="Once the pull is done, rejected records cause exit status 3; known: except "
            "those that earlier pulls rejected; all: never."
        ),
    ] = None,
) -> int:
    """Show the progress of a pull.

    It needs no key, and Redis only to find dead shards, which the queue no longer
    retries. The exit status is 3 if there are dead shards, or if the pull is done
    and records were rejected.
    """
    from nexhealth_async.bulk.target_support import unallowed_counts
    from nexhealth_async.fleet import fleet_status

    queue = place.task_queue_or_none()
    fleet = run(fleet_status(pull, to=place.target(), redis=queue))
    if fleet is None:
        subject = "no pull of that name" if pull else "no pull"
        raise CliError(f"There is {subject} in this database, which keeps only the last one.")
    _print_status(fleet, with_queue=queue is not None)
    is_partial = fleet.finished and unallowed_counts(fleet.rejected, allow_rejected)
    return PARTIAL if fleet.dead or is_partial else 0


_COUNTED: Final = ("shards", "done", "dead", "failed", "reading", "waiting", "records", "rejected")
"""Titles of the counts; on a narrow terminal the last ones are left out first."""


def _print_status(fleet: FleetStatus, *, with_queue: bool) -> None:
    """Print the table of resources, the state of the pull and its failures."""
    counted = [title for title in _COUNTED if with_queue or title != "dead"]
    by_resource: dict[str, list[ShardStatus]] = defaultdict(list)
    for shard in fleet.shards:
        by_resource[shard.shard.resource].append(shard)
    rejected = Counter[str]()
    for group, count in fleet.rejected.items():
        rejected[group.partition("/")[0]] += count.total
    rows = [
        _status_row(resource, shards, counted, rejected[resource])
        for resource, shards in by_resource.items()
    ]
    if len(rows) > 1:
        rows.append(_status_row("all", fleet.shards, counted, rejected.total()))
    columns = (
        TableColumn("resource", (), max_width=40, min_width=12),
        *(TableColumn(title, (), max_width=12, min_width=6, align_right=True) for title in counted),
    )
    table = TextTable(columns, width=terminal_width(), colour=terminal.is_coloured())
    terminal.write(table.lines(rows))
    started = fleet.started.astimezone().isoformat(sep=" ", timespec="seconds")
    state = (
        "done" if fleet.finished else "ended with dead shards" if fleet.is_over else "in progress"
    )
    lines = [f"pull {fleet.pull}, started {started}: {state}", *_failure_lines(fleet)]
    terminal.print_message("".join(f"{line}\n" for line in lines))
    terminal.print_hidden_columns(table.hidden_columns)
    if not with_queue and not fleet.finished:
        terminal.print_line(
            f"(without --redis or {REDIS_VARIABLE}, dead shards are counted as failed or waiting)"
        )


def _status_row(
    name: str, shards: Iterable[ShardStatus], counted: Iterable[str], rejected: int
) -> list[str]:
    every = list(shards)
    numbers = Counter[str](shard.stage for shard in every)
    numbers.update(
        shards=len(every),
        records=sum(shard.records for shard in every),
        rejected=rejected,
    )
    return [name, *(f"{numbers[title]:,}" for title in counted)]


def _failure_lines(fleet: FleetStatus) -> list[str]:
    failures = [*fleet.dead, *fleet.of("failed")]
    lines = [
        f"  {shard.stage}: {terminal.escape_controls(shard.shard.name)}, {shard.tries} tries: "
        f"{terminal.escape_controls(shard.error or 'no reason recorded')}"
        for shard in failures[:_LISTED]
    ]
    if len(failures) > _LISTED:
        lines.append(f"  and {len(failures) - _LISTED:,} more")
    lines += [
        f"  rejected: {terminal.escape_controls(name)}, "
        f"{terminal.count_text(count.total, 'record')} "
        f"({count.new:,} new in this pull), see the table _rejected"
        for name, count in [*fleet.rejected.items()][:_LISTED]
    ]
    if fleet.dead:
        lines.append("Run `nexhealth fleet pull --resume` to queue dead shards again.")
    return lines
