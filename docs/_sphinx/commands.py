"""Directive ``command-line``: the help of every command of ``nexhealth``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sphinx.util.docutils import SphinxDirective

from nexhealth_async.cli.app import build_app

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

__all__ = ["setup"]


_OPTION: Final = re.compile(r"(?<![`\w-])(--[a-z]\w*)(?=[\s.,;:)])(?![^`\n]*`:)")
"""An option in prose, outside of code."""


class _CommandLine(SphinxDirective):
    """Every command with its options, from the Markdown that cyclopts generates."""

    def run(self) -> list[Node]:
        text = build_app().generate_docs("markdown")
        _, _, commands = text.partition("\n## nexhealth ")
        text = _OPTION.sub(r"`\1`", f"## nexhealth {commands}")
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("command-line", _CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
