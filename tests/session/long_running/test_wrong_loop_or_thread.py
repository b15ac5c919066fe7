"""A session in the wrong place: another loop, another thread, after closing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from nexhealth_async import NexHealth, NexHealthError, SessionStateError
from nexhealth_async.sandbox import Sandbox
from tests.session.transport_error_helpers import QUICK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nexhealth_async import LocationScope

CONTENT = bytes(1_000_000)


@frozen(kw_only=True)
class UnfinishedWork:
    """Work that was left in flight when a loop stopped."""

    sandbox: Sandbox
    nex: NexHealth
    location: LocationScope
    fresh: Any
    walk: Any
    """One page delivered in part, the next in flight, where it stays."""
    idle: Any
    """The same without prefetching: nothing is in flight."""
    pages: Any
    download: Any
    file: Any


async def begin() -> UnfinishedWork:
    sandbox = Sandbox(patients=80, seed=1)
    await sandbox.start()
    sandbox.page_cap = 5
    nex = await NexHealth(sandbox.api_key, base_url=sandbox.url, retry=QUICK).open()
    location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
    patient = sandbox.patients.ids[0]
    kind = sandbox.practice.document_types.ids[0]
    made = await location.patients.documents.create(
        patient, file=CONTENT, filename="scan.pdf", document_type_id=kind
    )
    download = location.patients.documents.download(made)
    file = await location.patients.documents.download(made).__aenter__()
    walk = location.patients.walk(new_patient=None)
    idle = location.patients.walk(new_patient=None, prefetch=0)
    pages = location.patients.walk(new_patient=None).pages()

    def slow_from_now_on(_: object) -> None:
        sandbox.latency = 30.0

    for begun in (idle, walk, pages):
        sandbox.between_pages(None if begun is idle else slow_from_now_on)
        await anext(begun)
        await asyncio.sleep(0.01)  # the next page's request is on its way
        sandbox.latency = 0.0
    sandbox.between_pages(None)
    return UnfinishedWork(
        sandbox=sandbox,
        nex=nex,
        location=location,
        fresh=location.patients.walk(new_patient=None),
        walk=walk,
        idle=idle,
        pages=pages,
        download=download,
        file=file,
    )


async def end(at: UnfinishedWork) -> None:
    await at.file.__aexit__(None, None, None)
    await at.nex.aclose()
    await at.sandbox.stop()


async def _count(at: UnfinishedWork) -> int:
    return await at.location.patients.walk(new_patient=None).count()


async def _to_the_end(walk: Any) -> None:
    async for _ in walk:
        pass


USES: dict[str, Callable[[UnfinishedWork], Awaitable[object]]] = {
    "a call": lambda at: at.nex.institutions.get(1),
    "a scope": lambda at: at.location.patients.get(1),
    "a copy": lambda at: at.nex.with_options(timeout=5).institutions.get(1),
    "a write": lambda at: at.location.appointment_types.create(name="Polish", minutes=30),
    "any path": lambda at: at.nex.request("GET", "/institutions"),
    "a count": _count,
    "a login": lambda at: at.nex.log_in(),
    "opening": lambda at: at.nex.open(),
    "a new walk": lambda at: _to_the_end(at.location.patients.walk(new_patient=None)),
    "a walk made before": lambda at: _to_the_end(at.fresh),
    "a walk begun before": lambda at: _to_the_end(at.idle),
    "practices": lambda at: _to_the_end(at.nex.practices()),
    "a download": lambda at: at.download.__aenter__(),
}

UNDER_WAY: dict[str, Callable[[UnfinishedWork], Awaitable[object]]] = {
    "a walk with pages on their way": lambda at: _to_the_end(at.walk),
    "pages on their way": lambda at: _to_the_end(at.pages),
    "a file half read": lambda at: at.file.read(),
}


async def outcome(
    use: Callable[[UnfinishedWork], Awaitable[object]], at: UnfinishedWork, patience: float = 1.0
) -> BaseException | None:
    """Return the outcome of a use: an error, None, or TimeoutError for an endless wait."""
    try:
        async with asyncio.timeout(patience):
            await use(at)
    except Exception as error:  # noqa: BLE001 - any error is a result
        return error
    return None


def in_another_loop(
    use: Callable[[UnfinishedWork], Awaitable[object]], where: str
) -> tuple[BaseException | None, BaseException | None]:
    """Begin in one loop, use in another; return the outcome there, and then in the first loop."""
    with asyncio.Runner() as first:
        at = first.run(begin())
        if where == "afterwards":
            with asyncio.Runner() as second:
                error = second.run(outcome(use, at))
        else:
            error = first.run(asyncio.to_thread(asyncio.run, outcome(use, at)))
        at_home = first.run(outcome(_count, at, 20.0))
        with suppress(RuntimeError):
            first.run(end(at))
        first.run(at.nex._client.state.transport.close())
    return error, at_home


wheres = pytest.mark.parametrize("where", ["afterwards", "in a thread"])


@wheres
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_another_loop_is_refused_and_the_original_one_works(
    use: Callable[[UnfinishedWork], Awaitable[object]], where: str
) -> None:
    error, at_home = in_another_loop(use, where)
    assert isinstance(error, SessionStateError)
    assert "loop" in str(error) or "open already" in str(error)
    assert at_home is None


@wheres
@pytest.mark.parametrize("use", UNDER_WAY.values(), ids=UNDER_WAY)
def test_work_in_flight_in_one_loop_is_refused_in_another(
    use: Callable[[UnfinishedWork], Awaitable[object]], where: str
) -> None:
    error, at_home = in_another_loop(use, where)
    assert isinstance(error, SessionStateError)
    assert at_home is None


def test_closing_in_another_loop_is_refused_and_the_session_stays_open() -> None:
    error, at_home = in_another_loop(lambda at: at.nex.aclose(), "afterwards")
    assert isinstance(error, SessionStateError)
    assert at_home is None


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_every_use_after_closing_is_refused_with_the_reason(
    use: Callable[[UnfinishedWork], Awaitable[object]],
) -> None:
    at = await begin()
    await at.nex.aclose()
    error = await outcome(use, at)
    await end(at)
    assert isinstance(error, SessionStateError)
    assert "closed" in str(error)


@pytest.mark.parametrize("use", list(UNDER_WAY.values())[:2], ids=list(UNDER_WAY)[:2])
async def test_walks_in_flight_are_refused_after_closing(
    use: Callable[[UnfinishedWork], Awaitable[object]],
) -> None:
    at = await begin()
    await at.nex.aclose()
    error = await outcome(use, at)
    await end(at)
    assert isinstance(error, SessionStateError)
    assert "closed" in str(error)


async def test_a_download_interrupted_by_closing_raises() -> None:
    at = await begin()
    begun = await anext(at.file)
    await at.nex.aclose()
    try:
        rest: bytes = await at.file.read()
    except NexHealthError:
        rest = CONTENT[len(begun) :]
    await end(at)
    assert 0 < len(begun) < len(CONTENT)
    assert len(begun) + len(rest) == len(CONTENT), "it was cut short in silence"
