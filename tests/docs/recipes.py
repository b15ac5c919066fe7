"""The recipes of the guides, extracted from the example applications.

A line ``<!-- recipe: fastapi_app.py make_app nexhealth -->`` in a guide is followed by a code block
with these definitions of ``docs/examples/fastapi_app.py``. ``python -m tests.docs.recipes`` writes
the blocks anew.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

__all__ = ["DOCS", "GUIDES", "included", "recipe"]

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("backends.md",)

_INCLUDED = re.compile(r"<!-- recipe: (\S+) ([\w ]+) -->\n```python\n.*?```\n", re.DOTALL)


def recipe(file: str, names: list[str]) -> str:
    """Return the source of some definitions of an example, in the given order."""
    source = (DOCS / "examples" / file).read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                name = node.name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                first = node.lineno
            case _:
                continue
        while lines[first - 2].startswith("#"):  # comments above it belong to it
            first -= 1
        found[name] = "".join(lines[first - 1 : node.end_lineno])
    return "\n\n".join(found[name] for name in names)


def included(text: str) -> str:
    """Return a guide with its recipes updated from the examples."""
    return _INCLUDED.sub(
        lambda it: (
            f"<!-- recipe: {it[1]} {it[2]} -->\n```python\n{recipe(it[1], it[2].split())}```\n"
        ),
        text,
    )


if __name__ == "__main__":
    for guide in GUIDES:
        path = DOCS / guide
        path.write_text(included(path.read_text(encoding="utf-8")), encoding="utf-8")
