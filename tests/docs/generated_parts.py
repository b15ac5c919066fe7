"""Parts of the pages that are generated from the code, between two comments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

__all__ = ["DOCS", "GeneratedPart", "write"]

DOCS = Path(__file__).parents[2] / "docs"


@frozen
class GeneratedPart:
    """A generated part of a page: its place, and its generator."""

    page: str
    """Name of a file in ``docs``."""
    name: str
    make: Callable[[], str]

    @property
    def path(self) -> Path:
        """The page."""
        return DOCS / self.page

    def stands(self) -> bool:
        """Tell whether the page has the part as the code generates it now."""
        return self._framed() in self.path.read_text(encoding="utf-8")

    def put_into(self, text: str) -> str:
        """Return the page's text with the part regenerated."""
        before, _, rest = text.partition(self._begin)
        _, found, after = rest.partition(self._end)
        if not found:
            raise LookupError(f"{self.page} has no part {self.name}")
        return f"{before}{self._framed()}{after}"

    @property
    def _begin(self) -> str:
        return f"<!-- {self.name} -->\n"

    @property
    def _end(self) -> str:
        return f"<!-- end of {self.name} -->\n"

    def _framed(self) -> str:
        return f"{self._begin}\n{self.make().strip()}\n\n{self._end}"


def write(parts: Iterable[GeneratedPart]) -> None:
    """Write all of them, or none if one fails."""
    pages: dict[Path, str] = {}
    for part in parts:
        text = pages.get(part.path) or part.path.read_text(encoding="utf-8")
        pages[part.path] = part.put_into(text)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
