"""``nexhealth pull`` of several lists, or into a target: the copy, and its estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from attrs import define, field, frozen

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import CliError, run
from nexhealth_async.cli.progress import BulkProgress, is_live, progress_display
from nexhealth_async.cli.pull_command import (
    BulkOptions,
    PullCommand,
    open_pull,
    parse_bulk_options,
    practices_of,
)
from nexhealth_async.cli.pull_summary import PullSummary, copy_summary, estimate_text
from nexhealth_async.cli.rejects_file import RejectsFile, nothing_to_resume
from nexhealth_async.cli.target_option import Destination, destination

if TYPE_CHECKING:
    from datetime import datetime

    from nexhealth_async.bulk import Estimate, Report
    from nexhealth_async.cli.open_session import CliApiKey

__all__ = ["BulkCopy", "BulkEstimate"]


@frozen(kw_only=True)
class BulkEstimate:
    """A dry run: count what a bulk pull would read."""

    command: PullCommand
    options: BulkOptions

    @classmethod
    def for_command(cls, command: PullCommand) -> BulkEstimate:
        """Check the options; raises `CliError` for what does not fit."""
        return cls(command=command, options=parse_bulk_options(command))

    def run(self, key: CliApiKey) -> PullSummary:
        """Count the records and return the estimate as text."""
        estimate = run(self._estimate(key))
        spoken = f"API version {estimate.shards[0].shard.version}" if estimate.shards else ""
        text = estimate_text(
            estimate, concurrency=self.options.concurrency, price=self.options.price
        )
        return PullSummary(output=text, text=spoken)

    async def _estimate(self, key: CliApiKey) -> Estimate:
        command, options = self.command, self.options
        async with open_pull(command, key) as session:
            return await session.nex.bulk.estimate(
                options.lists,
                practices=await practices_of(session.nex, command.scope),
                since=cast("datetime | None", options.since),
                concurrency=options.concurrency,
                drift=command.filters.drift or "verify",
                per_page=command.filters.per_page,
                appointments_from=options.first,
                appointments_until=options.last,
            )

    def early_end_text(self, *, stopped: bool) -> str | None:
        """Return nothing: a dry run leaves nothing behind."""
        del stopped
        return None


def _progress(command: PullCommand) -> BulkProgress:
    if command.output.quiet:
        return BulkProgress()
    return BulkProgress(terminal.print_line, each_shard=not is_live())


@define(kw_only=True)
class BulkCopy:
    """A copy of lists to a target."""

    command: PullCommand
    options: BulkOptions
    destination: Destination
    progress: BulkProgress = field()

    @classmethod
    def for_command(cls, command: PullCommand) -> BulkCopy:
        """Check the options and the target; raises `CliError` for what does not fit."""
        return cls(
            command=command,
            options=parse_bulk_options(command),
            destination=_destination(command),
            progress=_progress(command),
        )

    def run(self, key: CliApiKey) -> PullSummary:
        """Copy everything; parts that fail are reported, not raised."""
        return copy_summary(
            run(self._copy(key)),
            label=self.destination.label,
            rejected=self.destination.rejected,
        )

    async def _copy(self, key: CliApiKey) -> Report:
        command, options = self.command, self.options
        # What fails before the copy begins fails before a file is made.
        async with open_pull(command, key) as session:
            practices = await practices_of(session.nex, command.scope)
            async with progress_display(self.progress, enabled=not command.output.quiet):
                return await session.nex.bulk.copy(
                    options.lists,
                    to=RejectsFile(
                        self.destination.target,
                        only_resume=self.destination.label if command.only_resumes else None,
                    ),
                    practices=practices,
                    since=options.since,
                    resume=command.bulk.resume and not self.destination.is_missing(),
                    adopt=command.bulk.adopt,
                    recopy=command.bulk.recopy,
                    compare=options.compare,
                    concurrency=options.concurrency,
                    drift=command.filters.drift or "verify",
                    per_page=command.filters.per_page,
                    appointments_from=options.first,
                    appointments_until=options.last,
                    on_event=self.progress.record_event,
                    allow_rejected=command.bulk.allow_rejected,
                )

    def early_end_text(self, *, stopped: bool) -> str | None:
        """Return how to go on, if anything was read."""
        if self.progress.started:
            return "What was written is kept; the same command with --resume goes on."
        return "Stopped before anything was read." if stopped else None


def _destination(command: PullCommand) -> Destination:
    bulk = command.bulk
    where = destination(
        bulk.to,
        kind=cast("Literal['jsonl', 'parquet'] | None", command.output.format),
        compress=bulk.compress,
        schema=bulk.schema,
    )
    if command.only_resumes and where.is_missing():
        raise nothing_to_resume(where.label)
    if command.filters.since == "last" and not where.target.merges:
        raise CliError(
            "Files cannot be brought up to date: --since last needs DuckDB or PostgreSQL."
        )
    folder = where.path.parent if where.path is not None and where.path.suffix else None
    if folder is not None and not folder.is_dir():
        raise CliError(f"{where.path} cannot be made: there is no directory {folder}.")
    return where
