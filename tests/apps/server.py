"""Start an example application as a separate process: ``python -m tests.apps.server NAME``.

It prints its port on standard output once it serves. Each line on standard input is answered with
its resource counts in JSON. Rate limits are off; otherwise the tests would measure only them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any
from weakref import ref

from nexhealth_async import NexHealth, Rates, RetryPolicy
from nexhealth_async.testing import set_testing

__all__ = ["EXAMPLES", "held", "load_example", "main"]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def load_example(name: str) -> ModuleType:
    """Import an example from its file."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


def held(nex: NexHealth) -> dict[str, int]:
    """Count the resources of this process; called in the loop of the session."""
    gc.collect()
    shared = nex._client.state
    pooled = shared.transport._pooled
    connector: Any = pooled.connector if pooled is not None else None
    status = Path("/proc/self/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return {
        "tasks": len(asyncio.all_tasks()),
        "library_tasks": len(shared.tasks),
        "under_way": shared.rate_limiter._in_flight,
        "connections_taken": len(connector._acquired) if connector is not None else 0,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "objects": len(gc.get_objects()),
        "rss": int(rss.split()[1]) * 1024,
        "requests": shared.stats.requests,
    }


def say(what: object) -> None:
    """Write a line to the parent process."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _answer_looks(session: ref[NexHealth]) -> None:
    # Weakly: a session that nobody closed must be let go of at the end, to say so.
    for _ in sys.stdin:
        say(json.dumps(_looked(session)))


def _looked(session: ref[NexHealth]) -> dict[str, int]:
    nex = session()
    assert nex
    loop = nex._client.state.loop
    assert loop

    async def look() -> dict[str, int]:
        return held(nex)

    return asyncio.run_coroutine_threadsafe(look(), loop).result()


def _session() -> NexHealth:
    return NexHealth(
        version=os.environ.get("NEXHEALTH_VERSION", "v3"),
        subdomain=os.environ["NEXHEALTH_SUBDOMAIN"],
        location_id=int(os.environ["NEXHEALTH_LOCATION_ID"]),
        timeout=float(os.environ.get("NEXHEALTH_TIMEOUT", "20")),
        retry=RetryPolicy(late_commit_window=float(os.environ.get("LATE_COMMIT", "120"))),
        rates=Rates.unlimited(),
    )


def _already_ended(_number: int, _frame: object) -> None:
    pass


def _check_closed(nex: NexHealth | None) -> None:
    if nex is not None and not nex._client.state.closed:
        raise SystemExit("the application left its session open")


def main(name: str) -> None:
    """Serve an example until a signal stops it."""
    if "LOGS" in os.environ:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    set_testing("NO_BACKOFF" in os.environ)
    nex = None if "OWN_SESSION" in os.environ else _session()
    app = load_example(name).make_app(nex)
    if nex is not None:
        Thread(target=_answer_looks, args=(ref(nex),), daemon=True).start()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    port = listening.getsockname()[1]
    if name == "aiohttp_app":
        from aiohttp import web

        async def started(_: web.Application) -> None:
            say(port)

        app.on_startup.append(started)
        web.run_app(app, sock=listening, print=None, access_log=None)
        _check_closed(nex)
        return
    import uvicorn

    class AnnouncingServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if not self.should_exit:
                say(port)

    # uvicorn raises the signal that ended it again when it is done, for the parent process.
    signal.signal(signal.SIGTERM, _already_ended)
    server = AnnouncingServer(
        uvicorn.Config(app, lifespan="on", log_level="warning", access_log=False)
    )
    with contextlib.closing(listening):
        server.run(sockets=[listening])
    if not server.started:
        raise SystemExit(3)
    _check_closed(nex)


if __name__ == "__main__":
    main(sys.argv[1])
    gc.collect()  # what nobody closed says so now
