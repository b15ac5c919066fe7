"""A patient search on Starlette: the lifespan opens the session and hands it to every request.

::

    export NEXHEALTH_API_KEY=... NEXHEALTH_SUBDOMAIN=... NEXHEALTH_LOCATION_ID=...
    export NEXHEALTH_API_VERSION=v3  # or v2; without it the account decides
    uvicorn --factory starlette_app:make_app --no-access-log
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nexhealth_async import NexHealth, NexHealthError, NotFoundError, to_builtins, to_json

__all__ = ["make_app"]


class State(TypedDict):
    """What requests find in ``request.state``."""

    nex: NexHealth


def make_app(nex: NexHealth | None = None) -> Starlette:
    """Return the application; without a session it makes one from the environment."""
    session = nex or NexHealth(
        subdomain=os.environ["NEXHEALTH_SUBDOMAIN"],
        location_id=int(os.environ["NEXHEALTH_LOCATION_ID"]),
        timeout=10,
        preload=("patients",),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[State]:
        async with session:
            await session.log_in()  # a wrong key ends the start, not the first visitor's request
            yield {"nex": session}

    return Starlette(
        routes=[Route("/patients", search_patients), Route("/patients/{id:int}", show_patient)],
        lifespan=lifespan,
        exception_handlers={NexHealthError: refuse},
    )


async def search_patients(request: Request[State]) -> Response:
    """Search patients by name."""
    name = request.query_params.get("name")
    if not name:
        raise HTTPException(422, "say which name to search for")
    walk = request.state["nex"].patients.walk(name=name, per_page=20, limit=20)
    return JSONResponse([to_builtins(patient) async for patient in walk])


async def show_patient(request: Request[State]) -> Response:
    """Show one patient."""
    patient = await request.state["nex"].patients.get(request.path_params["id"])
    return Response(to_json(patient), media_type="application/json")


async def refuse(_: Request, error: Exception) -> Response:
    """Turn an error of the library into a response; fastapi_app.py tells more kinds apart."""
    if isinstance(error, NotFoundError):
        return JSONResponse({"error": "NotFoundError"}, 404)
    return JSONResponse({"error": type(error).__name__}, 503, {"Retry-After": "5"})
