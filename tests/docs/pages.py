"""Pages whose code is run from top to bottom.

Every ``python`` block of a page runs, in order and in one namespace, as if it were typed into
IPython: ``await`` needs no function around it, and one event loop serves them all. A ``text`` block
is what the ``python`` block before it prints.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from nexhealth_async import NexHealth
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from sybil.example import Example

__all__ = ["DOCS", "CodeBlock", "as_module", "blocks_of", "code_of", "run", "run_block"]

DOCS = Path(__file__).parents[2] / "docs"


@frozen(kw_only=True)
class CodeBlock:
    """A block of Python, and its expected output."""

    page: Path
    line: int
    """Line of its fence; the code begins in the next one."""
    code: str
    shown: str


def code_of(page: Path, *languages: str) -> list[tuple[str, int, str]]:
    """Return language, line and text of a page's blocks in these languages, in order."""
    found: list[tuple[str, int, str]] = []

    def noted(language: str) -> CodeBlockParser:
        def note(example: Example) -> None:
            found.append((language, example.line, str(example.parsed)))

        return CodeBlockParser(language, evaluator=note)

    for example in Document.parse(str(page), *map(noted, languages)).examples():
        example.evaluate()
    return found


def blocks_of(page: Path) -> list[CodeBlock]:
    """Return a page's Python blocks, each with the ``text`` block behind it."""
    found = code_of(page, "python", "text")
    behind = [*found[1:], ("", 0, "")]
    blocks: list[CodeBlock] = []
    for (language, line, code), (next_language, _, text) in zip(found, behind, strict=True):
        if language == "python":
            shown = text if next_language == "text" else ""
            blocks.append(CodeBlock(page=page, line=line, code=code, shown=shown))
    return blocks


def run(page: Path) -> dict[str, Any]:
    """Run a page, check its output, and return its names."""
    names: dict[str, Any] = {"__name__": page.stem}
    gc.collect()  # what earlier tests left would hold up a page that looks at the clock
    with asyncio.Runner() as runner:
        try:
            for block in blocks_of(page):
                printed = StringIO()
                with redirect_stdout(printed):
                    _execute(block, names, runner)
                said = printed.getvalue()
                assert said == block.shown, f"{page.name}, line {block.line}, prints:\n{said}"
        finally:
            runner.run(_close(names))
    return names


def _execute(block: CodeBlock, names: dict[str, Any], runner: asyncio.Runner) -> None:
    waiting = _evaluated(block, names)
    if inspect.iscoroutine(waiting):
        runner.run(waiting)


async def run_block(block: CodeBlock, names: dict[str, Any]) -> None:
    """Run one block in the running loop, as a notebook does."""
    waiting = _evaluated(block, names)
    if inspect.isawaitable(waiting):
        await waiting


def _evaluated(block: CodeBlock, names: dict[str, Any]) -> object:
    tree = ast.increment_lineno(ast.parse(block.code), block.line)
    code = compile(tree, block.page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return eval(code, names)  # noqa: S307 - our own page


async def _close(names: dict[str, Any]) -> None:
    """Close what a page leaves open: sessions before servers."""
    for kind in (NexHealth, Sandbox):
        for left in [value for value in names.values() if isinstance(value, kind)]:
            await (left.aclose() if isinstance(left, NexHealth) else left.stop())


def as_module(page: Path) -> str:
    """Return a page's Python as one function, with the line numbers of the page."""
    lines = [""] * (len(page.read_text(encoding="utf-8").splitlines()) + 1)
    lines[0] = "async def page() -> None:"
    for block in blocks_of(page):
        for at, line in enumerate(block.code.splitlines(), block.line):
            lines[at] = f"    {line}".rstrip()
    return "\n".join(lines) + "\n"
