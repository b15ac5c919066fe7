"""Parts of the pages that are made from the code, between two comments that name them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

__all__ = ["DOCS", "Part", "write"]

DOCS = Path(__file__).parents[2] / "docs"


@frozen
class Part:
    """A part of a page: where it stands, and what makes it."""

    page: str
    """Name of a file in ``docs``."""
    name: str
    make: Callable[[], str]

    @property
    def path(self) -> Path:
        """The page."""
        return DOCS / self.page

    def stands(self) -> bool:
        """Tell whether the page has this part as the code makes it now."""
        return self._framed() in self.path.read_text(encoding="utf-8")

    def put_into(self, text: str) -> str:
        """Return the page's text with the part as it is made now between its comments."""
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


def write(parts: Iterable[Part]) -> None:
    """Write all of them, or none where one cannot be made."""
    pages: dict[Path, str] = {}
    for part in parts:
        text = pages.get(part.path) or part.path.read_text(encoding="utf-8")
        pages[part.path] = part.put_into(text)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
