"""``nexhealth fleet status``: how far a pull has come, and what is wrong with it."""

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
"""Parts that failed, and lists with rejected records, that are named."""


def status(
    pull: Annotated[
        str | None, Parameter(help="Which pull: what `nexhealth fleet pull` printed (the last).")
    ] = None,
    /,
    *,
    place: FleetLocation = DEFAULT_LOCATION,
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
    from nexhealth_async.bulk.target_support import unallowed_counts
    from nexhealth_async.fleet import fleet_status

    queue = place.task_queue_or_none()
    standing = run(fleet_status(pull, to=place.target(), redis=queue))
    if standing is None:
        named = "no pull of that name" if pull else "no pull"
        raise CliError(f"There is {named} in this database; only the last one is remembered.")
    _print_status(standing, with_queue=queue is not None)
    lacks = standing.finished and unallowed_counts(standing.rejected, allow_rejected)
    return PARTIAL if standing.dead or lacks else 0


_COUNTED: Final = ("shards", "done", "dead", "failed", "reading", "waiting", "records", "rejected")
"""The ones at the right are left out first."""


def _print_status(standing: FleetStatus, *, with_queue: bool) -> None:
    """Write the table, how the pull stands, and what is wrong with it."""
    counted = [title for title in _COUNTED if with_queue or title != "dead"]
    by_resource: dict[str, list[ShardStatus]] = defaultdict(list)
    for one in standing.shards:
        by_resource[one.shard.resource].append(one)
    rejected = Counter[str]()
    for group, count in standing.rejected.items():
        rejected[group.partition("/")[0]] += count.total
    rows = [
        _status_row(resource, ones, counted, rejected[resource])
        for resource, ones in by_resource.items()
    ]
    if len(rows) > 1:
        rows.append(_status_row("all", standing.shards, counted, rejected.total()))
    columns = (
        TableColumn("resource", (), max_width=40, min_width=12),
        *(TableColumn(title, (), max_width=12, min_width=6, align_right=True) for title in counted),
    )
    table = TextTable(columns, width=terminal_width(), colour=terminal.is_coloured())
    terminal.write(table.lines(rows))
    begun = standing.started.astimezone().isoformat(sep=" ", timespec="seconds")
    what = (
        "done"
        if standing.finished
        else "over, with parts given up"
        if standing.is_over
        else "under way"
    )
    lines = [f"pull {standing.pull}, begun {begun}: {what}", *_failure_lines(standing)]
    terminal.print_message("".join(f"{line}\n" for line in lines))
    terminal.print_hidden_columns(table.hidden_columns)
    if not with_queue and not standing.finished:
        terminal.print_line(
            f"(without --redis or {REDIS_VARIABLE} it is not known what the queue has given up: "
            "that counts as failed or waiting)"
        )


def _status_row(
    name: str, shards: Iterable[ShardStatus], counted: Iterable[str], rejected: int
) -> list[str]:
    every = list(shards)
    numbers = Counter[str](one.stage for one in every)
    numbers.update(
        shards=len(every),
        records=sum(one.records for one in every),
        rejected=rejected,
    )
    return [name, *(f"{numbers[title]:,}" for title in counted)]


def _failure_lines(standing: FleetStatus) -> list[str]:
    named = [*standing.dead, *standing.of("failed")]
    lines = [
        f"  {one.stage}: {terminal.escape_controls(one.shard.name)}, {one.tries} tries: "
        f"{terminal.escape_controls(one.error or 'no reason was kept')}"
        for one in named[:_LISTED]
    ]
    if len(named) > _LISTED:
        lines.append(f"  and {len(named) - _LISTED:,} more")
    lines += [
        f"  rejected: {terminal.escape_controls(name)}, "
        f"{terminal.count_text(count.total, 'record')} "
        f"({count.new:,} by this pull first), see the table _rejected"
        for name, count in [*standing.rejected.items()][:_LISTED]
    ]
    if standing.dead:
        lines.append("`nexhealth fleet pull --resume` queues what was given up once more.")
    return lines
