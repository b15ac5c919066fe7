"""Headless Chromium, controlled by its DevTools protocol."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from attrs import Factory, define

from tests.docs.site.built import missing

__all__ = ["BrowserTab", "browser", "served"]

_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--remote-debugging-port=0"),
)
_PATIENCE: Final = 30.0


@define
class BrowserTab:
    """One tab, and its requests and errors since the last page was opened."""

    _socket: aiohttp.ClientWebSocketResponse
    _asked: int = 0
    complaints: list[str] = Factory(list[str])
    requests: list[str] = Factory(list[str])
    _loads: int = 0

    async def call(self, method: str, **arguments: object) -> dict[str, Any]:
        """Send a command, and return its result."""
        self._asked += 1
        number = self._asked
        await self._socket.send_json({"id": number, "method": method, "params": arguments})
        while True:
            said = await self._next()
            if said.get("id") == number:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    async def open(self, address: str) -> None:
        """Open a page, and wait until it is loaded."""
        self.complaints.clear()
        self.requests.clear()
        loads = self._loads
        await self.call("Page.navigate", url=address)
        while self._loads == loads:
            await self._next()

    async def value(self, expression: str) -> Any:
        """Evaluate an expression of JavaScript; a promise is awaited."""
        said = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def resize(self, width: int, height: int) -> None:
        """Resize the window."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def prefer(self, scheme: str) -> None:
        """Set the preferred colour scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def _next(self) -> dict[str, Any]:
        said: dict[str, Any] = await asyncio.wait_for(self._socket.receive_json(), _PATIENCE)
        about: dict[str, Any] = said.get("params", {})
        match said.get("method"):
            case "Page.loadEventFired":
                self._loads += 1
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(about["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if about["type"] in {"error", "warning", "assert"}:
                self.complaints.append(str(about["args"]))
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url')}")
            case _:
                pass
        return said


@asynccontextmanager
async def browser() -> AsyncGenerator[BrowserTab]:
    """Run Chromium with a temporary profile; skips where it is missing, but not under CI."""
    program = shutil.which("chromium")
    if program is None:
        missing("Chromium", "Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        running = subprocess.Popen(  # noqa: S603, ASYNC220 - a tool of this machine
            [str(program), *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile, "DevToolsActivePort"), running)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
                async with http.put("/json/new") as reply:
                    address = (await reply.json())["webSocketDebuggerUrl"]
                async with http.ws_connect(address, max_msg_size=0) as socket:
                    tab = BrowserTab(socket)
                    for domain in ("Page", "Network", "Runtime", "Log"):
                        await tab.call(f"{domain}.enable")
                    yield tab
        finally:
            running.terminate()
            running.wait(_PATIENCE)


async def _port(file: Path, running: subprocess.Popen[bytes]) -> str:
    """Wait until the browser reports its address."""
    async with asyncio.timeout(_PATIENCE):
        while not (said := _text(file)):
            if running.poll() is not None:
                pytest.fail("Chromium ended at once")
            await asyncio.sleep(0.02)
    return said.split()[0]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


@asynccontextmanager
async def served(folder: Path) -> AsyncGenerator[str]:
    """Serve a folder from the loopback interface."""
    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, port, *_ = runner.addresses[0]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
