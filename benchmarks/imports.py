"""Import times, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.alone import ensure_bytecode
from benchmarks.measure import Figures, Scale, interleave
from benchmarks.report import Table, median_text, range_text

__all__ = ["measure", "tables"]

_ROOT = Path(__file__).parents[1]
_CODE = {
    "aiohttp": "import aiohttp",
    "package": "import nexhealth_async",
    "session": "from nexhealth_async import NexHealth",
    "patient": "from nexhealth_async import NexHealth, codec, models; "
    "codec.Codec().decode(models.Patient, b'{\"id\": 1}')",
    "httpx": "import httpx",
    "pydantic": "import pydantic; pydantic.BaseModel",
}
_LABELS = {
    "aiohttp": "`import aiohttp`",
    "package": "**`import nexhealth_async`**, which loads names when they are asked for",
    "session": "**`from nexhealth_async import NexHealth`**",
    "patient": "**the same, and the first patient decoded**",
    "httpx": "`import httpx`",
    "pydantic": "`import pydantic`",
}


def _cpu(code: str) -> float:
    timed = f"import time; b = time.process_time(); {code}; print(time.process_time() - b)"
    done = subprocess.run(
        [sys.executable, "-c", timed],
        cwd=_ROOT,
        env=ensure_bytecode(),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout) * 1000


def measure(scale: Scale, figures: Figures) -> None:
    """Measure CPU milliseconds; the first round may compile modules and is not counted."""
    names = scale.of(tuple(_CODE), ("aiohttp", "session"))
    for name in names:
        _cpu(_CODE[name])
    for round_ in range(scale.of(2 * scale.rounds, 1)):
        for name in interleave(names, round_):
            figures.add(f"imports.{name}", _cpu(_CODE[name]))


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [
        Table(
            title="Import",
            note="CPU milliseconds above a bare interpreter's start, in a fresh one.",
            heads=("what", "CPU ms", "x `import aiohttp`"),
            rows=[
                (
                    label,
                    range_text(figures[f"imports.{name}"], 0),
                    median_text(figures.ratios(f"imports.{name}", "imports.aiohttp")),
                )
                for name, label in _LABELS.items()
                if f"imports.{name}" in figures
            ],
        )
    ]
