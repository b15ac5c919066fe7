"""The switch that removes back-off from test suites: complete when on, off by default."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NO_RETRY, NexHealth, OutcomeUnknownError, RateLimitError, ServerError
from nexhealth_async.testing import is_testing, set_testing

if TYPE_CHECKING:
    from nexhealth_async.sandbox import Sandbox

pytestmark = pytest.mark.nexhealth_sandbox(patients=3)


async def took(nex: NexHealth, sandbox: Sandbox) -> float:
    started = time.perf_counter()
    await nex.practice(sandbox.subdomain).patients.get(sandbox.patients.ids[0])
    return time.perf_counter() - started


@pytest.mark.usefixtures("nexhealth_no_backoff")
async def test_failures_are_repeated_at_once(
    nexhealth: NexHealth, nexhealth_sandbox: Sandbox
) -> None:
    await took(nexhealth, nexhealth_sandbox)
    nexhealth_sandbox.fail_next(503, times=3)
    assert await took(nexhealth, nexhealth_sandbox) < 0.5  # the least back-off is 1.75 s
    assert nexhealth.stats.retries == 3
    assert nexhealth.stats.waited_retry == 0


@pytest.mark.usefixtures("nexhealth_no_backoff")
@pytest.mark.parametrize("headers", [{"Retry-After": "30"}, None])
async def test_a_429_is_repeated_at_once_for_any_retry_after(
    nexhealth: NexHealth, nexhealth_sandbox: Sandbox, headers: dict[str, str] | None
) -> None:
    await took(nexhealth, nexhealth_sandbox)
    nexhealth_sandbox.fail_next(429, times=2, headers=headers)
    assert await took(nexhealth, nexhealth_sandbox) < 0.5


@pytest.mark.usefixtures("nexhealth_no_backoff")
async def test_a_429_that_is_raised_delays_no_later_call(
    nexhealth: NexHealth, nexhealth_sandbox: Sandbox
) -> None:
    await took(nexhealth, nexhealth_sandbox)
    nexhealth_sandbox.fail_next(429, headers={"Retry-After": "30"})
    with pytest.raises(RateLimitError):
        await took(nexhealth.with_options(retry=NO_RETRY), nexhealth_sandbox)
    assert await took(nexhealth, nexhealth_sandbox) < 0.5


@pytest.mark.usefixtures("nexhealth_no_backoff")
async def test_the_number_and_kind_of_retries_are_unchanged(
    nexhealth: NexHealth, nexhealth_sandbox: Sandbox
) -> None:
    nexhealth_sandbox.fail_next(503, times=9)
    with pytest.raises(ServerError) as failure:
        await took(nexhealth, nexhealth_sandbox)
    assert failure.value.attempts == 4
    nexhealth_sandbox.clear()
    nexhealth_sandbox.drop_next(when="after", method="POST", path="/patients/{id}/alerts")
    with pytest.raises(OutcomeUnknownError):
        await nexhealth.practice(nexhealth_sandbox.subdomain).patients.alerts.create(
            nexhealth_sandbox.patients.ids[0], note="invented"
        )
    assert len(nexhealth_sandbox.seen("POST", "/patients/{id}/alerts")) == 1


async def test_without_the_switch_a_429_is_waited_for(
    nexhealth: NexHealth, nexhealth_sandbox: Sandbox
) -> None:
    assert not is_testing()
    await took(nexhealth, nexhealth_sandbox)
    nexhealth_sandbox.fail_next(429, headers={"Retry-After": "1"})
    assert await took(nexhealth, nexhealth_sandbox) >= 0.9


def test_leaving_restores_the_previous_state() -> None:
    with set_testing(True):
        assert is_testing()
        with set_testing(False):
            assert not is_testing()
        assert is_testing()
        set_testing(False)
        assert not is_testing()
        set_testing(True)
    assert not is_testing()


def test_the_state_is_restored_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), set_testing(True):
        raise ZeroDivisionError
    assert not is_testing()


def test_switching_it_on_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "nexhealth_async"), set_testing(True):
        with set_testing(True):
            pass
        set_testing(False)
    (record,) = caplog.records
    assert "for test suites only" in record.getMessage()


def test_imports_and_other_fixtures_do_not_switch_it_on() -> None:
    code = (
        "import nexhealth_async.testing, nexhealth_async.pytest_plugin\n"
        "from nexhealth_async._client.backoff_switch import is_testing\n"
        "raise SystemExit(is_testing())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own interpreter
