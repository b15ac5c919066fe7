"""The summary of a pull: totals, tables by resource, failures; and the estimate of a dry run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from attrs import frozen

from nexhealth_async.cli import terminal
from nexhealth_async.cli.error_messages import advice, describe_error
from nexhealth_async.cli.exit_status import PARTIAL
from nexhealth_async.cli.table_columns import TableColumn
from nexhealth_async.cli.tables import TextTable, terminal_width
from nexhealth_async.cli.terminal import count_text, escape_controls

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from nexhealth_async.bulk import Estimate, Report, ShardEstimate, ShardReport

__all__ = [
    "PullSummary",
    "copy_summary",
    "estimate_text",
    "failures_text",
    "pace_text",
    "rejected_text",
    "report_text",
]

_LISTED: Final = 50
"""Failed shards that are named."""
_SHARDS_SHOWN: Final = 30
"""A dry run of more shards than this shows resources only."""
_SWEEP: Final = (
    "/sweep reads again what changed while the shards of its list were read, so that none is lost."
)
_RESUME_ADVICE: Final = (
    "duplicates: came again, from another list or in a /sweep, and stand in the target once."
)
_LATENCY: Final = 0.3
"""Seconds an answer is taken to need where none has come yet."""
_MIN_WAIT_SECONDS: Final = 0.05
"""Seconds that are worth telling."""


@frozen(kw_only=True)
class PullSummary:
    """What a pull tells at its end, and its exit status."""

    text: str = ""
    """Totals, for stderr; left out if the user asked for quiet."""
    output: str = ""
    """The result itself, for stdout, where that is text."""
    hidden_columns: tuple[str, ...] = ()
    note: str = ""
    failures: str = ""
    status: int = 0

    def print(self, *, quiet: bool) -> int:
        """Print the summary and return the exit status."""
        if self.output:
            terminal.print_message(self.output)
        if not quiet:
            if self.text:
                terminal.print_line(self.text)
            terminal.print_hidden_columns(self.hidden_columns)
        if self.note:
            terminal.print_note(self.note)
        if self.failures:
            terminal.print_line(self.failures)
        return self.status


def copy_summary(report: Report, *, label: str, rejected: str) -> PullSummary:
    """Summarize a copy.

    Args:
        report: The library's report.
        label: How the target is called.
        rejected: Where the target keeps records that could not be read.
    """
    return PullSummary(
        text=report_text(report, label=label),
        note=rejected_text(report, where=rejected) if report.rejected else "",
        failures=failures_text(report),
        status=PARTIAL if report.partial else 0,
    )


def pace_text(
    *, seconds: float, records: int, version: str | None, target: str | None = None
) -> str:
    """Describe how long records took, in which version they came and where they went."""
    pace = f" ({records / max(seconds, 0.001):,.0f}/s)" if records else ""
    spoken = f", API version {version}" if version else ""
    return f"in {seconds:.1f} s{pace}{spoken}{f', {target}' if target else ''}"


def report_text(report: Report, *, label: str) -> str:
    """Sum up a pull: a table by resource, then what the session did."""
    by_resource: dict[str, list[ShardReport]] = defaultdict(list)
    for one in report.shards:
        by_resource[one.shard.resource].append(one)
    deleted: dict[str, int] = defaultdict(int)
    for group, number in report.deleted.items():
        deleted[group.partition("/")[0]] += number
    rejected: dict[str, int] = defaultdict(int)
    for group, count in report.rejected.items():
        rejected[group.partition("/")[0]] += count.total
    rows = [
        _report_row(resource, shards, rejected[resource], deleted[resource])
        for resource, shards in by_resource.items()
    ]
    if len(rows) > 1:
        every = sum(rejected.values()), sum(deleted.values())
        rows.append(_report_row("all", report.shards, *every))
    table = _table(("resource", *_REPORTED), rows)
    now = "" if report.new_records == report.records else f", {report.new_records:,} of them now,"
    took = pace_text(
        seconds=report.seconds,
        records=report.new_records,
        version=report.shards[0].shard.version if report.shards else None,
        target=f"in {label}",
    )
    head = f"{count_text(report.records, 'record')}{now} {took}"
    again = f"\n{_RESUME_ADVICE}" if report.duplicates else ""
    return f"{table}{head}\n{_session_text(report)}{again}"


_REPORTED: Final = ("shards", "failed", "records", "pages", "duplicates", "rejected", "deleted")


def _report_row(name: str, shards: Sequence[ShardReport], rejected: int, deleted: int) -> list[str]:
    numbers = (
        len(shards),
        sum(one.status != "done" for one in shards),
        sum(one.records for one in shards),
        sum(one.pages for one in shards),
        sum(one.duplicates for one in shards),
        rejected,
        deleted,
    )
    return [name, *(f"{number:,}" for number in numbers)]


def _session_text(report: Report) -> str:
    stats = report.stats
    again = f", {stats.retries:,} of them repeated" if stats.retries else ""
    limited = f", {stats.rate_limited:,} answered 429" if stats.rate_limited else ""
    waits = (
        ("for logins", stats.waited_login),
        ("for the rate limits", stats.waited_rate),
        ("before repeating", stats.waited_retry),
    )
    waited = ", ".join(
        f"{seconds:,.1f} s {why}" for why, seconds in waits if seconds >= _MIN_WAIT_SECONDS
    )
    waiting = f"; waits, added up over all of them: {waited}" if waited else ""
    return f"{count_text(stats.requests, 'request')}{again}{limited}{waiting}"


def failures_text(report: Report) -> str:
    """Name the shards that failed, with their errors and what to do; empty if none did."""
    failed = report.failed
    unread = sum(one.status == "open" for one in report.shards)
    if not failed and not unread:
        return ""
    lines = [f"{len(failed):,} of {len(report.shards):,} shards failed:"]
    for one in failed[:_LISTED]:
        lines.append(
            f"  {escape_controls(one.shard.name)}: {escape_controls(_rejection_text(one))}"
        )
        if one.records:
            lines.append(f"    {count_text(one.records, 'record')} came before")
    if len(failed) > _LISTED:
        lines.append(f"  and {len(failed) - _LISTED:,} more")
    if any(one.shard.sweep for one in failed[:_LISTED]):
        lines.append(_SWEEP)
    errors = {type(one.error): one.error for one in failed if one.error is not None}
    lines += [
        f"{kind.__name__}: {what}" for kind, error in errors.items() if (what := advice(error))
    ]
    if unread:
        lines.append(f"{count_text(unread, 'shard')} behind them could not be begun.")
    lines.append("The rest is complete. The same command with --resume reads only these again.")
    return "\n".join(lines)


def rejected_text(report: Report, *, where: str) -> str:
    """Say how many records could not be read, in which lists, and where they are."""
    total = sum(count.total for count in report.rejected.values())
    new = sum(count.new for count in report.rejected.values())
    known = "" if new == total else f", {new:,} of them for the first time"
    named = [f"{escape_controls(name)} {count.total:,}" for name, count in report.rejected.items()]
    more = f" and {len(named) - _LISTED:,} more" if len(named) > _LISTED else ""
    return (
        f"{count_text(total, 'record')} could not be read{known}: "
        f"{', '.join(named[:_LISTED])}{more}; each is kept in {where} "
        "with the reason, and is read again by the next pull"
    )


def _rejection_text(rejected: ShardReport) -> str:
    if rejected.error is None:
        return rejected.error_text or "no reason was kept"
    return f"{type(rejected.error).__name__}: {describe_error(rejected.error)}"


def estimate_text(estimate: Estimate, *, concurrency: int, price: Decimal | None = None) -> str:
    """Say what a pull would read, and what it would cost."""
    shards = estimate.shards
    titles: tuple[str, ...]
    if len(shards) <= _SHARDS_SHOWN:
        rows = [[one.shard.name, *_estimated([one])] for one in shards]
        titles = ("shard", "records", "requests")
    else:
        by_resource: dict[str, list[ShardEstimate]] = defaultdict(list)
        for one in shards:
            by_resource[one.shard.resource].append(one)
        rows = [[name, f"{len(ones):,}", *_estimated(ones)] for name, ones in by_resource.items()]
        titles = ("resource", "shards", "records", "requests")
    table = _table(titles, rows)
    counted_in = estimate.answer_seconds
    latency = _LATENCY if counted_in is None else counted_in
    seconds = estimate.seconds_at(latency=latency, concurrency=concurrency)
    takes = f"the pull takes about {seconds:,.1f} s"
    if estimate.at_least:
        takes = "how long the pull takes cannot be told: some lists do not say how long they are"
    elif counted_in is None:
        takes = f"with answers that take {latency} s each, {takes}"
    else:
        takes = f"at the {latency:.2f} s that a count took, {takes}, or more: pages are slower"
    least = f"at least {count_text(estimate.requests, 'request')}, the login being one"
    lines = [
        f"{count_text(len(shards), 'shard')}, {least}",
        f"by the API's limits, the last request leaves after {estimate.seconds:,.1f} s or more",
        takes,
    ]
    if price is not None:
        lines.append(f"at {price:f} a request, at least {estimate.cost(price):,f}")
    if estimate.at_least:
        lines.append("? and +: a list that does not say how long it is; one request is counted.")
    if len(shards) <= _SHARDS_SHOWN and any(one.shard.sweep for one in shards):
        lines.append(_SWEEP)
    failed = [one for one in shards if one.error is not None]
    if failed:
        lines.append(
            f"{count_text(len(failed), 'list')} could not be counted, nor likely be pulled:"
        )
    lines += [
        f"  {escape_controls(one.shard.name)}: {escape_controls(one.error or '')}"
        for one in failed[:_LISTED]
    ]
    if len(failed) > _LISTED:
        lines.append(f"  and {len(failed) - _LISTED:,} more")
    return table + "\n".join(lines) + "\n"


def _estimated(shards: Sequence[ShardEstimate]) -> list[str]:
    """Return the records and the requests of some shards."""
    known = [one.records for one in shards if one.records is not None]
    all_known = len(known) == len(shards)
    records = f"{sum(known):,}{'' if all_known else '+'}" if known else "?"
    more = "+" if any(one.at_least for one in shards) else ""
    return [records, f"{sum(one.requests for one in shards):,}{more}"]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as a table, or in words where the terminal is too narrow for one.

    No name is cut: shards differ at their ends.
    """
    first, *rest = titles
    longest = max((len(escape_controls(row[0])) for row in rows), default=0)
    columns = (
        TableColumn(first, (), max_width=longest, min_width=longest),
        *(
            TableColumn(title, (), max_width=12, min_width=len(title), align_right=True)
            for title in rest
        ),
    )
    table = TextTable(columns, width=terminal_width(), colour=False)
    if table.has_room_for(rows):
        return table.lines(rows)
    return "".join(
        f"{escape_controls(name)}: {_plain_table(rest, cells)}\n" for name, *cells in rows
    )


def _plain_table(titles: Sequence[str], cells: Sequence[str]) -> str:
    """Say what a row holds; nothing of that which there is none of."""
    parts = [
        f"{cell} {title.removesuffix('s') if cell == '1' else title}"
        for title, cell in zip(titles, cells, strict=True)
        if cell != "0"
    ]
    return ", ".join(parts)
