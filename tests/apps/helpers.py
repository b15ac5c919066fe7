"""Helpers that run an example application in a separate process and query it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attrs import define, field

from tests.apps.server import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from nexhealth_async.sandbox import Sandbox

__all__ = ["APPS", "WEBHOOK_SECRET", "RunningApp", "environment", "python", "running"]

APPS = ("fastapi_app", "starlette_app", "aiohttp_app", "litestar_app")
WEBHOOK_SECRET = "invented-webhook-secret"
ROOT = EXAMPLES.parents[1]


@define(kw_only=True)
class RunningApp:
    """A running application."""

    url: str
    process: asyncio.subprocess.Process = field(repr=False)

    async def held(self) -> dict[str, int]:
        """Ask for the resources that the process holds; see `tests.apps.server.held`."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"\n")
        return cast("dict[str, int]", json.loads(await self.process.stdout.readline()))

    async def ended(self) -> tuple[int, str]:
        """Wait until it has exited: the exit code, and standard error."""
        _, said = await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode is not None
        return self.process.returncode, said.decode()

    async def terminate(self) -> tuple[int, str]:
        """Stop it with SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()


def unlogged(said: str) -> str:
    """Return the standard error of an example, without the failures that it is expected to log."""
    return "".join(
        line for line in said.splitlines(keepends=True) if not line.startswith("answered 5")
    )


def environment(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """Return the environment that a process needs to reach a sandbox."""
    return {
        **os.environ,
        "NEXHEALTH_API_KEY": sandbox.api_key,
        "NEXHEALTH_BASE_URL": sandbox.url,
        "NEXHEALTH_SUBDOMAIN": sandbox.subdomain,
        "NEXHEALTH_LOCATION_ID": str(sandbox.location_id),
        "NEXHEALTH_WEBHOOK_SECRET": WEBHOOK_SECRET,
        **more,
    }


async def python(
    *arguments: str | Path, env: dict[str, str], cwd: Path = ROOT
) -> asyncio.subprocess.Process:
    """Start Python with all warnings on, those about unclosed resources included."""
    # Not in development mode: there asyncio complains of a busy machine, too.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "always", *arguments),
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(
    name: str, sandbox: Sandbox, *, starts: bool = True, **more: str
) -> AsyncGenerator[RunningApp]:
    """Run an example until the end of the block at the latest."""
    process = await python("-m", "tests.apps.server", name, env=environment(sandbox, **more))
    assert process.stdout
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        app = RunningApp(url=f"http://127.0.0.1:{line.decode().strip()}", process=process)
        if not line and starts:
            raise AssertionError(await app.ended())
        yield app
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
