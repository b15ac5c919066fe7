"""The sandbox in a thread, and the fixtures for applications with a separate event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import APIConnectionError, NexHealth
from nexhealth_async.models import Patient
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.testing import SandboxThread

if TYPE_CHECKING:
    from nexhealth_async.testing import Factory

pytest_plugins = ["pytester"]


def patient_of(sandbox: Sandbox) -> int:
    async def ask() -> int:
        async with NexHealth(sandbox.api_key, base_url=sandbox.url, timeout=10) as nex:
            return (await nex.practice(sandbox.subdomain).patients.get(sandbox.patients.ids[0])).id

    return asyncio.run(ask())


def test_one_thread_serves_several_event_loops() -> None:
    with SandboxThread(Sandbox(patients=3)) as thread:
        assert (
            patient_of(thread.sandbox)
            == patient_of(thread.sandbox)
            == thread.sandbox.patients.ids[0]
        )
        assert thread.sandbox.logins == 2
    with pytest.raises(APIConnectionError):
        patient_of(thread.sandbox)


def test_settings_made_from_the_tests_thread_are_kept() -> None:
    with SandboxThread() as thread:
        id = thread.sandbox.patients.add({"first_name": "Zoe"})
        thread.sandbox.fail_next(503)
        thread.sandbox.token_lifetime = 60
        assert patient_of(thread.sandbox) != id
        assert len(thread.sandbox.seen("GET", "/patients/{id}")) == 2


def test_work_in_the_servers_thread_returns_its_result() -> None:
    async def where(more: str) -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name + more

    with SandboxThread() as thread:
        assert thread.call(where, "!").endswith("!")
        assert thread.call(where, "") != threading.current_thread().name
        assert thread.call(thread.sandbox.sync) == 0
        with pytest.raises(ZeroDivisionError):
            thread.call(lambda: 1 // 0)
    with pytest.raises(RuntimeError, match="not running"):
        thread.call(thread.sandbox.sync)


def test_no_thread_remains_after_the_end() -> None:
    before = threading.active_count()
    with SandboxThread():
        assert threading.active_count() > before
    assert threading.active_count() == before


@pytest.mark.nexhealth_sandbox(patients=4)
def test_the_environment_directs_every_session_to_the_sandbox(
    nexhealth_env: SandboxThread, nexhealth_url: str, nexhealth_factory: Factory
) -> None:
    assert len(nexhealth_env.sandbox.patients) == 4
    assert nexhealth_url == nexhealth_env.sandbox.url

    async def ask() -> int:
        async with NexHealth() as nex:
            sandbox = nexhealth_env.sandbox
            return (
                await nex.practice(sandbox.subdomain)
                .location(sandbox.location_id)
                .patients.walk(new_patient=None)
                .count()
            )

    assert asyncio.run(ask()) == 4
    assert nexhealth_factory.make(Patient).id == 1


def test_the_fixtures_work_in_a_suite_without_asyncio_plugins(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os

        from nexhealth_async.models import Patient
        from nexhealth_async.testing import is_testing


        def test_env(nexhealth_env, nexhealth_url):
            assert os.environ["NEXHEALTH_BASE_URL"] == nexhealth_url
            assert os.environ["NEXHEALTH_API_KEY"] == nexhealth_env.sandbox.api_key


        def test_after(nexhealth_factory):
            assert "NEXHEALTH_BASE_URL" not in os.environ
            assert nexhealth_factory.make(Patient).id == 1


        def test_first_again(nexhealth_factory):
            assert nexhealth_factory.make(Patient).id == 1


        def test_switch(nexhealth_no_backoff):
            assert is_testing()


        def test_off():
            assert not is_testing()
        """
    )
    options = ("-p", "no:asyncio", "-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error")
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=5)
