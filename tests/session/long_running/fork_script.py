"""Script of `test_fork`, in a separate interpreter: fork beside an open session, and report.

Prints a line of JSON for each process: what was tried, and the error's class and text, or null.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from nexhealth_async import NexHealth
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def tried(use: Callable[[], Coroutine[Any, Any, Any]], how: str) -> tuple[str, str] | None:
    """Use the session in a forked child, in the parent's loop or in a new one."""
    try:
        if how == "in a new loop":
            asyncio.run(_bounded(use))
        else:
            work = use()
            work.send(None)
            work.close()
            return "Pending", "it waits, for what only the parent's loop could bring"
    except StopIteration:
        return None
    except BaseException as error:  # noqa: BLE001 - any error is a result
        return type(error).__name__, str(error)
    return None


async def _bounded(use: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async with asyncio.timeout(1):
        await use()


async def main(how: str) -> None:
    """Fork with walks in flight; the child tries everything, the parent continues."""
    async with (
        Sandbox(patients=25, seed=1) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        sandbox.page_cap = 5
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        fresh = location.patients.walk(new_patient=None)
        idle = location.patients.walk(new_patient=None, prefetch=0)
        busy = location.patients.walk(new_patient=None, prefetch=3)
        for walk in (idle, busy):
            for _ in range(5):
                await anext(walk)
        uses: dict[str, Callable[[], Any]] = {
            "a call": lambda: nex.institutions.get(1),
            "a scope": lambda: location.patients.get(1),
            "a copy": lambda: nex.with_options(timeout=5).institutions.get(1),
            "a write": lambda: location.appointment_types.create(name="Polish", minutes=30),
            "a login": nex.log_in,
            "a count": lambda: location.patients.walk(new_patient=None).count(),
            "a walk made before": lambda: _next(fresh),
            "a walk begun before": lambda: _next(idle),
            "a walk with pages on their way": lambda: _next(busy),
            "a download": nex.download("/documents/1/download").__aenter__,
        }
        if how == "where the loop stands":
            uses["closing"] = nex.aclose
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            print(json.dumps({name: tried(use, how) for name, use in uses.items()}), flush=True)  # noqa: T201 - its report
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222 - nothing of the parent's may move meanwhile
        rest = len([one async for one in busy])
        print(json.dumps({"rest": rest, "logins": sandbox.logins}), flush=True)  # noqa: T201 - its report


async def _next(walk: Any) -> object:
    return await anext(walk)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
