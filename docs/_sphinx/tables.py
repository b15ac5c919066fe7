"""Tables that are made from the code when the site is built.

A page says where one belongs with a comment on a line of its own: ``<!-- table: operations -->``.
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
"""What makes each table, by the name that pages give it."""

_PLACE: Final = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)


def with_tables(text: str) -> str:
    """Return the text of a page with its tables filled in."""
    return _PLACE.sub(lambda place: TABLES[place[1]]().strip(), text)


def _fill(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = with_tables(source[0])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Fill in the tables of each page before it is read."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
