"""Sphinx configuration; ``sphinx-build -W -n --keep-going -b html docs build/site`` builds it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from nexhealth_async import __version__

project = "nexhealth_async"
author = "The authors of nexhealth_async"
copyright = "2026, the authors of nexhealth_async"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "docs._sphinx.names",
    "docs._sphinx.tables",
    "docs._sphinx.reference",
    "docs._sphinx.pages",
    "docs._sphinx.shapes",
    "docs._sphinx.commands",
]
exclude_patterns = ["examples", "_sphinx"]

# Pages

smartquotes_action = "D"  # dashes; quotes stay as they are typed
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# The reference

default_role = "py:obj"  # `Walk` in a docstring is a link, or a warning; ``text`` is plain code
add_module_names = False
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True
python_maximum_signature_line_length = 200  # with full names; about 88 as shown
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "inherited-members": True,  # of private bases only: see docs/_sphinx/shapes.py
    "member-order": "bysource",
}
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_use_type_comments = False  # there are none

nitpicky = True
_FOREIGN = (
    *("_pytest", "abc", "aiohttp", "anyio", "asyncio", "attr", "cattrs", "collections"),
    *("contextlib", "datetime", "decimal", "enum", "msgspec", "opentelemetry", "os", "pathlib"),
    *("pytest", "redis", "ssl", "starlette", "types", "typing", "zoneinfo"),
)
nitpick_ignore_regex = [
    # Names of other libraries; links would require downloading their inventories.
    ("py:.*", rf"({'|'.join(_FOREIGN)})\..*"),
]

# Appearance

html_theme = "furo"
html_title = f"nexhealth_async {version}"
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options: dict[str, Any] = {
    "light_css_variables": {
        "color-brand-primary": "#0b5f6b",
        "color-brand-content": "#0b5f6b",
        "color-brand-visited": "#4a5a70",
        "color-api-name": "#0b5f6b",
        "color-api-pre-name": "#0b5f6b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#6fc7d1",
        "color-brand-content": "#6fc7d1",
        "color-brand-visited": "#a9b7c9",
        "color-api-name": "#6fc7d1",
        "color-api-pre-name": "#6fc7d1",
    },
    "navigation_with_keys": True,
}
