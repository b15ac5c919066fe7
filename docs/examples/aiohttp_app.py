"""A patient search on aiohttp.web: ``cleanup_ctx`` opens the session and closes it.

::

    export NEXHEALTH_API_KEY=... NEXHEALTH_SUBDOMAIN=... NEXHEALTH_LOCATION_ID=...
    export NEXHEALTH_API_VERSION=v3  # or v2; without it the account decides
    python aiohttp_app.py
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

from nexhealth_async import (
    InvalidAPIKeyError,
    NexHealth,
    NexHealthError,
    NotFoundError,
    to_builtins,
    to_json,
)

__all__ = ["make_app"]

NEX = web.AppKey("NEX", NexHealth)


def make_app(nex: NexHealth | None = None) -> web.Application:
    """Return the application; without a session it makes one from the environment."""
    app = web.Application(middlewares=[handle_errors])
    app[NEX] = nex or NexHealth(
        subdomain=os.environ["NEXHEALTH_SUBDOMAIN"],
        location_id=int(os.environ["NEXHEALTH_LOCATION_ID"]),
        timeout=10,
        preload=("patients",),
    )
    app.cleanup_ctx.append(session)
    app.router.add_get("/patients", search_patients)
    app.router.add_get(r"/patients/{id:\d+}", show_patient)
    return app


async def session(app: web.Application) -> AsyncIterator[None]:
    """Keep the session open as long as the application runs."""
    async with app[NEX] as nex:
        await nex.log_in()  # a wrong key ends the start, not the first visitor's request
        yield


async def search_patients(request: web.Request) -> web.Response:
    """Search patients by name."""
    name = request.query.get("name")
    if not name:
        raise web.HTTPUnprocessableEntity(text="say which name to search for")
    walk = request.app[NEX].patients.walk(name=name, per_page=20, limit=20)
    return web.json_response([to_builtins(patient) async for patient in walk])


async def show_patient(request: web.Request) -> web.Response:
    """Show one patient."""
    patient = await request.app[NEX].patients.get(int(request.match_info["id"]))
    return web.Response(body=to_json(patient), content_type="application/json")


@web.middleware
async def handle_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors of the library into responses; fastapi_app.py tells more kinds apart."""
    try:
        return await handler(request)
    except NotFoundError:
        return web.json_response({"error": "NotFoundError"}, status=404)
    except NexHealthError as error:
        body = {"error": type(error).__name__}
        return web.json_response(body, status=503, headers={"Retry-After": "5"})


if __name__ == "__main__":
    try:
        web.run_app(make_app(), port=8080, access_log=None)
    except InvalidAPIKeyError as refused:
        raise SystemExit(str(refused)) from None
