"""Pages from files at the root of the project, and links to files outside the site.

On a code host each link points to a file. On the site, links to files that are pages of the site
point to those pages, other files can be downloaded, and directories have no link.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

__all__ = ["ROOT", "for_the_site", "setup"]

ROOT: Final = Path(__file__).parents[2]
_DOCS: Final = ROOT / "docs"
_FROM_ROOT: Final = {
    "readme": ROOT / "README.md",
    "contributing": ROOT / "CONTRIBUTING.md",
    "security": ROOT / "SECURITY.md",
    "changelog": ROOT / "CHANGELOG.md",
}
"""Files at the root that are pages of the site, by page name."""

_LINK: Final = re.compile(
    r"(?P<code>^```.*?^```$)|\[(?P<text>(?:`[^`]*`|[^\[\]`])*)\]\((?P<to>[^)\s]+)\)|`[^`]*`",
    re.DOTALL | re.MULTILINE,
)


def for_the_site(text: str, *, file: Path, page: Path) -> str:
    """Return the text of a file with its links converted for a page of the site."""

    def moved(match: re.Match[str]) -> str:
        words, to = match["text"], match["to"]
        if to is None or re.match(r"#|[a-z]+:", to):
            return match[0]
        path, mark, anchor = to.partition("#")
        target = (file.parent / path).resolve()
        shown = next((name for name, one in _FROM_ROOT.items() if one == target), None)
        if shown is not None:
            target = _DOCS / f"{shown}.md"
        elif target.is_dir() or (target.suffix == ".md" and _DOCS not in target.parents):
            return words
        return f"[{words}]({os.path.relpath(target, page.parent)}{mark}{anchor})"

    return _LINK.sub(moved, text)


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace the source of a page by the file at the root, and convert its links."""
    page = file = Path(app.env.doc2path(name))
    text = source[0]
    if name in _FROM_ROOT and _FROM_ROOT[name].exists():
        file = _FROM_ROOT[name]
        text = file.read_text(encoding="utf-8")
        app.env.note_dependency(str(file), docname=name)
    source[0] = for_the_site(text, file=file, page=page)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the conversion of each page's source."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
