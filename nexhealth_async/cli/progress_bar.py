"""The bar on stderr while records come in, where stderr is a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from nexhealth_async.cli import terminal
from nexhealth_async.cli.time_remaining import clock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Bar", "bar"]

_REDRAW_SECONDS = 0.1


class Bar:
    """Records, total, rate and time left on one line; nothing at all where nobody would see it."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task
        self._hidden = False

    def show(self, done: int, total: int | None) -> None:
        """Note how far the pull has come."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    @contextmanager
    def away(self) -> Generator[None, None, None]:
        """Take the bar off the terminal while rows are written to it."""
        if self._progress is None:
            yield
            return
        self._hidden = True
        self._progress.stop()
        try:
            yield
        finally:
            self._hidden = False
            self._progress.start()

    async def redraw_for_ever(self) -> None:
        """Keep the bar moving; in the event loop, so that it never draws into a row."""
        while self._progress is not None:
            if not self._hidden:
                self._progress.refresh()
            await asyncio.sleep(_REDRAW_SECONDS)


@asynccontextmanager
async def bar(label: str, *, wanted: bool) -> AsyncGenerator[Bar, None]:
    """Show a bar for the length of the block, if stderr is a terminal that can draw one."""
    console = terminal.stderr()
    if not wanted or not console.is_terminal or console.is_dumb_terminal:
        yield Bar(None, None)
        return
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text

    class Count(ProgressColumn):
        """Records so far, and of how many where that is known."""

        def render(self, task: Task) -> Text:
            """Draw the numbers."""
            of = "" if task.total is None else f" of {task.total:,.0f}"
            return Text(f"{task.completed:,.0f}{of}", style="green")

    class Left(ProgressColumn):
        """Time left, once it is known."""

        def render(self, task: Task) -> Text:
            """Draw the time."""
            seconds = task.time_remaining
            return Text("" if seconds is None else f"{clock(seconds)} left", style="cyan")

    class Rate(ProgressColumn):
        """Records a second."""

        def render(self, task: Task) -> Text:
            """Draw the rate once it is known."""
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f}/s", style="cyan")

    progress = Progress(
        TextColumn("{task.description}"),
        # Room is left at the end of the line: a "^C" must not wrap, or the bar cannot be erased.
        BarColumn(bar_width=24, complete_style="cyan", pulse_style="cyan"),
        Count(),
        Rate(),
        TimeElapsedColumn(),
        Left(),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with progress:
        drawn = Bar(progress, progress.add_task(label, total=None))
        drawing = asyncio.create_task(drawn.redraw_for_ever())
        try:
            yield drawn
        finally:
            drawing.cancel()
            with suppress(asyncio.CancelledError):
                await drawing
