"""Patients, keys and tokens appear only where they were requested."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import traceback
import warnings
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

import nexhealth_async
from nexhealth_async import NexHealth, NexHealthError, NexHealthWarning, UndecodableRecordError
from tests.session.transport_error_helpers import QUICK, ErrorScene, envelope, scene

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from nexhealth_async.sandbox import Sandbox

LIBRARY = Path(nexhealth_async.__file__).parent

FIRST, LAST = "Zaphira", "Quillcanary"
MAIL, PHONE, BORN = "zaphira@example.com", "2125550177", date(1961, 7, 13)
NOTE = "afraid-of-drills"
PERSONAL = (FIRST, LAST, MAIL, PHONE, BORN.isoformat(), NOTE, repr(BORN))


@frozen(kw_only=True)
class WatchedScene:
    """A scene with known secrets."""

    at: ErrorScene
    id: int
    secrets: tuple[str, ...]

    def clean(self, text: str) -> None:
        found = [secret for secret in self.secrets if secret in text]
        assert not found, f"{found} in {text}"


@asynccontextmanager
async def watched(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[WatchedScene]:
    """A sandbox with one person in it; no log line may contain the person, key or token."""
    caplog.set_level(logging.DEBUG)
    for name in ("nexhealth_async", "aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    async with scene(patients=3) as at:
        id = at.sandbox.patients.insert(
            first_name=FIRST,
            last_name=LAST,
            name=f"{FIRST} {LAST}",
            email=MAIL,
            bio={"date_of_birth": BORN.isoformat(), "phone_number": PHONE, "new_patient": False},
        )
        await at.nex.patients.walk(
            subdomain=at.sandbox.subdomain, location_id=at.sandbox.location_id
        ).count()
        (token,) = at.sandbox.keys._live
        found = WatchedScene(at=at, id=id, secrets=(*PERSONAL, at.sandbox.api_key, token))
        yield found
    for record in caplog.records:
        found.clean(logging.Formatter("%(name)s %(message)s").format(record))
        found.clean(repr(record.args))
    ours = [one for one in caplog.records if one.name.startswith("nexhealth_async")]
    assert ours, "the library logs at DEBUG, else this proves nothing"


def walk(at: ErrorScene, **filters: Any) -> Any:
    fields: dict[str, Any] = {
        "name": f"{FIRST} {LAST}",
        "email": MAIL,
        "phone_number": PHONE,
        "date_of_birth": BORN,
        "new_patient": None,
        **filters,
    }
    return at.location.patients.walk(**fields)


async def listed(at: ErrorScene) -> object:
    return [one async for one in walk(at)]


async def looked_up(at: ErrorScene) -> object:
    return await at.location.patients.get(at.sandbox.patients.ids[-1])


async def created(at: ErrorScene) -> object:
    return await at.location.patients.create(
        provider_id=at.sandbox.providers.ids[0],
        first_name=FIRST,
        last_name=LAST,
        email=MAIL,
        bio={"date_of_birth": BORN, "phone_number": PHONE},
    )


async def booked(at: ErrorScene) -> object:
    return await at.location.appointments.create(
        patient_id=at.sandbox.patients.ids[-1],
        provider_id=at.sandbox.providers.ids[0],
        operatory_id=at.sandbox.operatories.ids[0],
        start_time=datetime.now(UTC) + timedelta(days=400),
        appointment_type_id=at.sandbox.appointment_types.ids[0],
        note=NOTE,
    )


async def asked_freely(at: ErrorScene) -> object:
    params = {"name": f"{FIRST} {LAST}", "email": MAIL}
    return await at.nex.request("GET", "/patients", params=params)


ACTS: tuple[Callable[[ErrorScene], Awaitable[object]], ...] = (
    listed,
    looked_up,
    created,
    booked,
    asked_freely,
)

_PERSON = {"first_name": FIRST, "last_name": LAST, "email": MAIL}

FAULTS: dict[str, Callable[[Sandbox], object]] = {
    "400 that repeats the input": lambda sandbox: sandbox.fail_next(
        400, body=_refused(f"{FIRST} {LAST} with {MAIL} and {PHONE} is not welcome"), times=9
    ),
    "a duplicate": lambda sandbox: sandbox.fail_next(
        400, body=_refused(f"A patient {LAST} already exists - id=4711"), times=9
    ),
    "403": lambda sandbox: sandbox.fail_next(403, body=_refused(MAIL), times=9),
    "404": lambda sandbox: sandbox.fail_next(404, body=_refused(LAST), times=9),
    "429": lambda sandbox: sandbox.fail_next(
        429, body=_refused(LAST), headers={"Retry-After": "999"}, times=9
    ),
    "500": lambda sandbox: sandbox.fail_next(500, body=_refused(PHONE), times=9),
    "web page": lambda sandbox: sandbox.garbage_next(f"<html>{FIRST} {LAST}".encode(), times=9),
    "cut": lambda sandbox: sandbox.fail_next(200, body=envelope([_PERSON])[:-9], times=9),
    "code false": lambda sandbox: sandbox.fail_next(200, body=_refused(LAST), times=9),
    "a text for data": lambda sandbox: sandbox.fail_next(200, body=envelope(LAST), times=9),
    "no list": lambda sandbox: sandbox.fail_next(200, body=envelope({LAST: {MAIL: 1}}), times=9),
    "latin-1": lambda sandbox: sandbox.fail_next(
        200, body=f'{{"code":true,"data":[{{"id":1,"name":"{LAST}é"}}]}}'.encode("latin-1"), times=9
    ),
    "reset": lambda sandbox: sandbox.drop_next(times=9),
    "reset inside": lambda sandbox: sandbox.drop_next(when="mid_body", times=9),
    "redirect": lambda sandbox: sandbox.fail_next(
        302, headers={"Location": f"https://example.com/{LAST}"}, body=LAST.encode(), times=9
    ),
    "401": lambda sandbox: sandbox.fail_next(401, body=_refused(LAST), times=9),
    "edge": lambda sandbox: sandbox.firewall_block_next(times=9),
    "gzip": lambda sandbox: sandbox.fail_next(
        200, body=LAST.encode(), headers={"Content-Encoding": "gzip"}, times=9
    ),
}


def _refused(text: str) -> bytes:
    return f'{{"code":false,"error":["{text}"],"description":"{text}","data":null}}'.encode()


_ON_THE_WAY = (
    "_client/call.py",
    "_client/transport.py",
    "_client/token_manager.py",
    "_client/rate_limiter.py",
    "pagination/prefetching.py",
    "pagination/walk.py",
)


def frames_with_locals(error: BaseException, modules: tuple[str, ...] | None = None) -> str:
    """Return the library's own frames of a traceback, with their variables."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    own = [
        frame
        for frame in shown.stack
        if LIBRARY in Path(frame.filename).parents
        and "sandbox" not in frame.filename
        and (modules is None or Path(frame.filename).name in modules)
    ]
    return "\n".join(f"{frame.name}: {frame.locals}" for frame in own)


