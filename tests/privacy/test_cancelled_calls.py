"""Cancelled calls: no frame in a traceback holds request or response data."""

from __future__ import annotations

import asyncio
import traceback
import warnings
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import anyio
import pytest

from nexhealth_async import NexHealth, NexHealthError
from nexhealth_async.export.jsonl import JsonLinesTarget
from nexhealth_async.sandbox import Sandbox
from tests.cancellation.suspensions import Moment, SuspensionCounter, follow
from tests.contract import test_every_operation as driver
from tests.privacy.calls import ACTS, RETRY, PrivacyAct, open_context
from tests.privacy.outputs import under_watch
from tests.privacy.test_every_operation import mark_writes, perform

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from nexhealth_async._protocol.operations import Endpoint
    from tests.privacy.calls import ActContext
    from tests.privacy.sentinel_search import SentinelScanner
    from tests.privacy.sentinel_server import PrivacyServer

_MOMENTS: tuple[Moment, ...] = ("at_once", "as_it_wakes")


async def _ending(task: asyncio.Task[object]) -> BaseException | None:
    """Wait for a task and return its result or error, a cancellation too."""
    try:
        await task
    except (NexHealthError, asyncio.CancelledError, BaseExceptionGroup) as error:
        return error
    return None


async def _cancelled_at(
    at: ActContext, act: PrivacyAct, steps: SuspensionCounter
) -> BaseException | None:
    """Make a call in a task that is cancelled at one of its suspensions."""
    loop = asyncio.get_running_loop()
    try:
        task, _ = follow(_performed(act, at), steps)
        steps.act = task.cancel
        return await _ending(task)
    finally:
        loop.set_task_factory(None)


async def _performed(act: PrivacyAct, at: ActContext) -> None:
    await act.does(at)


@pytest.mark.parametrize("moment", _MOMENTS)
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_a_call_cancelled_anywhere_shows_no_data(
    act: PrivacyAct,
    moment: Moment,
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    tmp_path: Path,
) -> None:
    cancelled = 0
    async with open_context(privacy_server, watch, tmp_path) as at:
        for step in count(1):
            steps = SuspensionCounter(step, moment)
            with under_watch(watch, f"cancelled at step {step}"), suppress(FileExistsError):
                error = await _cancelled_at(at, act, steps)
                if error is not None:
                    watch.error(error)
                cancelled += isinstance(error, asyncio.CancelledError)
            if not steps.fired:
                break
    watch.clean()
    assert not watch.behind, "\n".join(watch.behind)
    assert not watch.arguments, watch.arguments
    assert cancelled


