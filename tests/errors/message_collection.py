"""Collects what the library can say: rendered samples of each error class, and every text in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import nexhealth_async
from nexhealth_async import errors
from nexhealth_async.cli.error_messages import sentence
from tests.errors.samples import samples

__all__ = ["APPROVED", "collected", "texts"]

APPROVED = Path(__file__).with_name("messages.txt")
PACKAGE = Path(nexhealth_async.__file__).parent
SAYING = {*errors.__all__, "Quit", "_no_connection", "_Unfit", "make", "warn"}
"""What is called with a text that reaches a user."""


def collected() -> str:
    """All that is said, as text; the sandbox speaks for the vendor, and is left out."""
    lines = ["Each error as Python and as a shell shows it", ""]
    for error in samples():
        told = [type(error).__name__, f"  python: {error}"]
        shell = sentence(error)
        lines += [*told, *([f"  shell:  {shell}"] if shell != str(error) else []), ""]
    lines += ["Every text in the package", ""]
    home = ""
    for module, text in texts():
        if module != home:
            lines += [module]
            home = module
        lines += [f"  {text}"]
    return "\n".join(lines) + "\n"


def texts() -> Iterator[tuple[str, str]]:
    """Every text that an error or warning is made with, beside its module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if not module.startswith(("sandbox/", "testing/")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from ((module, text) for text in _said(tree))


def _said(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in SAYING:
            spoken = node.args[1:2] if _name(node.func) == "make" else node.args[:1]
            yield from (text for one in spoken if (text := _text(one)) and " " in text)


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.FormattedValue(value=value):
            return f"{{{ast.unparse(value)}}}"
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
        case _:
            return ""
