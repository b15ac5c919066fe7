"""The two diagrams of docs/architecture.md: the layers, and the path of a request.

``python -m tests.docs.diagrams`` redraws them. The layers are read from the import-linter contract
in pyproject.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from attrs import frozen

from tests.docs.generated_parts import DOCS

__all__ = [
    "ABOUT",
    "DRAWINGS",
    "draw",
    "draw_layers",
    "draw_request",
    "is_pure",
    "layers",
    "pure_modules",
]

_ROOT: Final = Path(__file__).parents[2]
_WIDTH: Final = 480
_EDGE: Final = 16
_LETTER: Final = 7.9
"""Assumed width of a letter of a module's name; the widest common font has less."""
_PROSE: Final = 7.4
"""Assumed width of a letter of other texts."""
_CHIP: Final = 24
_PURE: Final = "no network, event loop, clock or random numbers"

ABOUT: Final = {
    "__main__": "python -m nexhealth_async and the console script",
    "cli": "the commands; the fixtures for pytest",
    "fleet": "one pull spread over many processes",
    "export": "targets of bulk copies",
    "testing": "factories, and a sandbox in a thread",
    "session": "NexHealth, the public client",
    "bulk": "resumable pulls; spans; stores that processes share",
    "webhooks": "deliveries verified and handled; bound scopes",
    "resources": "filters, operations and methods of each resource",
    "workflows": "bookings, confirmed writes, find or create",
    "_client": "one call: token, limits, retries, transport",
    "pagination": "walks over lists, pages requested ahead",
    "_protocol": "pure rules of the API; JSON to models",
    "models": "records; exceptions; the sandbox server",
    "_version": "read by the build and the User-Agent",
}
"""Description of each layer, by its first module."""

_STYLE: Final = """
  svg { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; }
  .paper { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; font-size: 13px; }
  .module { font: 13px ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; }
  .you { font-weight: 600; } .layer, .step { fill: #f6f8fa; stroke: #d1d9e0; }
  .loop { fill: none; stroke: #9a6700; stroke-dasharray: 5 4; } .again { fill: #7d4e00; }
  .chip { fill: #ddf4ff; stroke: #54aeff; } .pure { fill: #dafbe1; stroke: #4ac26b; }
  .arrow { stroke: #59636e; stroke-width: 1.5; fill: none; } .head { fill: #59636e; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .layer, .step { fill: #151b23; stroke: #3d444d; } .loop { stroke: #d29922; }
    .again { fill: #e3b341; } .chip { fill: #0c2d4d; stroke: #316dca; }
    .pure { fill: #12361f; stroke: #347d39; } .arrow { stroke: #9198a1; } .head { fill: #9198a1; }
  }
"""


def _contracts() -> list[dict[str, Any]]:
    with (_ROOT / "pyproject.toml").open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return found


def layers() -> list[list[str]]:
    """Return the modules of each layer, the highest first, from the import contract."""
    (found,) = [contract["layers"] for contract in _contracts() if contract["type"] == "layers"]
    return [[name.strip() for name in layer.split("|")] for layer in found]


def pure_modules() -> set[str]:
    """Return the modules that a contract keeps free of network and event loop."""
    (pure,) = [
        contract
        for contract in _contracts()
        if contract["name"].startswith("The protocol rules are pure")
    ]
    return {name.removeprefix("nexhealth_async.") for name in pure["source_modules"]}


def is_pure(name: str, pure: set[str]) -> bool:
    """Tell whether a module, or its package, is in the contract of pure modules."""
    return name in pure or name.partition(".")[0] in pure


def draw_layers() -> str:
    """Draw the layers, the highest first."""
    pure = pure_modules()
    parts: list[str] = []
    y: float = _EDGE
    for names in layers():
        chips, height, end = _chips(names, y + 8, pure)
        words = ABOUT[names[0]]
        beside = end + len(words) * _PROSE < _WIDTH - _EDGE - 10 and height <= _CHIP + 4
        whole = height + (12 if beside else 34)
        sandbox = f'<rect class="layer" x="{_EDGE}" y="{y}" width="{_WIDTH - 2 * _EDGE}" '
        parts += [
            '<g class="group">',
            f'{sandbox}height="{whole}" rx="6"/>',
            *chips,
            _text(end + 4, y + 24.5, words, "quiet")
            if beside
            else _text(_EDGE + 10, y + height + 25, words, "quiet"),
            "</g>",
        ]
        y += whole + 5
    y += 8
    for kind, words in (("pure", _PURE), ("chip", "all others")):
        parts.append(f'<rect class="{kind}" x="{_EDGE}" y="{y}" width="24" height="16" rx="4"/>')
        parts.append(_text(_EDGE + 34, y + 13, words, "quiet"))
        y += 24
    return _sheet("The layers of nexhealth_async: each imports from lower ones only", parts, y + 8)


@frozen
class _Step:
    """One step of a request's path."""

    names: Sequence[str]
    """Modules; empty for the user's code."""
    words: Sequence[str]
    """Lines of text."""
    inside: bool = False
    """True if it is repeated with each attempt."""


