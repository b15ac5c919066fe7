"""Summary of a pull (totals, tables by resource, failures) and estimate of a dry run."""

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
"""Maximum number of failed shards in the summary."""
_SHARDS_SHOWN: Final = 30
"""Maximum number of shards of which a dry run shows each; above it shows resources."""
_SWEEP_NOTE: Final = (
    "/sweep shards read the records that changed while the other shards of a list were read."
)
_DUPLICATES_NOTE: Final = (
    "duplicates: records read more than once, from another list or a /sweep, and stored once."
)
_LATENCY: Final = 0.3
"""Assumed seconds per response if none was measured."""
_MIN_WAIT_SECONDS: Final = 0.05
"""Shorter waits are not shown."""


@frozen(kw_only=True)
class PullSummary:
    """The messages at the end of a pull, and its exit status."""

    text: str = ""
    """Totals, for stderr; not printed with ``--quiet``."""
    output: str = ""
    """Result of a dry run, for stdout."""
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
        label: Name of the target.
        rejected: Name of the table or file of the rejected records.
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
    """Describe the duration and rate of a pull, its API version and its target."""
    pace = f" ({records / max(seconds, 0.001):,.0f}/s)" if records else ""
    version_text = f", API version {version}" if version else ""
    return f"in {seconds:.1f} s{pace}{version_text}{f', {target}' if target else ''}"


def report_text(report: Report, *, label: str) -> str:
    """Summarize a pull: a table by resource, then requests and waits of the session."""
    by_resource: dict[str, list[ShardReport]] = defaultdict(list)
    for shard in report.shards:
        by_resource[shard.shard.resource].append(shard)
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
        totals = sum(rejected.values()), sum(deleted.values())
        rows.append(_report_row("all", report.shards, *totals))
    table = _table(("resource", *_REPORTED), rows)
    new = "" if report.new_records == report.records else f", {report.new_records:,} of them now,"
    pace = pace_text(
        seconds=report.seconds,
        records=report.new_records,
        version=report.shards[0].shard.version if report.shards else None,
        target=f"in {label}",
    )
    total = f"{count_text(report.records, 'record')}{new} {pace}"
    note = f"\n{_DUPLICATES_NOTE}" if report.duplicates else ""
    return f"{table}{total}\n{_session_text(report)}{note}"


_REPORTED: Final = ("shards", "failed", "records", "pages", "duplicates", "rejected", "deleted")


def _report_row(name: str, shards: Sequence[ShardReport], rejected: int, deleted: int) -> list[str]:
    numbers = (
        len(shards),
        sum(shard.status != "done" for shard in shards),
        sum(shard.records for shard in shards),
        sum(shard.pages for shard in shards),
        sum(shard.duplicates for shard in shards),
        rejected,
        deleted,
    )
    return [name, *(f"{number:,}" for number in numbers)]


def _session_text(report: Report) -> str:
    stats = report.stats
    retries = f", {stats.retries:,} of them retries" if stats.retries else ""
    limited = f", {stats.rate_limited:,} answered 429" if stats.rate_limited else ""
    waits = (
        ("for logins", stats.waited_login),
        ("for rate limits", stats.waited_rate),
        ("before retries", stats.waited_retry),
    )
    waits_text = ", ".join(
        f"{seconds:,.1f} s {reason}" for reason, seconds in waits if seconds >= _MIN_WAIT_SECONDS
    )
    waited = f"; total waits of all requests: {waits_text}" if waits_text else ""
    return f"{count_text(stats.requests, 'request')}{retries}{limited}{waited}"


def failures_text(report: Report) -> str:
    """List the failed shards with their errors and advice; empty if none failed."""
    failed = report.failed
    unread = sum(shard.status == "open" for shard in report.shards)
    if not failed and not unread:
        return ""
    lines = [f"{len(failed):,} of {len(report.shards):,} shards failed:"]
    for shard in failed[:_LISTED]:
        lines.append(
            f"  {escape_controls(shard.shard.name)}: {escape_controls(_failure_text(shard))}"
        )
        if shard.records:
            lines.append(f"    after {count_text(shard.records, 'record')}")
    if len(failed) > _LISTED:
        lines.append(f"  and {len(failed) - _LISTED:,} more")
    if any(shard.shard.sweep for shard in failed[:_LISTED]):
        lines.append(_SWEEP_NOTE)
    errors = {type(shard.error): shard.error for shard in failed if shard.error is not None}
    lines += [
        f"{kind.__name__}: {text}" for kind, error in errors.items() if (text := advice(error))
    ]
    if unread:
        lines.append(f"{count_text(unread, 'shard')} depending on them could not be started.")
    lines.append(
        "All other shards are complete. Add --resume to the command to read only these again."
    )
    return "\n".join(lines)