async def test_a_call_cancelled_before_its_first_step_shows_no_data(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    async with open_context(privacy_server, watch, tmp_path) as at:
        calls: list[Coroutine[Any, Any, object]] = [
            at.scope.patients.create(**at.person),
            at.scope.patients.find_or_create(**at.person),
            at.nex.request("POST", "/patients", json={"name": at.marks.given("name")}),
        ]
        for call in calls:
            task = asyncio.ensure_future(call)
            task.cancel()
            with under_watch(watch, repr(task)):
                error = await _ending(task)
                assert isinstance(error, asyncio.CancelledError)
                watch.error(error)
    watch.clean()


async def _pull(at: ActContext) -> None:
    async with at.nex.bulk.pull(["patients", "providers"], concurrency=2) as pull:
        async for batch in pull:
            at.watch.thing(batch)


async def _copy(at: ActContext) -> None:
    folder = at.folder / "copy"
    target = JsonLinesTarget(folder)
    await at.nex.bulk.copy(["patients", "providers"], to=target, concurrency=2)


async def _estimate(at: ActContext) -> None:
    await at.nex.bulk.estimate(["patients"])


@pytest.mark.parametrize("does", [_pull, _copy, _estimate], ids=lambda one: one.__name__)
async def test_a_pull_cancelled_anywhere_shows_no_data(
    does: Callable[[ActContext], Awaitable[None]],
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    tmp_path: Path,
) -> None:
    cancelled = 0
    async with open_context(privacy_server, watch, tmp_path) as at:
        for step in count(1):
            steps = SuspensionCounter(step, "at_once")
            with under_watch(watch, f"cancelled at step {step}"):
                error = await _cancelled_at(at, PrivacyAct(does), steps)
                if error is not None:
                    watch.error(error)
                cancelled += isinstance(error, asyncio.CancelledError)
            if not steps.fired:
                break
    watch.clean()
    assert not watch.behind, "\n".join(watch.behind)
    assert cancelled > 3


async def _by_timeout(call: Coroutine[Any, Any, object], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await call


async def _by_wait_for(call: Coroutine[Any, Any, object], seconds: float) -> None:
    await asyncio.wait_for(call, seconds)


async def _by_fail_after(call: Coroutine[Any, Any, object], seconds: float) -> None:
    with anyio.fail_after(seconds):
        await call


async def _by_group(call: Coroutine[Any, Any, object], seconds: float) -> None:
    async def limit() -> None:
        await asyncio.sleep(seconds)
        raise TimeoutError

    async with asyncio.TaskGroup() as group:
        group.create_task(call)
        group.create_task(limit())


def _secrets(error: BaseException, secrets: list[str]) -> list[str]:
    """Return the secrets that a printed traceback shows below the test's own frames."""
    found: list[str] = []
    waiting = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while waiting:
        shown = waiting.pop()
        frames = [one for one in shown.stack if "/tests/" not in one.filename]
        text = repr([frame.locals for frame in frames])
        found += [secret for secret in secrets if secret in text]
        chained = (shown.__cause__, shown.__context__, *(shown.exceptions or ()))
        waiting += [one for one in chained if one is not None]
    return found


_LIMITS = [_by_timeout, _by_wait_for, _by_fail_after, _by_group]


@pytest.mark.parametrize("limited", _LIMITS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("when", ["before", "after", "mid_body"])
async def test_a_timeout_of_the_caller_shows_no_data(
    limited: Callable[[Coroutine[Any, Any, object], float], Awaitable[None]],
    when: Any,
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    tmp_path: Path,
) -> None:
    async with open_context(privacy_server, watch, tmp_path) as at:
        await at.nex.log_in()
        for name in ("create", "upload", "list", "find", "free write", "record"):
            act = ACTS[name]
            privacy_server.sandbox.hang_next(when=when, path=act.path, method=act.method)
            with under_watch(watch, f"{name}, silent {when}"):
                with pytest.raises((TimeoutError, ExceptionGroup)) as caught:
                    await limited(_performed(act, at), 0.05)
                assert not isinstance(caught.value, NexHealthError)
                watch.error(caught.value)
                assert not _secrets(
                    caught.value, [*privacy_server.sandbox.keys._live, at.person["email"]]
                )
            privacy_server.do(privacy_server.sandbox.clear)
    watch.clean()
    assert not watch.behind, "\n".join(watch.behind)


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_every_operation_cancelled_in_flight_shows_no_data(
    version: str, privacy_server: PrivacyServer, watch: SentinelScanner
) -> None:
    """Each request of each operation is left without a response, and then cancelled."""
    sandbox, hung, cancelled = privacy_server.sandbox, list[str](), set[str]()
    async with NexHealth(
        sandbox.api_key,
        base_url=sandbox.url,
        version=version,
        subdomain=sandbox.subdomain,
        location_id=sandbox.location_id,
        retry=RETRY,
    ) as nex:
        mark_writes(nex, privacy_server.marks)
        at = driver.ContractStage(sandbox, nex)
        operations = [case.values[0] for case in driver.CASES if case.values[1] == version]
        for endpoint in cast("list[Endpoint[object]]", operations):
            operation = f"{endpoint.resource}.{endpoint.verb}"
            row = endpoint.v2 if version == "v2" else endpoint.v3
            assert row is not None
            hung.append(operation)
            privacy_server.do(partial(sandbox.hang_next, path=row.path, method=row.method))
            with under_watch(watch, operation):
                task = asyncio.ensure_future(perform(at, endpoint.resource, endpoint.verb))
                while not task.done() and len(sandbox.faults):
                    await asyncio.sleep(0.001)
                task.cancel()
                error = await _ending(task)
                watch.thing(nex)
                if isinstance(error, asyncio.CancelledError):
                    cancelled.add(operation)
                    watch.error(error)
            privacy_server.do(sandbox.clear)
    watch.clean()
    assert not watch.behind, "\n".join(watch.behind)
    assert cancelled == set(hung)


async def test_a_foreign_error_references_neither_token_nor_body(
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such a defect keeps its whole traceback, through the frames of aiohttp too."""

    async def connect(*_: object, **__: object) -> None:
        raise LookupError("a defect, made on purpose")

    async with open_context(privacy_server, watch, tmp_path) as at:
        await at.nex.log_in()
        monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect)
        for name in ("create", "upload", "record", "free write"):
            with under_watch(watch, name), pytest.raises(LookupError) as caught:
                await ACTS[name].does(at)
            watch.error(caught.value)
    seen = {one for one in watch.found if "token" in one or "/aiohttp/" in one}
    assert watch.looked_at["frames"] > 20
    assert not seen, "\n".join(sorted(seen))


class _CallersError(Exception):
    """An exception that the caller is handling when it calls."""


async def test_the_cancellation_is_the_same_object_with_its_message() -> None:
    async with (
        Sandbox(patients=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        privacy_server = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        await nex.log_in()
        thrown: list[BaseException] = []

        async def never(*_: object, **__: object) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                thrown.append(error)
                raise

        nex._client.state.transport.send = never  # type: ignore[method-assign,assignment]  # to look inside

        def fail() -> None:
            raise _CallersError

        async def read() -> None:
            try:
                fail()
            except _CallersError:
                await privacy_server.patients.get(sandbox.patients.ids[0])

        task = asyncio.ensure_future(read())
        await asyncio.sleep(0.05)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)
        assert task.cancelled()
        assert thrown[-1:] == [caught.value]
        assert isinstance(caught.value.__context__, _CallersError)


async def test_a_cancellation_that_replaced_anyios_still_belongs_to_anyio() -> None:
    """Anyio finds its own cancellation behind the one that third parties raise in its place."""
    async with (
        Sandbox(patients=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        privacy_server = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        await nex.log_in()

        async def replaced(*_: object, **__: object) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise asyncio.CancelledError  # noqa: B904 - as they do

        nex._client.state.transport.send = replaced  # type: ignore[method-assign,assignment]  # to look inside
        with anyio.move_on_after(0.02) as scope:
            await privacy_server.patients.get(sandbox.patients.ids[0])
        assert scope.cancelled_caught


async def test_methods_are_still_coroutine_functions() -> None:
    async with (
        Sandbox(patients=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        privacy_server = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        for method in (
            nex.request,
            privacy_server.patients.get,
            privacy_server.patients.create,
            nex.aclose,
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of later Pythons
                assert cast("Any", asyncio).iscoroutinefunction(method)
        call: Any = cast("Any", privacy_server.patients.get(sandbox.patients.ids[0]))
        assert asyncio.iscoroutine(call)
        assert getattr(call, "__qualname__", "") == "Patients.get"
        assert (await call).id == sandbox.patients.ids[0]
