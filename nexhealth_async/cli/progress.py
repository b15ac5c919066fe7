"""Progress of a pull on stderr: a live display on a terminal, log lines elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from attrs import frozen

from nexhealth_async.bulk import Event, PullEnded, PullStarted, ShardDone, ShardFailed
from nexhealth_async.cli import terminal
from nexhealth_async.cli.error_messages import describe_error
from nexhealth_async.cli.time_remaining import PaceEstimator, RemainingWork, format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from nexhealth_async.bulk import ShardProgress, Snapshot

__all__ = [
    "BulkProgress",
    "DisplayState",
    "ListProgress",
    "ProgressDisplay",
    "ProgressSource",
    "is_live",
    "progress_display",
    "shard_text",
    "total_text",
]

_REDRAW_SECONDS: Final = 0.1
_BAR_WIDTH: Final = (6, 16)
"""Minimum and maximum width of the bar in columns; the text beside it has priority."""
_MAX_DETAILS: Final = 8
_LOGGED_SHARDS: Final = 60
"""Maximum number of shards for which each finished shard is logged."""
_LOGGED_FAILURES: Final = 20
_LOG_PERIODS: Final = (5.0, 60.0)
"""Seconds between two log lines: at the start, and at most."""


@frozen(kw_only=True)
class DisplayState:
    """The content of a display: a bar with text beside it, and lines below."""

    text: str
    completed: float
    total: float | None
    """None if the total is unknown: the bar then only pulses."""
    label: str = ""
    details: tuple[str, ...] = ()


class ProgressSource(Protocol):
    """A pull whose progress can be displayed or logged."""

    def state(self) -> DisplayState | None:
        """Return the content of the display, or None while there is nothing to count."""
        ...

    async def log_periodically(self) -> None:
        """Write log lines until cancelled; used if stderr is not a terminal."""
        ...


class ListProgress:
    """The progress of a pull of one list."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._records = 0
        self._total: int | None = None
        self._started = time.monotonic()

    def update(self, records: int, total: int | None) -> None:
        """Set the number of records read, and the total or None if it is unknown."""
        self._records, self._total = records, total

    def state(self) -> DisplayState:
        """Return the content of the display."""
        seconds = time.monotonic() - self._started
        parts = [f"{self._records:,}"]
        if self._total is not None:
            parts[0] += f" of {self._total:,}"
        if self._records:
            parts.append(f"{self._records / max(seconds, 0.001):,.0f}/s")
        parts.append(format_duration(seconds))
        if self._records and self._total is not None:
            remaining = max(0, self._total - self._records) * seconds / self._records
            parts.append(f"{format_duration(remaining)} left")
        return DisplayState(
            label=self._label, text=" ".join(parts), completed=self._records, total=self._total
        )

    async def log_periodically(self) -> None:
        """Write nothing: one list needs only the summary at the end."""


class BulkProgress:
    """The progress of a bulk pull, from its events.

    Args:
        write_line: Receives log lines and failures; None discards them.
        each_shard: Whether to log each finished shard, unless there are many shards.
    """

    shards_done: int
    """Number of completed shards."""
    records: int
    """Number of records of the completed shards."""
    failures: int
    """Number of failed shards."""

    def __init__(
        self, write_line: Callable[[str], None] | None = None, *, each_shard: bool = False
    ) -> None:
        self.shards_done = self.records = self.failures = 0
        self._write_line = write_line
        self._each_shard = each_shard
        self._pace = PaceEstimator()
        self._snapshot: Callable[[], Snapshot] | None = None
        self._logs_shards = False
        self._running = False

    @property
    def started(self) -> bool:
        """True once the pull reads records, so that it can be resumed."""
        return self._snapshot is not None

    def record_event(self, event: Event) -> None:
        """Count and log an event of the pull."""
        self._pace.record_event(event)
        match event:
            case PullStarted(shards=shards, snapshot=snapshot):
                self._snapshot, self._running = snapshot, True
                self._logs_shards = self._each_shard and len(shards) <= _LOGGED_SHARDS
            case PullEnded():
                self._running = False
            case ShardDone(shard=shard, records=records, seconds=seconds):
                self.shards_done += 1
                self.records += records
                if self._logs_shards:
                    self._log(
                        f"done {shard.name}: {terminal.count_text(records, 'record')}"
                        f" in {seconds:.1f} s"
                    )
            case ShardFailed(shard=shard, error=error):
                self.failures += 1
                if self.failures <= _LOGGED_FAILURES:
                    self._log(
                        f"failed {shard.name}: {type(error).__name__}: {describe_error(error)}"
                    )
                elif self.failures == _LOGGED_FAILURES + 1:
                    self._log("further failures are counted but not shown")
            case _:
                pass

    def snapshot(self) -> tuple[Snapshot, RemainingWork] | None:
        """Return the progress and the remaining work, or None unless the pull is running."""
        if self._snapshot is None or not self._running:
            return None
        snapshot = self._snapshot()
        return snapshot, self._pace.remaining(snapshot)

    def state(self) -> DisplayState | None:
        """Return the content of the display."""
        current = self.snapshot()
        if current is None:
            return None
        snapshot, remaining = current
        completed, total = snapshot.records, snapshot.records + remaining.records
        if not remaining.is_certain or not total:
            completed, total = snapshot.done + snapshot.failed, max(1, snapshot.shards)
        active = sorted(snapshot.active, key=lambda shard: -shard.seconds)
        return DisplayState(
            text=total_text(snapshot, remaining),
            completed=completed,
            total=total,
            details=tuple(map(shard_text, active)),
        )

    async def log_periodically(self) -> None:
        """Log the progress at growing intervals until cancelled."""
        shortest, longest = _LOG_PERIODS
        while True:
            current = self.snapshot()
            seconds = current[0].seconds if current else 0.0
            await asyncio.sleep(min(longest, max(shortest, seconds / 20)))
            if (current := self.snapshot()) is not None:
                self._log(total_text(*current))

    def _log(self, text: str) -> None:
        if self._write_line is not None and self._snapshot is not None:
            self._write_line(
                terminal.escape_controls(f"{format_duration(self._snapshot().seconds)} {text}")
            )