def rejected_text(report: Report, *, where: str) -> str:
    """Describe the number of rejected records, their lists and where they are kept."""
    total = sum(count.total for count in report.rejected.values())
    new = sum(count.new for count in report.rejected.values())
    new_text = "" if new == total else f", {new:,} of them for the first time"
    lists = [f"{escape_controls(name)} {count.total:,}" for name, count in report.rejected.items()]
    more = f" and {len(lists) - _LISTED:,} more" if len(lists) > _LISTED else ""
    return (
        f"{count_text(total, 'record')} could not be read{new_text}: "
        f"{', '.join(lists[:_LISTED])}{more}; each is kept in {where} "
        "with the reason, and the next pull reads it again"
    )


def _failure_text(shard: ShardReport) -> str:
    if shard.error is None:
        return shard.error_text or "no reason recorded"
    return f"{type(shard.error).__name__}: {describe_error(shard.error)}"


def estimate_text(estimate: Estimate, *, concurrency: int, price: Decimal | None = None) -> str:
    """Describe the records, requests, time and cost of a pull."""
    shards = estimate.shards
    titles: tuple[str, ...]
    if len(shards) <= _SHARDS_SHOWN:
        rows = [[shard.shard.name, *_estimate_cells([shard])] for shard in shards]
        titles = ("shard", "records", "requests")
    else:
        by_resource: dict[str, list[ShardEstimate]] = defaultdict(list)
        for shard in shards:
            by_resource[shard.shard.resource].append(shard)
        rows = [
            [name, f"{len(group):,}", *_estimate_cells(group)]
            for name, group in by_resource.items()
        ]
        titles = ("resource", "shards", "records", "requests")
    table = _table(titles, rows)
    measured = estimate.answer_seconds
    latency = _LATENCY if measured is None else measured
    seconds = estimate.seconds_at(latency=latency, concurrency=concurrency)
    duration = f"the pull takes about {seconds:,.1f} s"
    if estimate.at_least:
        duration = "the duration is unknown, because some lists do not report their length"
    elif measured is None:
        duration = f"at {latency} s per response, {duration}"
    else:
        duration = (
            f"at {latency:.2f} s per response (measured while counting), {duration} or more, "
            "because pages are slower"
        )
    requests = f"at least {count_text(estimate.requests, 'request')}, including the login"
    lines = [
        f"{count_text(len(shards), 'shard')}, {requests}",
        f"by the API's limits, the last request leaves after {estimate.seconds:,.1f} s or more",
        duration,
    ]
    if price is not None:
        lines.append(f"at {price:f} a request, at least {estimate.cost(price):,f}")
    if estimate.at_least:
        lines.append("? and +: the list does not report its length; one request is counted.")
    if len(shards) <= _SHARDS_SHOWN and any(shard.shard.sweep for shard in shards):
        lines.append(_SWEEP_NOTE)
    failed = [shard for shard in shards if shard.error is not None]
    if failed:
        lines.append(
            f"{count_text(len(failed), 'list')} could not be counted, and probably not be pulled:"
        )
    lines += [
        f"  {escape_controls(shard.shard.name)}: {escape_controls(shard.error or '')}"
        for shard in failed[:_LISTED]
    ]
    if len(failed) > _LISTED:
        lines.append(f"  and {len(failed) - _LISTED:,} more")
    return table + "\n".join(lines) + "\n"


def _estimate_cells(shards: Sequence[ShardEstimate]) -> list[str]:
    """Return the cells with the records and requests of some shards."""
    known = [shard.records for shard in shards if shard.records is not None]
    all_known = len(known) == len(shards)
    records = f"{sum(known):,}{'' if all_known else '+'}" if known else "?"
    more = "+" if any(shard.at_least for shard in shards) else ""
    return [records, f"{sum(shard.requests for shard in shards):,}{more}"]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows as a table, or as sentences if the terminal is too narrow.

    Names are never truncated, because shards differ at their ends.
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
        f"{escape_controls(name)}: {_cells_text(rest, cells)}\n" for name, *cells in rows
    )


def _cells_text(titles: Sequence[str], cells: Sequence[str]) -> str:
    """Return the counts of a row that are not zero, as text."""
    parts = [
        f"{cell} {title.removesuffix('s') if cell == '1' else title}"
        for title, cell in zip(titles, cells, strict=True)
        if cell != "0"
    ]
    return ", ".join(parts)
