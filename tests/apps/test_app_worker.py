"""The worker example: its rounds, its state and its shutdown."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest

from nexhealth_async import NO_RETRY, NexHealth
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.apps.helpers import environment, python
from tests.apps.server import EXAMPLES, load_example

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.models import Patient
    from nexhealth_async.sandbox import Sandbox

worker: Any = load_example("worker")


def session(sandbox: Sandbox) -> NexHealth:
    return NexHealth(
        sandbox.api_key,
        base_url=sandbox.url,
        version="v3",
        subdomain=sandbox.subdomain,
        location_id=sandbox.location_id,
        retry=NO_RETRY,
    )


class WorkerUnderTest:
    """A worker under test, and the records it handled."""

    def __init__(self, nex: NexHealth, state: Path, *, most: int = 1_000) -> None:
        self.handled: list[int] = []
        self._most = most
        self.worker = worker.Worker(nex, self.handle, state=state, every=0.02)

    async def handle(self, patient: Patient) -> None:
        self.handled.append(patient.id)
        if len(self.handled) >= self._most:
            self.worker.stop()


async def test_a_stopped_worker_continues_after_its_last_complete_round(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    state = tmp_path / "worker.state"
    everybody = list(sandbox.patients.ids)
    async with session(sandbox) as nex:
        stopped = WorkerUnderTest(nex, state, most=10)
        await stopped.worker.run()
        assert stopped.handled == everybody[:10]
        assert not state.exists()
        whole = WorkerUnderTest(nex, state, most=60)
        await whole.worker.run()
        assert whole.handled == everybody
        assert not state.exists()  # it was stopped at the last record, before the round's end
        again = WorkerUnderTest(nex, state)
        running = asyncio.create_task(again.worker.run())
        while not state.exists():
            await asyncio.sleep(0.005)
        sandbox.patients.update(everybody[5], updated_at=format_timestamp(sandbox.clock.now()))
        while again.handled == everybody:
            await asyncio.sleep(0.005)
        again.worker.stop()
        await running
    assert again.handled[:60] == everybody
    assert set(again.handled[60:]) == {everybody[5]}


async def test_a_failed_round_is_made_up_by_the_next(sandbox: Sandbox, tmp_path: Path) -> None:
    state = tmp_path / "worker.state"
    sandbox.fail_next(503, times=3)
    async with session(sandbox) as nex:
        rounds = WorkerUnderTest(nex, state)
        running = asyncio.create_task(rounds.worker.run())
        while not state.exists():
            await asyncio.sleep(0.005)
        rounds.worker.stop()
        await running
    assert rounds.handled == list(sandbox.patients.ids)
    remembered = datetime.fromisoformat(state.read_text())
    assert abs(datetime.now(UTC) - remembered) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("number", "version"),
    [(signal.SIGTERM, "v3.0.0"), (signal.SIGINT, "v3.0.0"), (signal.SIGTERM, "v2")],
)
async def test_the_process_exits_cleanly_on_a_signal(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals, version: Literal["v2", "v3.0.0"]
) -> None:
    sandbox.versions = frozenset({"v2" if version == "v2" else "v3"})
    env = environment(sandbox, NEXHEALTH_API_VERSION="")
    process = await python(EXAMPLES / "worker.py", env=env, cwd=tmp_path)
    assert process.stderr
    while b"60 patients had changed" not in (line := await process.stderr.readline()):
        assert line, "it ended before its first round was over"
    process.send_signal(number)
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert said.decode().splitlines() == ["INFO:worker:stopped"]
    assert (tmp_path / "worker.state").exists()
    spoken = {request.headers["nex-api-version"] for request in sandbox.seen("GET", "/patients")}
    assert spoken == {version}
