"""Run ``python -m tests.bulk.kill --moments 50``: kills for each target in both versions."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bulk.kill.child import KINDS
from tests.bulk.kill.harness import killed_pulls
from tests.export.postgres_server import new_database, running_server

_VERSIONS = ("v2", "v3")


async def _main(kinds: list[str], moments: int, seed: int) -> None:
    for kind in kinds:
        for version in _VERSIONS:
            for recopies in (False, True):
                with tempfile.TemporaryDirectory(prefix="nexkill") as folder:
                    async with AsyncExitStack() as stack:
                        await _one(
                            kind,
                            version,
                            Path(folder),
                            stack,
                            moments=moments // 4,
                            seed=seed,
                            recopies=recopies,
                        )


async def _one(
    kind: str,
    version: str,
    folder: Path,
    stack: AsyncExitStack,
    *,
    moments: int,
    seed: int,
    recopies: bool,
) -> None:
    if kind == "postgres":
        server = stack.enter_context(running_server())
        places = [await stack.enter_async_context(new_database(server)) for _ in range(moments + 1)]
        waiting = iter(places)
    else:
        waiting = (str(folder / f"copy{number}") for number in itertools.count())
    tally = await killed_pulls(
        kind,
        version,
        moments=moments,
        seed=seed,
        new_place=lambda: next(waiting),
        recopies=recopies,
    )
    print(  # noqa: T201 - a command
        f"{kind:9}{version}  {'anew' if recopies else '    '}  {tally.moments} killed, "
        f"{tally.copies} copies equal the truth, "
        f"at most {tally.most} kills each, {tally.pages} pages, {tally.seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50, help="kills of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="target")
    asked = parser.parse_args()
    asyncio.run(_main(asked.kinds or list(KINDS), asked.moments, asked.seed))