def total_text(snapshot: Snapshot, remaining: RemainingWork) -> str:
    """Describe the progress of a bulk pull in one line."""
    failed = f" ({snapshot.failed} failed)" if snapshot.failed else ""
    parts = [
        f"{snapshot.records:,} records",
        f"{snapshot.done + snapshot.failed:,} of {snapshot.shards:,} shards{failed}",
        f"{snapshot.rate:,.0f}/s",
        str(remaining),
    ]
    return ", ".join(part for part in parts if part)


def shard_text(shard: ShardProgress) -> str:
    """Describe the progress of one shard in one line."""
    total = "" if shard.total is None else f" of {shard.total:,}"
    rate = f", {shard.read / shard.seconds:,.0f}/s" if shard.seconds >= 1 else ""
    return terminal.escape_controls(f"{shard.shard.name}: {shard.read:,}{total}{rate}")


class ProgressDisplay:
    """The live display of a pull on stderr; empty if stderr is not a terminal."""

    def __init__(self, live: Live | None = None) -> None:
        self._live = live
        self._hidden = False

    @contextmanager
    def hide(self) -> Generator[None]:
        """Hide the display while the block writes rows to the terminal."""
        if self._live is None:
            yield
            return
        self._hidden = True
        self._live.stop()
        try:
            yield
        finally:
            self._hidden = False
            self._live.start(refresh=True)

    async def redraw_periodically(self) -> None:
        """Redraw the display until cancelled.

        It runs in the event loop, so that it never draws while a row is written.
        """
        loop = asyncio.get_running_loop()
        while self._live is not None:
            started = loop.time()
            if not self._hidden:
                self._live.refresh()
            # A snapshot of thousands of shards is slow: it may take 5 % of the time at most.
            await asyncio.sleep(max(_REDRAW_SECONDS, 20 * (loop.time() - started)))


def is_live() -> bool:
    """Return whether stderr is a terminal that can redraw lines."""
    console = terminal.stderr()
    return console.is_terminal and not console.is_dumb_terminal


@asynccontextmanager
async def progress_display(
    source: ProgressSource, *, enabled: bool
) -> AsyncGenerator[ProgressDisplay]:
    """Show the progress of a pull during the block: live on a terminal, else as log lines."""
    if not enabled:
        yield ProgressDisplay()
    elif not is_live():
        async with _run_beside(source.log_periodically()):
            yield ProgressDisplay()
    else:
        from rich.live import Live

        live = Live(
            console=terminal.stderr(),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=lambda: _render(source.state()),
        )
        display = ProgressDisplay(live)
        with live:
            async with _run_beside(display.redraw_periodically()):
                yield display


@asynccontextmanager
async def _run_beside(work: Coroutine[object, None, None]) -> AsyncGenerator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _render(state: DisplayState | None) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    if state is None:
        return Text("looking up the lists to read")
    console = terminal.stderr()
    # Four columns stay free: if an echoed "^C" wraps a line, the display cannot be erased.
    width = max(20, console.width - 4)
    labels = [Text(state.label, no_wrap=True)] if state.label else []
    beside = len(state.label) + 2 if labels else 1
    room = max(_BAR_WIDTH[0], min(_BAR_WIDTH[1], width - len(state.text) - beside))
    bar = ProgressBar(
        total=state.total,
        completed=state.completed,
        width=room,
        complete_style="cyan",
        finished_style="green",
        pulse_style="cyan",
    )
    head = Table.grid(padding=(0, 1))
    text = Text(_truncate(state.text, width - room - beside), no_wrap=True)
    head.add_row(*labels, bar, text)
    lines = list(state.details[: max(1, min(_MAX_DETAILS, console.height - 4))])
    if len(state.details) > len(lines):
        lines.append(f"and {len(state.details) - len(lines)} more")
    return Group(
        head, *(Text(_truncate(f"  {line}", width), style="dim", no_wrap=True) for line in lines)
    )


def _truncate(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"