# The escape hatch takes data of any shape.
_CASES = [
    pytest.param(act, fault, id=f"{act.__name__}-{name}")
    for act in ACTS
    for name, fault in FAULTS.items()
    if act is not asked_freely or name not in ("a text for data", "no list")
]


@pytest.mark.parametrize(("act", "fault"), _CASES)
async def test_no_fault_shows_a_secret_in_errors_logs_or_warnings(
    act: Callable[[ErrorScene], Awaitable[object]],
    fault: Callable[[Sandbox], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watched(caplog) as seen:
        fault(seen.at.sandbox)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            with pytest.raises(NexHealthError) as caught:
                await act(seen.at)
        error = caught.value
        for text in (
            str(error),
            repr(error),
            repr(error.args),
            str(copy.copy(error)),
            str(pickle.loads(pickle.dumps(error))),  # noqa: S301 - what was just written
            "".join(traceback.format_exception(error)),
            *(str(one.message) for one in heard),
        ):
            seen.clean(text)
        for secret in (seen.at.sandbox.api_key, *seen.at.sandbox.keys._live):
            assert secret not in frames_with_locals(error)
        # What the caller gave stands in the caller's own frames; on the way it is not unpacked.
        seen.clean(frames_with_locals(error, _ON_THE_WAY))


async def test_a_rejected_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = "key-sentinel-17"
    async with scene(api_key=key) as at:
        for _ in range(2):
            with pytest.raises(NexHealthError) as caught:
                await listed(at)
            assert key not in "".join(traceback.format_exception(caught.value))
            assert key not in frames_with_locals(caught.value)
            assert key not in repr(at.nex)
    assert key not in caplog.text


@pytest.mark.parametrize("body", [b'{"code":true,"data":{"token":"to ken"}}', b"token-sentinel"])
async def test_a_nonsensical_login_response_is_not_shown(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with scene() as at:
        at.sandbox.fail_next(201, body=body, path="/authenticates", times=9)
        with pytest.raises(NexHealthError) as caught:
            await listed(at)
        shown = "".join(traceback.format_exception(caught.value)) + frames_with_locals(caught.value)
        for secret in ("to ken", "token-sentinel", at.sandbox.api_key):
            assert secret not in shown
            assert secret not in caplog.text


async def test_reprs_show_no_contents(caplog: pytest.LogCaptureFixture) -> None:
    async with watched(caplog) as seen:
        at = seen.at
        patient = await at.location.patients.get(seen.id)
        assert patient.last_name == LAST
        seen.clean(repr(patient))
        seen.clean(repr(patient.bio))
        assert str(seen.id) in repr(patient)
        going = walk(at)
        seen.clean(repr(going))
        assert (await anext(going)).id == seen.id
        seen.clean(repr(going))
        pages = walk(at).pages()
        page = await anext(pages)
        assert [item.id for item in page.items] == [seen.id]
        seen.clean(repr(pages))
        seen.clean(repr(page))
        answer = await at.nex.request(
            "GET", f"/patients/{seen.id}", params={"subdomain": at.sandbox.subdomain}
        )
        assert LAST in str(answer.data)
        seen.clean(repr(answer))
        for thing in (
            at.nex,
            at.location,
            at.location.patients,
            at.nex._client.state.token_manager,
            at.nex._client.state,
        ):
            seen.clean(repr(thing))
        seen.clean(repr(at.nex.with_options(timeout=3)))
        made = await booked(at)
        assert getattr(made, "note", None) == NOTE
        seen.clean(repr(made))
        await going.aclose()
        await pages.aclose()


async def test_requests_and_responses_show_neither_query_nor_headers_nor_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watched(caplog) as seen:
        sent: list[object] = []
        transport = seen.at.nex._client.state.transport
        send = transport.send

        async def noted(request: Any, *, timeout: float | None) -> Any:  # noqa: ASYNC109 - as what it replaces
            reply = await send(request, timeout=timeout)
            sent.extend((request, reply))
            return reply

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transport, "send", noted)
            await listed(seen.at)
            await booked(seen.at)
        assert len(sent) == 4
        for delivery in sent:
            seen.clean(repr(delivery))


async def test_warnings_name_filters_and_pages_without_quoting_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watched(caplog) as seen:
        at = seen.at
        text = f"{FIRST} {LAST} has a debt of 17 dollars"
        body = envelope({"patients": [{"id": 1}]}, 1).replace(
            b'"error":null', f'"error":["{text}"]'.encode()
        )
        at.sandbox.fail_next(200, body=body)
        with pytest.warns(NexHealthWarning) as heard:
            await listed(at)
        record = envelope({"id": 1}).replace(b'"error":null', f'"error":["{text}"]'.encode())
        at.sandbox.fail_next(200, body=record)
        with pytest.warns(NexHealthWarning) as more:
            await looked_up(at)
        at.sandbox.fail_next(200, body=body)
        page = await anext(walk(at).pages())
        assert page.warnings == (text,)
        seen.clean(repr(page))
        for one in (*heard, *more):
            seen.clean(str(one.message))
            assert "dollars" not in str(one.message)


@pytest.mark.parametrize(
    "row",
    [
        {"id": 5, "first_name": {"x": LAST}},
        {"id": 5, "bio": LAST},
        {"id": LAST * 2, "first_name": FIRST, "bio": [MAIL]},
        {"id": 5, "location_ids": LAST},
        {"first_name": LAST},
        LAST,
        [LAST],
    ],
)
async def test_an_unreadable_record_is_named_by_id_and_path(
    row: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(caplog) as seen:
        seen.at.sandbox.fail_next(200, body=envelope({"patients": [row]}, 1))
        with pytest.raises(UndecodableRecordError) as caught:
            await listed(seen.at)
        error = caught.value
        shown = (str(error), repr(error), "".join(traceback.format_exception(error)))
        for text in shown:
            for secret in (
                FIRST,
                MAIL,
                *([] if getattr(error, "record_id", 0) == LAST * 2 else [LAST]),
            ):
                assert secret not in text


async def test_an_abandoned_page_task_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Asyncio logs exceptions that were never retrieved, with the task's repr and its error."""
    async with watched(caplog) as seen:
        at = seen.at
        at.sandbox.fail_next(400, body=_refused(LAST), times=9)
        asyncio.get_running_loop().set_debug(True)
        going = walk(at, prefetch=4)
        with pytest.raises(NexHealthError):
            await anext(going)
        del going
        going = walk(at)
        task = asyncio.ensure_future(anext(going))
        await asyncio.sleep(0.002)
        seen.clean(" ".join(map(repr, asyncio.all_tasks())))
        task.cancel()
        await asyncio.wait([task])
        await going.aclose()


async def test_the_library_logs_operation_status_attempt_and_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watched(caplog) as seen:
        seen.at.sandbox.fail_next(503)
        await looked_up(seen.at)
        said = [
            record.getMessage() for record in caplog.records if record.name == "nexhealth_async"
        ]
    assert said[-2].startswith("GET /patients/{id}: 503, attempt 1, ")
    assert said[-1].startswith("GET /patients/{id}: 200, attempt 2, ")


async def test_the_repr_of_an_unopened_session_shows_no_key() -> None:
    key = "key-sentinel-18"
    nex = NexHealth(key, base_url="http://127.0.0.1:1", retry=QUICK)
    assert key not in repr(nex)
    assert key not in repr(vars(nex))
    with pytest.raises(NexHealthError) as caught:
        await nex.institutions.get(1)
    assert key not in frames_with_locals(caught.value)
