"""Streaming text tables: the first batch of rows sets the widths."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from nexhealth_async.cli.terminal import escape_controls, output_is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nexhealth_async.cli.table_columns import TableColumn

__all__ = ["TextTable", "page_width", "terminal_width"]

_GAP = "  "
_UNLIMITED_WIDTH = 100_000
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def terminal_width() -> int:
    """Return the width of the terminal or ``COLUMNS``; 120 without either."""
    return max(20, shutil.get_terminal_size((120, 24)).columns)


def page_width() -> int:
    """Return the width for a table that is not streamed; unlimited in a pipe or a file."""
    is_set = os.environ.get("COLUMNS", "").isdigit()
    return terminal_width() if is_set or output_is_terminal() else _UNLIMITED_WIDTH


class TextTable:
    """A text table that is laid out batch by batch."""

    def __init__(self, columns: Sequence[TableColumn], *, width: int, colour: bool) -> None:
        self._columns = tuple(columns)
        self._width = width
        self._bold, self._dim, self._plain = (_BOLD, _DIM, _PLAIN) if colour else ("", "", "")
        self._widths: list[int] = []

    @property
    def hidden_columns(self) -> tuple[str, ...]:
        """Titles of the columns that do not fit."""
        shown = len(self._widths) or len(self._columns)
        return tuple(column.title for column in self._columns[shown:])

    def has_room_for(self, rows: Iterable[Sequence[str]]) -> bool:
        """Return whether all columns fit at their minimum widths."""
        _, minima = self._needed_widths([[escape_controls(cell) for cell in row] for row in rows])
        return _total(minima) <= self._width

    def lines(self, rows: Iterable[Sequence[str]]) -> str:
        """Return the rows as lines; the first batch has the headings and sets the widths."""
        cleaned = [[escape_controls(cell) for cell in row] for row in rows]
        head: list[str] = []
        if not self._widths and cleaned:
            self._widths = self._set_widths(cleaned)
            titles = self._line([column.title for column in self._columns])
            rules = ["─" * width for width in self._widths]
            head = [
                f"{self._bold}{titles}{self._plain}",
                f"{self._dim}{_GAP.join(rules)}{self._plain}",
            ]
        return "".join(line + "\n" for line in [*head, *map(self._line, cleaned)])

    def _set_widths(self, rows: list[list[str]]) -> list[int]:
        """Return the widths of the columns; narrow them, then drop the last ones, to fit."""
        widths, minima = self._needed_widths(rows)
        while len(minima) > 1 and _total(minima) > self._width:
            minima.pop()
        widths = widths[: len(minima)]
        while (excess := _total(widths) - self._width) > 0:
            spare = [width - minimum for width, minimum in zip(widths, minima, strict=True)]
            if not any(spare):
                widths[0] = max(1, self._width)
                break
            widest = spare.index(max(spare))
            widths[widest] -= min(excess, max(1, spare[widest] // 2))
        return widths

    def _needed_widths(self, rows: list[list[str]]) -> tuple[list[int], list[int]]:
        """Return the widths that the cells need, and the minimum widths."""
        columns = self._columns
        widths = [
            max(
                cell_len(column.title),
                min(column.max_width, max((cell_len(row[index]) for row in rows), default=0)),
            )
            for index, column in enumerate(columns)
        ]
        minima = [
            min(width, column.min_width) for width, column in zip(widths, columns, strict=True)
        ]
        return widths, minima

    def _line(self, cells: Sequence[str]) -> str:
        fitted = (
            _fit_text(cell, width, right=column.align_right)
            for cell, width, column in zip(cells, self._widths, self._columns, strict=False)
        )
        return _GAP.join(fitted).rstrip()


def _total(widths: list[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fit_text(text: str, width: int, *, right: bool) -> str:
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    padding = " " * (width - length)
    return padding + text if right else text + padding
