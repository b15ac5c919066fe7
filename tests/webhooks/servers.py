"""Receivers behind real servers on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import uvicorn
from aiohttp import web
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route

from nexhealth_async.webhooks import Receiver
from nexhealth_async.webhooks import aiohttp as for_aiohttp
from nexhealth_async.webhooks import starlette as for_starlette

__all__ = ["PATH", "SERVERS", "Serve"]

PATH = "/nexhealth"
Serve: TypeAlias = Callable[[Receiver], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def by_aiohttp(receiver: Receiver) -> AsyncGenerator[str]:
    """Serve by aiohttp.web."""
    app = web.Application()
    for_aiohttp.add_receiver(app, PATH, receiver)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    with _listening() as sock:
        try:
            await web.SockSite(runner, sock).start()
            yield _address(sock)
        finally:
            await runner.cleanup()


@asynccontextmanager
async def by_starlette(receiver: Receiver) -> AsyncGenerator[str]:
    """Serve by Starlette under uvicorn."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with receiver:
            yield

    route = Route(PATH, for_starlette.endpoint(receiver), methods=["POST"])
    async with _uvicorn(Starlette(routes=[route], lifespan=lifespan)) as url:
        yield url


@asynccontextmanager
async def by_fastapi(receiver: Receiver) -> AsyncGenerator[str]:
    """Serve by FastAPI under uvicorn."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with receiver:
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_route(PATH, for_starlette.endpoint(receiver), methods=["POST"])
    async with _uvicorn(app) as url:
        yield url


@asynccontextmanager
async def _uvicorn(app: Any) -> AsyncGenerator[str]:
    config = uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with _listening() as sock:
        task = asyncio.create_task(server._serve([sock]))  # `serve` would take over our signals
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
            yield _address(sock)
        finally:
            server.should_exit = True
            await task


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _address(sock: socket.socket) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}{PATH}"


SERVERS: dict[str, Serve] = {
    "aiohttp": by_aiohttp,
    "starlette": by_starlette,
    "fastapi": by_fastapi,
}
