"""``nexhealth pull`` of several lists or into a target: the copy and its dry run."""

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
from nexhealth_async.cli.resumable_target import ResumableTarget, nothing_to_resume
from nexhealth_async.cli.target_option import Destination, destination

if TYPE_CHECKING:
    from datetime import datetime

    from nexhealth_async.bulk import Estimate, Report
    from nexhealth_async.cli.open_session import CliApiKey

__all__ = ["BulkCopy", "BulkEstimate"]


@frozen(kw_only=True)
class BulkEstimate:
    """A dry run, which counts the records that a bulk pull would read."""

    command: PullCommand
    options: BulkOptions

    @classmethod
    def for_command(cls, command: PullCommand) -> BulkEstimate:
        """Check the options; raise `CliError` for invalid ones."""
        return cls(command=command, options=parse_bulk_options(command))

    def run(self, key: CliApiKey) -> PullSummary:
        """Count the records and return the estimate as text."""
        estimate = run(self._estimate(key))
        version = f"API version {estimate.shards[0].shard.version}" if estimate.shards else ""
        text = estimate_text(
            estimate, concurrency=self.options.concurrency, price=self.options.price
        )
        return PullSummary(output=text, text=version)

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
        """Return None: a dry run writes nothing."""
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
        """Check the options and the target; raise `CliError` for invalid ones."""
        return cls(
            command=command,
            options=parse_bulk_options(command),
            destination=_destination(command),
            progress=_progress(command),
        )

    def run(self, key: CliApiKey) -> PullSummary:
        """Copy the lists; failed shards are reported, not raised."""
        return copy_summary(
            run(self._copy(key)),
            label=self.destination.label,
            rejected=self.destination.rejected,
        )

    async def _copy(self, key: CliApiKey) -> Report:
        command, options = self.command, self.options
        # Errors of the login and the look-ups come before the target is created.
        async with open_pull(command, key) as session:
            practices = await practices_of(session.nex, command.scope)
            async with progress_display(self.progress, enabled=not command.output.quiet):
                return await session.nex.bulk.copy(
                    options.lists,
                    to=ResumableTarget(
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
        """Return how to resume, if the pull had started."""
        if self.progress.started:
            return "The records written so far are kept; add --resume to the command to continue."
        return "Stopped before any record was read." if stopped else None


def _destination(command: PullCommand) -> Destination:
    bulk = command.bulk
    resolved = destination(
        bulk.to,
        kind=cast("Literal['jsonl', 'parquet'] | None", command.output.format),
        compress=bulk.compress,
        schema=bulk.schema,
    )
    if command.only_resumes and resolved.is_missing():
        raise nothing_to_resume(resolved.label)
    if command.filters.since == "last" and not resolved.target.merges:
        raise CliError("Files cannot be refreshed: --since last needs DuckDB or PostgreSQL.")
    path = resolved.path
    directory = path.parent if path is not None and path.suffix else None
    if directory is not None and not directory.is_dir():
        raise CliError(f"{path} cannot be created: there is no directory {directory}.")
    return resolved
