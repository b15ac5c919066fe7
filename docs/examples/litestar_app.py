"""A patient search on Litestar: the lifespan opens the session, a dependency hands it out.

::

    export NEXHEALTH_API_KEY=... NEXHEALTH_SUBDOMAIN=... NEXHEALTH_LOCATION_ID=...
    export NEXHEALTH_API_VERSION=v3  # or v2; without it the account decides
    uvicorn --factory litestar_app:make_app --no-access-log
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeAlias

from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from nexhealth_async import NexHealth, NexHealthError, NotFoundError, to_builtins, to_json
from nexhealth_async.models import JSON

__all__ = ["make_app"]

AnyRequest: TypeAlias = Request[object, object, State]


def make_app(nex: NexHealth | None = None) -> Litestar:
    """Return the application; without a session it makes one from the environment."""
    session = nex or NexHealth(
        subdomain=os.environ["NEXHEALTH_SUBDOMAIN"],
        location_id=int(os.environ["NEXHEALTH_LOCATION_ID"]),
        timeout=10,
        preload=("patients",),
    )

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        async with session:
            await session.log_in()  # a wrong key ends the start, not the first visitor's request
            yield

    return Litestar(
        [search_patients, show_patient],
        dependencies={"nex": Provide(lambda: session, sync_to_thread=False)},
        exception_handlers={NexHealthError: refuse},
        lifespan=[lifespan],
    )


@get("/patients")
async def search_patients(
    nex: NamedDependency[NexHealth], name: FromQuery[str]
) -> list[dict[str, JSON]]:
    """Search patients by name."""
    walk = nex.patients.walk(name=name, per_page=20, limit=20)
    return [to_builtins(patient) async for patient in walk]


@get("/patients/{id:int}", media_type=MediaType.JSON)
async def show_patient(nex: NamedDependency[NexHealth], id: FromPath[int]) -> bytes:
    """Show one patient."""
    return to_json(await nex.patients.get(id))


def refuse(_: AnyRequest, error: NexHealthError) -> Response[dict[str, str]]:
    """Turn an error of the library into a response; fastapi_app.py tells more kinds apart."""
    if isinstance(error, NotFoundError):
        return Response({"error": "NotFoundError"}, status_code=404)
    body = {"error": type(error).__name__}
    return Response(body, status_code=503, headers={"Retry-After": "5"})
