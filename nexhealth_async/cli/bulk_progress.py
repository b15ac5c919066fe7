"""What is seen of a bulk pull while it runs, on stderr: lines that change, or plain log lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from nexhealth_async.bulk import Event, PullEnded, PullStarted, ShardDone, ShardFailed
from nexhealth_async.cli import terminal
from nexhealth_async.cli.error_messages import happened
from nexhealth_async.cli.time_remaining import Left, Pace, clock

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nexhealth_async.bulk import ShardProgress, Snapshot

__all__ = ["Board", "board", "shard_text", "total_text"]

_REDRAW_SECONDS: Final = 0.2
_BAR: Final = (6, 16)
"""Least and most columns of the bar; the words beside it matter more."""
_SHOWN: Final = 8
"""Active shards that have a line of their own."""
_LOGGED_SHARDS: Final = 60
"""A pull of more shards than this has no line for each."""
_LOGGED_FAILURES: Final = 20
_PERIODS: Final = (5.0, 60.0)
"""Seconds between two log lines: at the start, and at the most."""


class Board:
    """Takes the events of a pull and knows what to show of it."""

    def __init__(self, say: Callable[[str], None] | None, *, each_shard: bool = False) -> None:
        self._say = say
        self._each_shard = each_shard
        self._pace = Pace()
        self._snapshot: Callable[[], Snapshot] | None = None
        self._few = False
        self._failures = 0
        self.running: bool = False

    @property
    def begun(self) -> bool:
        """Whether the pull has begun to read, so that there is something to resume."""
        return self._snapshot is not None

    def note(self, event: Event) -> None:
        """Take an event."""
        self._pace.note(event)
        match event:
            case PullStarted(shards=shards, snapshot=snapshot):
                self._snapshot, self.running = snapshot, True
                self._few = len(shards) <= _LOGGED_SHARDS
            case PullEnded():
                self.running = False
            case ShardDone(shard=shard, records=records, seconds=seconds):
                if self._each_shard and self._few:
                    self._log(
                        f"done {shard.name}: {terminal.counted(records, 'record')}"
                        f" in {seconds:.1f} s"
                    )
            case ShardFailed(shard=shard, error=error):
                self._failures += 1
                if self._failures <= _LOGGED_FAILURES:
                    self._log(f"failed {shard.name}: {type(error).__name__}: {happened(error)}")
                elif self._failures == _LOGGED_FAILURES + 1:
                    self._log("further failures are counted only")
            case _:
                pass

    def now(self) -> tuple[Snapshot, Left] | None:
        """Return how far the pull is, None while there is nothing to show."""
        if self._snapshot is None or not self.running:
            return None
        snapshot = self._snapshot()
        return snapshot, self._pace.left(snapshot)

    async def log_for_ever(self) -> None:
        """Say how far the pull is, ever more rarely."""
        least, most = _PERIODS
        while True:
            seen = self.now()
            seconds = seen[0].seconds if seen else 0.0
            await asyncio.sleep(min(most, max(least, seconds / 20)))
            if (seen := self.now()) is not None:
                self._log(total_text(*seen))

    def _log(self, text: str) -> None:
        if self._say is not None and self._snapshot is not None:
            self._say(terminal.clean(f"{clock(self._snapshot().seconds)} {text}"))


def total_text(now: Snapshot, left: Left) -> str:
    """Say how far a pull is."""
    failed = f" ({now.failed} failed)" if now.failed else ""
    parts = [
        f"{now.records:,} records",
        f"{now.done + now.failed:,} of {now.shards:,} shards{failed}",
        f"{now.rate:,.0f}/s",
        str(left),
    ]
    return ", ".join(part for part in parts if part)


def shard_text(one: ShardProgress) -> str:
    """Say how far a shard is."""
    total = "" if one.total is None else f" of {one.total:,}"
    rate = f", {one.read / one.seconds:,.0f}/s" if one.seconds >= 1 else ""
    return terminal.clean(f"{one.shard.name}: {one.read:,}{total}{rate}")


@asynccontextmanager
async def board(*, wanted: bool) -> AsyncGenerator[Board, None]:
    """Show a pull for the length of the block: live on a terminal, else by log lines."""
    console = terminal.stderr()
    if not wanted:
        yield Board(None)
    elif console.is_terminal and not console.is_dumb_terminal:
        async with _live() as drawn:
            yield drawn
    else:
        logged = Board(terminal.say, each_shard=True)
        async with _beside(logged.log_for_ever()):
            yield logged


@asynccontextmanager
async def _live() -> AsyncGenerator[Board, None]:
    from rich.live import Live

    drawn = Board(terminal.say)
    with Live(
        console=terminal.stderr(),
        auto_refresh=False,  # drawn in the event loop, so never into another line
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        get_renderable=lambda: _picture(drawn),
    ) as live:

        async def redraw_for_ever() -> None:
            loop = asyncio.get_running_loop()
            while True:
                began = loop.time()
                live.refresh()
                # Thousands of shards take a while to look at; that must not slow the pull down.
                await asyncio.sleep(max(_REDRAW_SECONDS, 20 * (loop.time() - began)))

        async with _beside(redraw_for_ever()):
            yield drawn


@asynccontextmanager
async def _beside(work: Coroutine[object, None, None]) -> AsyncGenerator[None, None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _picture(drawn: Board) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    seen = drawn.now()
    if seen is None:
        return Text("looking what there is to read")
    now, left = seen
    console = terminal.stderr()
    # Room is left at the end of lines: a "^C" must not wrap, or they cannot be erased.
    width = max(20, console.width - 4)
    text = total_text(now, left)
    room = max(_BAR[0], min(_BAR[1], width - len(text) - 1))
    total, done = now.records + left.records, now.records
    if not left.sure or not total:
        total, done = max(1, now.shards), now.done + now.failed
    bar = ProgressBar(
        total=total, completed=done, width=room, complete_style="cyan", finished_style="green"
    )
    head = Table.grid(padding=(0, 1))
    head.add_row(bar, Text(_cut(text, width - room - 1), no_wrap=True))
    active = sorted(now.active, key=lambda one: -one.seconds)
    shown = active[: max(1, min(_SHOWN, console.height - 4))]
    lines = [shard_text(one) for one in shown]
    if len(active) > len(shown):
        lines.append(f"and {len(active) - len(shown)} more")
    return Group(
        head, *(Text(_cut(f"  {line}", width), style="dim", no_wrap=True) for line in lines)
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"
