"""``nexhealth pull``: one list to the terminal or a file, or many lists into a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.bulk_pull import BulkCopy, BulkEstimate
from nexhealth_async.cli.completion_names import completions
from nexhealth_async.cli.exit_status import CliError, SignalInterrupt
from nexhealth_async.cli.list_pull import ListPull
from nexhealth_async.cli.open_session import ANY_LOCATION, CliApiKey, ConnectionOptions
from nexhealth_async.cli.pull_command import PullCommand
from nexhealth_async.cli.pull_options import (
    BulkPullOptions,
    FilterOptions,
    OutputOptions,
    ScopeOptions,
)
from nexhealth_async.errors import NexHealthError

if TYPE_CHECKING:
    from nexhealth_async.cli.pull_command import PullJob

__all__ = ["pull"]

_ALL = FilterOptions()
_DEFAULT_SCOPE = ScopeOptions()
_AUTO_FORMAT = OutputOptions()
_NO_BULK_OPTIONS = BulkPullOptions()


def pull(
    *resources: Annotated[
        str,
        Parameter(
            help="Lists to pull, such as patients or appointments; --all --dry-run shows all.",
            choices=completions(),
            show_choices=False,
        ),
    ],
    entry: ConnectionOptions = ANY_LOCATION,
    scope: ScopeOptions = _DEFAULT_SCOPE,
    filters: FilterOptions = _ALL,
    output: OutputOptions = _AUTO_FORMAT,
    bulk: BulkPullOptions = _NO_BULK_OPTIONS,
) -> int:
    """Pull one list to the terminal or a file, or many lists into a target.

    One list without --to goes to stdout or a file. Several lists, or any list with
    --to, are pulled in bulk: concurrently, from all practices that the key sees,
    into a target. --resume continues an interrupted bulk pull. If some shards
    failed and all others are complete, the exit status is 3. Progress and the
    summary go to stderr. The key is read from NEXHEALTH_API_KEY, or prompted for.
    """
    command = PullCommand(
        lists=resources, entry=entry, scope=scope, filters=filters, output=output, bulk=bulk
    )
    job = _make_job(command)  # usage errors come before the prompt for the key
    key = CliApiKey.for_entry(entry)
    try:
        summary = job.run(key)
    except (KeyboardInterrupt, SignalInterrupt, NexHealthError, CliError) as error:
        stopped = isinstance(error, (KeyboardInterrupt, SignalInterrupt))
        if (text := job.early_end_text(stopped=stopped)) is not None:
            terminal.print_line(text)
        raise
    return summary.print(quiet=output.quiet)


def _make_job(command: PullCommand) -> PullJob:
    if not command.is_bulk:
        return ListPull.for_command(command)
    if command.bulk.dry_run:
        return BulkEstimate.for_command(command)
    return BulkCopy.for_command(command)
