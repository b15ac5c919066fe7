"""The examples and claims of docs/fleet.md, executed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dramatiq
import pytest
from anyio import to_thread
from dramatiq.brokers.stub import StubBroker
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from benchmarks.sizing import PRACTICES, sizing, tables
from nexhealth_async import NexHealth, Rates
from nexhealth_async.fleet import fleet_status, requeue
from tests.export.postgres_server import database, postgres_server
from tests.fleet.helpers import WorkerGroup, worker_group
from tests.redis_server import redis_url

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["database", "postgres_server", "redis_url"]

PAGE = Path(__file__).parents[2] / "docs/fleet.md"
LISTS = ("patients", "appointments", "procedures")


def blocks() -> list[str]:
    parser = CodeBlockParser("python", evaluator=lambda _: None)
    return [str(example.parsed) for example in Document.parse(str(PAGE), parser).examples()]


def block(mark: str) -> dict[str, Any]:
    """Run the one Python block that contains a mark, and return its names."""
    (code,) = [text for text in blocks() if mark in text]
    names: dict[str, Any] = {"__name__": "fleet_guide"}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return names


def test_every_python_block_is_run_here() -> None:
    assert len(blocks()) == 4


async def test_web_processes_share_a_session_for_each_lifespan(
    database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker_group(database, redis_url, patients=1, practices=2) as fleet:
        monkeypatch.setenv("NEXHEALTH_API_KEY", fleet.sandbox.api_key)
        monkeypatch.setenv("NEXHEALTH_BASE_URL", fleet.sandbox.url)
        import httpx

        app = block("make_app")["make_app"](redis_url)
        async with app.router.lifespan_context(app) as state:

            async def with_state(scope: Any, receive: Any, send: Any) -> None:
                await app({**scope, "state": state}, receive, send)

            transport = httpx.ASGITransport(app=with_state)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                found = (await client.get("/practices")).json()
        assert found == [practice.subdomain for practice in fleet.sandbox.practices]


async def test_a_pull_can_be_begun_processed_and_queried(database: str, redis_url: str) -> None:
    names = block("fleet_pull")
    async with worker_group(database, redis_url, patients=10, practices=1) as fleet:
        pull = await names["begin"](fleet.nex, database, redis_url)
        status = await names["ask"](pull, database, redis_url)
        assert len(status.of("waiting")) == len(status.shards)
        await _worked_off(fleet)
        status = await names["ask"](pull, database, redis_url)
        assert status.finished
        await fleet.check_truth(LISTS)


async def _worked_off(fleet: WorkerGroup) -> None:
    """Run a worker of the tests' queue with the tasks of the guide's queue."""
    await requeue(to=fleet.target, redis=fleet.queue)
    await fleet.work_off()


async def test_a_session_can_be_used_from_synchronous_code(database: str, redis_url: str) -> None:
    names = block("class SessionThread")
    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        sandbox = fleet.sandbox

        def work() -> list[str | None]:
            nex = NexHealth(
                sandbox.api_key,
                base_url=sandbox.url,
                subdomain=sandbox.subdomain,
                location_id=sandbox.location_id,
            )
            thread = names["SessionThread"](nex)
            try:
                return [names["patient_name"](thread, id) for id in sandbox.patients.ids[:3]]
            finally:
                thread.close()

        found = await to_thread.run_sync(work)
        assert len(found) == 3
        assert all(found)
        assert len(sandbox.seen("POST", "/authenticates")) == 1


@pytest.fixture
def broker() -> Iterator[StubBroker]:
    made = StubBroker()
    before = dramatiq.get_broker()
    dramatiq.set_broker(made)
    yield made
    made.close()
    dramatiq.set_broker(before)


async def test_the_same_shards_can_be_read_by_dramatiq(
    database: str, redis_url: str, broker: StubBroker
) -> None:
    make_thread = block("class SessionThread")["SessionThread"]
    names = block("import dramatiq")
    async with worker_group(database, redis_url, patients=20, practices=2) as fleet:
        sandbox = fleet.sandbox

        def work() -> None:
            nex = NexHealth(sandbox.api_key, base_url=sandbox.url, rates=Rates.unlimited())
            thread = make_thread(nex)
            names.update(
                session_thread=lambda: thread, DATABASE=database, OWNER=f"test-{os.getpid()}"
            )
            worker = dramatiq.Worker(broker, worker_threads=3, worker_timeout=50)
            worker.start()
            try:
                for text in thread.portal.call(names["begin"], list(LISTS)):
                    names["read_shard"].send(text)
                broker.join("default", timeout=60_000)
                worker.join()
            finally:
                worker.stop()
                thread.close()

        await to_thread.run_sync(work)
        status = await fleet_status(to=fleet.target)
        assert status is not None
        assert status.finished
        await fleet.check_truth(LISTS)


def test_the_tables_match_the_arithmetic() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"<!-- sizing -->\n(.*)<!-- end of sizing -->", text, re.DOTALL)
    assert found is not None
    assert found[1].strip() == tables().strip(), "python -m benchmarks.sizing"


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_ten_times_the_practices_take_ten_times_as_long(version: str) -> None:
    few, many = (sizing(number, version) for number in (100, 1000))
    assert many.requests == 10 * few.requests
    assert many.seconds == pytest.approx(10 * few.seconds, rel=0.1)
    assert [sizing(number, version).limit for number in PRACTICES]
    assert sizing(100, "v2", drift="watch").seconds < sizing(100, "v2").seconds


def test_the_statements_about_sizes_are_true() -> None:
    night = 10 * 3600
    assert sizing(300, "v2").seconds < night < sizing(10_000, "v2").seconds
    assert sizing(10_000, "v2", refresh=True).seconds < 2 * 3600
    assert "appointments" in sizing(100, "v3").limit