_STEPS: Final = (
    _Step((), ("your program: async for patient in location.patients.walk()",)),
    _Step(("scopes", "resources"), ("a typed method, bound to a practice and a location",)),
    _Step(
        ("_protocol.requests", "_protocol.operations"),
        (
            "arguments are checked and encoded as the operation declares;",
            "a call that cannot work is refused here, before it is sent",
        ),
    ),
    _Step(
        ("pagination.page_plans", "pagination.prefetching"),
        ("lists only: which page is next; pages are requested ahead",),
    ),
    _Step(
        ("_client.call", "_client.hooks", "_client.budget"),
        ("one call: its deadline, its hooks, its budget",),
        inside=True,
    ),
    _Step(
        ("_client.token_manager", "_protocol.token_life"),
        ("a valid token; one login for all waiting tasks",),
        True,
    ),
    _Step(
        ("_client.rate_limiter", "_protocol.rate_limits"),
        ("a permit of the rate limiter, first come, first served",),
        True,
    ),
    _Step(("_client.transport",), ("sends and receives; only here is aiohttp used",), True),
    _Step(
        ("_protocol.envelopes", "_protocol.error_mapping"),
        ("splits the envelope; raises the matching exception",),
        True,
    ),
    _Step(
        ("_protocol.retry",),
        ("after a failure: retry, give up, or outcome unknown",),
        inside=True,
    ),
    _Step(
        ("pagination.batch_decoder", "codec"),
        (
            "64 records per turn of the event loop, straight from their",
            "bytes; odd records are repaired and reported",
        ),
    ),
    _Step(("models",), ("a frozen record; its repr shows no personal data",)),
    _Step((), ("your program goes on while the next page is on its way",)),
)


def draw_request() -> str:
    """Draw the path of a request, from the call to the record."""
    pure = pure_modules()
    parts: list[str] = []
    y: float = _EDGE
    begun: float | None = None
    for number, step in enumerate(_STEPS):
        if step.inside and begun is None:
            y += 10
            begun = y - 8
        if not step.inside and begun is not None:
            parts += _loop(begun, y - 12)
            begun = None
            y += 10
        drawn, height = _step(step, y, pure)
        parts += drawn
        y += height
        if number < len(_STEPS) - 1:
            parts += _arrow(y)
            y += 20
    return _sheet("The path of a request through nexhealth_async", parts, y + _EDGE)


def _step(step: _Step, y: float, pure: set[str]) -> tuple[list[str], float]:
    left = _EDGE + 12 if step.inside else _EDGE
    chips, height, _ = _chips(step.names, y + 8, pure, left=left) if step.names else ([], 0, 0)
    whole = height + 12 + 18 * len(step.words) + (6 if step.names else 4)
    sandbox = f'<rect class="step" x="{left}" y="{y}" width="{_WIDTH - 2 * left}" '
    first = y + height + (25 if step.names else 20)
    kind = "quiet" if step.names else "you"
    lines = [_text(left + 10, first + 18 * at, words, kind) for at, words in enumerate(step.words)]
    return [f'{sandbox}height="{whole}" rx="6"/>', *chips, *lines], whole


def _loop(top: float, bottom: float) -> Iterator[str]:
    sandbox = f'<rect class="loop" x="{_EDGE}" y="{top}" width="{_WIDTH - 2 * _EDGE}" '
    yield f'{sandbox}height="{bottom - top}" rx="8"/>'
    yield _text(_WIDTH - _EDGE - 24, top + 33, "again for each attempt", "again", "end")


def _arrow(y: float) -> Iterator[str]:
    middle = _WIDTH / 2
    yield f'<path class="arrow" d="M{middle} {y + 1}v11"/>'
    yield f'<path class="head" d="M{middle - 5} {y + 11}h10l-5 8z"/>'


def _chips(
    names: Iterable[str], y: float, pure: set[str], *, left: float = _EDGE
) -> tuple[list[str], float, float]:
    """Draw module names in as many rows as they need; return the height and the last x."""
    parts: list[str] = []
    x, top = left + 8, y
    for name in names:
        width = len(name) * _LETTER + 16
        if x + width > _WIDTH - left - 8:
            x, y = left + 8, y + _CHIP + 5
        kind = "pure" if is_pure(name, pure) else "chip"
        place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_CHIP}" rx="5"'
        parts.append(f'<rect class="{kind}" {place}/>')
        parts.append(_text(x + width / 2, y + 16.5, name, "module", "middle"))
        x += width + 6
    return parts, y - top + _CHIP + 4, x


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(words)}</text>"


def _sheet(about: str, parts: Iterable[str], height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'width="{_WIDTH}" height="{height:.0f}" role="img" aria-labelledby="t">\n'
        f'<title id="t">{escape(about)}</title>\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="{_WIDTH}" height="{height:.0f}" rx="6"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


DRAWINGS: Final = {"layers.svg": draw_layers, "request.svg": draw_request}


def draw() -> None:
    """Write the diagrams."""
    for name, drawn in DRAWINGS.items():
        (DOCS / name).write_text(drawn(), encoding="utf-8")


if __name__ == "__main__":
    draw()
