"""Links, resources and anchors of an HTML page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from attrs import Factory, define

__all__ = ["HtmlPage", "read"]

_FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@define
class HtmlPage:
    """One page."""

    links: list[str] = Factory(list[str])
    fetched: list[str] = Factory(list[str])
    anchors: set[str] = Factory(set[str])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.read = HtmlPage()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if name := said.get("id"):
            self.read.anchors.add(name)
        if tag == "a" and (to := said.get("href")):
            self.read.links.append(to)
        url = said.get(_FETCHED.get(tag, ""))
        if url:
            self.read.fetched.append(url)


def read(page: Path) -> HtmlPage:
    """HtmlPage a page."""
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader.read
