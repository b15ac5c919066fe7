"""Webhook routes for Starlette and FastAPI applications.

::

    receiver = Receiver(secret, handle)

    @asynccontextmanager
    async def lifespan(app):
        async with receiver:
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_route("/nexhealth", endpoint(receiver), methods=["POST"])

In Starlette, use ``Route("/nexhealth", endpoint(receiver), methods=["POST"])``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from nexhealth_async.webhooks import Receiver

__all__ = ["Receiver", "endpoint"]

_CLIENT_DISCONNECTED = 400


def endpoint(receiver: Receiver) -> Callable[[Request], Awaitable[Response]]:
    """Return a request handler; start and close the receiver in the application's lifespan."""

    async def webhook(request: Request) -> Response:
        announced = request.headers.get("content-length", "")
        length = int(announced) if announced.isascii() and announced.isdigit() else None
        try:
            status = await receiver.receive_stream(request.headers, request.stream(), length=length)
        except ClientDisconnect:
            status = _CLIENT_DISCONNECTED
        return Response(status_code=status)

    return webhook
