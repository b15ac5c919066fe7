"""Tables that are generated from the code when the site is built.

A page marks the position of a table by a line with a comment: ``<!-- table: operations -->``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from docs._sphinx import bulk_table, operation_tables, version_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

__all__ = ["TABLES", "setup", "with_tables"]

TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "added": version_tables.added,
    "counts": operation_tables.counts,
    "fields": version_tables.fields,
    "filters": version_tables.filters,
    "gone": version_tables.gone,
    "guarantees": bulk_table.guarantees_table,
    "login": operation_tables.login,
    "moved": version_tables.moved,
    "operations": operation_tables.operations_tables,
    "paging": version_tables.paging,
    "rules": version_tables.rules,
}
"""Functions that return the tables, by the names in the comments."""

_PLACE: Final = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)


def with_tables(text: str) -> str:
    """Return the text of a page with its tables in place of the comments."""
    return _PLACE.sub(lambda place: TABLES[place[1]]().strip(), text)


def _fill(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = with_tables(source[0])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the insertion of tables into each page's source."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
