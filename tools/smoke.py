"""Smoke test of an installed package, outside any tree; ``nox -s release`` runs it.

It prints one line, and fails if anything differs from the tree.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nexhealth_async
from nexhealth_async import NexHealth
from nexhealth_async.sandbox import Sandbox


async def _walked() -> int:
    async with (
        Sandbox(patients=700, seed=1) as box,
        NexHealth(box.api_key, base_url=box.url) as nex,
    ):
        location = nex.practice(box.subdomain).location(box.location_id)
        return len([patient async for patient in location.patients.walk()])


def main() -> None:
    """Import, ask for help, walk."""
    home = Path(nexhealth_async.__file__).parent
    if home.parent.name != "site-packages":
        raise SystemExit(f"this is not the installed package, but {home}")
    if nexhealth_async.__version__ != version("nexhealth-async"):
        raise SystemExit("__version__ and the metadata differ")
    command = Path(sys.executable).with_name("nexhealth")
    done = subprocess.run(  # noqa: S603 - the command that was just installed
        [command, "--help"], capture_output=True, text=True, check=True
    )
    if "pull" not in done.stdout:
        raise SystemExit("nexhealth --help does not name its commands")
    walked = asyncio.run(_walked())
    if walked != 700:  # noqa: PLR2004 - as many as the sandbox was given
        raise SystemExit(f"700 patients, and {walked} were walked")
    sys.stdout.write(f"{nexhealth_async.__version__} imports, helps and walks\n")


if __name__ == "__main__":
    main()
