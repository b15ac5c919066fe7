"""A booking desk on FastAPI: one NexHealth session for the process, opened by the lifespan.

::

    export NEXHEALTH_API_KEY=... NEXHEALTH_SUBDOMAIN=... NEXHEALTH_LOCATION_ID=...
    export NEXHEALTH_API_VERSION=v3  # or v2; without it the account decides
    export NEXHEALTH_WEBHOOK_SECRET=...
    uvicorn --factory fastapi_app:make_app --no-access-log

Whoever asks twice for the same appointment gets the same appointment: the API has no idempotency
keys, so an appointment is recognised by its patient, provider and start. A caller that got a 502,
a 503 or no answer at all may therefore send the same request again.

Who may ask for what is left out here: put your own authentication before all but ``/webhooks``,
which checks signatures itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, TypedDict, cast
from weakref import WeakValueDictionary

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict

from nexhealth_async import (
    AlreadyCancelledError,
    APITimeoutError,
    BudgetExceededError,
    ConnectError,
    ConnectionLostError,
    DuplicatePatientError,
    FreeSlot,
    InvalidArgumentError,
    InvalidRequestError,
    NexHealth,
    NexHealthError,
    NotFoundError,
    NotYetSyncedError,
    OutcomeUnknownError,
    RateLimitError,
    ServerError,
    SessionStateError,
    SlotTakenError,
    to_builtins,
    to_json,
)
from nexhealth_async.webhooks import Event, Receiver
from nexhealth_async.webhooks.starlette import endpoint

__all__ = ["make_app"]

LOG = logging.getLogger("booking")


def make_app(nex: NexHealth | None = None) -> FastAPI:
    """Return the application; without a session it makes one from the environment."""
    session = nex or NexHealth(
        subdomain=os.environ["NEXHEALTH_SUBDOMAIN"],
        location_id=int(os.environ["NEXHEALTH_LOCATION_ID"]),
        timeout=10,
        preload=("patients", "appointments", "available_slots"),
    )

    receiver = Receiver(os.environ["NEXHEALTH_WEBHOOK_SECRET"], heard)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[State]:
        async with session, receiver:
            await session.log_in()  # a wrong key ends the start, not the first visitor's request
            yield {"nex": session, "wishes": WeakValueDictionary()}

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/patients", search_patients)
    app.add_api_route("/patients/{id}", show_patient)
    app.add_api_route("/slots", list_slots)
    app.add_api_route("/appointments", book, methods=["POST"])
    app.add_route("/webhooks", endpoint(receiver), methods=["POST"])
    app.add_exception_handler(NexHealthError, refuse)
    return app


class State(TypedDict):
    """What requests find in ``request.state``."""

    nex: NexHealth
    wishes: WeakValueDictionary[Wish, asyncio.Lock]


def nexhealth(request: Request) -> NexHealth:
    """Give the session to a route that asks for it."""
    return cast("NexHealth", request.state.nex)


Nex = Annotated[NexHealth, Depends(nexhealth)]


async def search_patients(
    nex: Nex, name: str, limit: Annotated[int, Query(ge=1, le=50)] = 20
) -> Response:
    """Search patients by name."""
    found = nex.patients.walk(name=name, per_page=limit, limit=limit)
    return JSONResponse([to_builtins(patient) async for patient in found])


async def show_patient(nex: Nex, id: int) -> Response:
    """Show one patient."""
    return Response(to_json(await nex.patients.get(id)), media_type="application/json")


async def list_slots(
    nex: Nex,
    provider_id: int,
    start_date: date,
    days: Annotated[int, Query(ge=1, le=14)] = 7,
) -> Response:
    """List the times at which a provider is free."""
    free = nex.available_slots.flat(start_date=start_date, days=days, pids=[provider_id])
    return JSONResponse([to_builtins(slot) async for slot in free])


class Wish(BaseModel):
    """An appointment that somebody wants: a slot of ``/slots``, and who comes."""

    model_config = ConfigDict(frozen=True)

    patient_id: int
    provider_id: int
    start: AwareDatetime
    end: AwareDatetime
    operatory_id: int


async def book(nex: Nex, request: Request, wish: Wish) -> Response:
    """Book a slot: 201 with the appointment, the same one if asked again; 409 if it is taken."""
    slot = FreeSlot(
        start=wish.start,
        end=wish.end,
        provider_id=wish.provider_id,
        location_id=None,  # the session's own
        operatory_id=wish.operatory_id,
    )
    wishes = cast("WeakValueDictionary[Wish, asyncio.Lock]", request.state.wishes)
    async with wishes.setdefault(wish, asyncio.Lock()):  # the same wish twice at once: in turn
        appointment = await nex.appointments.book(slot, patient_id=wish.patient_id)
    return Response(to_json(appointment), 201, media_type="application/json")


async def heard(event: Event) -> None:
    """Do what your program does with a webhook; it was verified, and comes here once."""
    LOG.info("webhook %s", event.name)


# What a visitor is told. Nothing but 2xx means that it was done, and 502 after a booking that it is
# not known (a 202 would promise what nobody knows). The same request may be sent again after each.
_STATUSES: tuple[tuple[tuple[type[NexHealthError], ...], int], ...] = (
    ((NotFoundError,), 404),
    ((AlreadyCancelledError, DuplicatePatientError, NotYetSyncedError, SlotTakenError), 409),
    ((InvalidRequestError, InvalidArgumentError), 422),
    ((RateLimitError, BudgetExceededError), 503),  # too much is asked for, by all visitors together
    ((APITimeoutError, ConnectError, ConnectionLostError, ServerError), 503),
    ((SessionStateError,), 503),  # the process is shutting down
    ((OutcomeUnknownError,), 502),
    ((NexHealthError,), 502),  # our key, our program or the API itself: not the visitor's doing
)


async def refuse(_: Request, error: Exception) -> Response:
    """Turn an error of the library into a response; its text holds nothing personal."""
    status = next(status for kinds, status in _STATUSES if isinstance(error, kinds))
    if status >= 500:  # noqa: PLR2004 - the failures' hundred
        LOG.warning("answered %d: %s", status, error)
    headers = {"Retry-After": f"{retry_after(error):.0f}"} if status == 503 else {}  # noqa: PLR2004 - HTTP's number
    body = {"error": type(error).__name__, "detail": str(error)}
    return JSONResponse(body, status, headers)


def retry_after(error: Exception) -> float:
    """Return the seconds that a visitor should wait."""
    asked = error.retry_after if isinstance(error, RateLimitError) else None
    return max(1, asked or 5)
