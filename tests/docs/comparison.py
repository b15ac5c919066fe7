"""The figures in docs/compared.md, taken from benchmarks/RESULTS.md.

``python -m tests.docs.comparison`` updates them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.docs.generated_parts import GeneratedPart, write

__all__ = ["PARTS", "RESULTS", "figures", "result_rows"]

RESULTS: Final = Path(__file__).parents[2] / "benchmarks" / "RESULTS.md"

_PULLS: Final = (
    "Pulling light records, 1,000 a page",
    "Pulling wide records, 1,000 a page",
)
_STALL: Final = "Stall of the event loop, light records, 1,000 a page"
_CLIENTS: Final = (
    "aiohttp + orjson, dicts",
    "aiohttp + orjson + cattrs",
    "httpx + pydantic",
    "generated client (httpx, attrs)",
    "**walk, models**",
    "**walk `.raw()`, dicts**",
    "**walk `.raw_json()`, bytes**",
)


def result_rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of a table of the results by their first one; medians without the spread."""
    _, found, below = RESULTS.read_text(encoding="utf-8").partition(f"### {heading}\n")
    if not found:
        raise LookupError(f"RESULTS.md has no {heading!r}")
    rows: dict[str, list[str]] = {}
    for line in below.partition("\n#")[0].splitlines():
        if line.startswith("|"):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name] = [cell.partition(" ")[0] for cell in cells]
    return rows


def figures() -> str:
    """Return the CPU of pulls beside the peers, and how long each stops the event loop."""
    light, wide = (result_rows(heading) for heading in _PULLS)
    stall = result_rows(_STALL)
    about = (
        "CPU seconds for 100,000 records at 1,000 a page, and the 99th percentile of how long the "
        "event loop was held up by the work (light records). Medians of one run; differences under "
        "15 % are noise."
    )
    lines = [
        about,
        "",
        "| client | light, CPU s | wide, CPU s | loop held up, ms |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {light[name][0]} | {wide[name][0]} | {stall.get(name, [''])[0]} |"
        for name in _CLIENTS
    ]
    return "\n".join(lines)


PARTS: Final = (GeneratedPart("compared.md", "figures", figures),)


if __name__ == "__main__":
    write(PARTS)
