"""The worked example of CONTRIBUTING.md, parsed into steps, and its patches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from attrs import field, frozen

__all__ = ["PAGE", "ExampleStep", "apply", "steps_of"]

PAGE: Final = Path(__file__).parents[2] / "CONTRIBUTING.md"
PYTHON: Final = ".venv/bin/python "

_HEADING: Final = re.compile(r"^### (Step \d+: .+)$", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@frozen(kw_only=True)
class ExampleStep:
    """One step: its changes, its commands and their expected output."""

    title: str
    patches: tuple[str, ...] = field(repr=False)
    commands: tuple[tuple[str, ...], ...]
    """Arguments of Python, command by command."""
    announced: str
    """The message that names the next step; empty where the commands succeed."""


def steps_of(page: str) -> list[ExampleStep]:
    """Parse the steps of a page."""
    _, *parts = _HEADING.split(page)
    return [
        _step(title, text.split("\n## ")[0])
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def _step(title: str, text: str) -> ExampleStep:
    blocks = _BLOCK.findall(text)
    lines = [line for kind, code in blocks if kind == "sh" for line in code.splitlines()]
    assert all(line.startswith(PYTHON) for line in lines), f"{title} runs something else: {lines}"
    return ExampleStep(
        title=title,
        patches=tuple(code for kind, code in blocks if kind == "diff"),
        commands=tuple(tuple(line.removeprefix(PYTHON).split()) for line in lines),
        announced=" ".join(" ".join(code.split()) for kind, code in blocks if kind == "text"),
    )


def apply(patch: str, root: Path) -> None:
    """Change the files of a tree as a patch says.

    Its hunks have no line numbers, which change too often: the context must be found exactly once.
    A missing file is created.
    """
    for part in re.split(r"^--- ", patch, flags=re.MULTILINE)[1:]:
        name, *hunks = re.split(r"^@@\n", part, flags=re.MULTILINE)
        file = root / name.strip()
        if not file.exists():
            (whole,) = hunks
            file.write_text(_side(whole, "+"), encoding="utf-8")
            continue
        text = file.read_text(encoding="utf-8")
        for hunk in hunks:
            before, after = _side(hunk, "-"), _side(hunk, "+")
            places = f"\n{text}".count(f"\n{before}")
            assert places == 1, f"CONTRIBUTING.md: {name.strip()} has {places} times:\n{before}"
            text = f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:]
        file.write_text(text, encoding="utf-8")


def _side(hunk: str, sign: str) -> str:
    """The lines of one side of a hunk."""
    lines = hunk.splitlines(keepends=True)
    return "".join(line[1:] or "\n" for line in lines if line[:1] in (" ", sign, "\n"))
