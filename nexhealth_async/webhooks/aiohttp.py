"""Webhook routes for aiohttp.web applications.

::

    receiver = Receiver(secret, handle)
    app = web.Application()
    add_receiver(app, "/nexhealth", receiver)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from aiohttp import web

from nexhealth_async.webhooks import Receiver

__all__ = ["Receiver", "add_receiver", "endpoint"]

_CLIENT_DISCONNECTED = 400


def add_receiver(app: web.Application, path: str, receiver: Receiver) -> None:
    """Add a route for deliveries; the receiver starts and closes with the application."""

    async def life(_: web.Application) -> AsyncGenerator[None]:
        async with receiver:
            yield

    app.cleanup_ctx.append(life)
    app.router.add_post(path, endpoint(receiver))


def endpoint(receiver: Receiver) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a request handler for a receiver that you start and close."""

    async def webhook(request: web.Request) -> web.Response:
        try:
            status = await receiver.receive_stream(
                request.headers, request.content.iter_any(), length=request.content_length
            )
        except ConnectionResetError:  # aiohttp would log a disconnect as an error
            status = _CLIENT_DISCONNECTED
        return web.Response(status=status)

    return webhook
