"""``nexhealth fleet`` as separate processes: one begins, others work, any shows the status."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fleet.helpers import WorkerGroup, worker_group

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_LISTS = ("patients", "procedures")


async def _start(fleet: WorkerGroup, *words: str, **more: str) -> Process:
    env = {
        **os.environ,
        "NEXHEALTH_API_KEY": fleet.sandbox.api_key,
        "NEXHEALTH_BASE_URL": fleet.sandbox.url,
        "NEXHEALTH_PULL_TO": fleet.database,
        "NEXHEALTH_REDIS": fleet.redis,
        "COLUMNS": "120",
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nexhealth_async", "fleet", *words),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    fleet.processes.append(process)
    return process


async def _said(process: Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def _run(fleet: WorkerGroup, *words: str, **more: str) -> tuple[int | None, str, str]:
    return await _said(await _start(fleet, *words, **more))


async def test_a_pull_is_begun_processed_and_reported_by_separate_processes(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=60, practices=2) as fleet:
        queue = ("--queue", fleet.name)
        status, pull, stderr = await _run(fleet, "pull", *_LISTS, *queue)
        assert status == 0, stderr
        assert "Queued" in stderr
        status, text, stderr = await _run(fleet, "status", pull.strip(), *queue)
        assert status == 0, stderr
        assert f"pull {pull.strip()}" in text
        assert "in progress" in text
        fleet.sandbox.latency = 0.3
        worker = await _start(fleet, "work", *queue, "--grace", "0", "--takeover", "2")
        while not (await fleet.status()).of("reading"):
            await asyncio.sleep(0.05)
        worker.send_signal(signal.SIGINT)
        status, _, stderr = await _said(worker)
        assert status == 0, stderr
        assert stderr.endswith("; stopped\n")
        assert not (await fleet.status()).finished
        fleet.sandbox.latency = 0.0
        last = await _start(fleet, "work", *queue, "--takeover", "2")
        await fleet.until_finished(90)
        last.send_signal(signal.SIGTERM)
        assert (await _said(last))[0] == 0
        await fleet.check_truth(_LISTS)
        status, text, _ = await _run(fleet, "status", *queue)
        assert status == 0
        assert ": done" in text
        assert "dead: " not in text
        status, _, stderr = await _run(fleet, "pull", "--resume", *queue)
        assert status == 0
        assert "There is nothing to resume" in stderr


async def test_an_abandoned_shard_is_named_and_gives_status_3(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        queue = ("--queue", fleet.name)
        fleet.sandbox.fail_next(403, path="/procedures", times=100)
        assert (await _run(fleet, "pull", *_LISTS, *queue))[0] == 0
        worker = await _run(fleet, "work", *queue, "--tries", "1", "--until-empty")
        assert worker[0] == 0, worker
        said = "4 shards, 10 records, 1 failure (see `nexhealth fleet status`)"
        assert worker[2] == f"{said}; the queue is empty\n"
        status, text, stderr = await _run(fleet, "status", *queue)
        assert status == 3, stderr
        assert "ended with dead shards" in text
        assert "  dead: procedures/sandbox-dental/-, 1 tries: PermissionDeniedError" in text
        assert "--resume" in text


async def test_an_unfinished_pull_is_kept_by_default(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        queue = ("--queue", fleet.name)
        assert (await _run(fleet, "pull", *_LISTS, *queue))[0] == 0
        status, out, stderr = await _run(fleet, "pull", "patients", *queue)
        assert (status, out) == (2, "")
        assert "a pull of 2 lists is unfinished in this schema: 0 of 5 shards are done" in stderr
        assert "--resume` first if its queue is empty" in stderr
        assert stderr.endswith("or discard it with --replace\n")
        status, out, stderr = await _run(fleet, "pull", "patients", *queue, "--replace")
        assert (status, out.strip()) == (0, (await fleet.status()).pull), stderr


async def test_a_status_without_redis_omits_the_queue(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        assert (await _run(fleet, "pull", *_LISTS, "--queue", fleet.name))[0] == 0
        status, text, stderr = await _run(fleet, "status", NEXHEALTH_REDIS="")
        assert status == 0, stderr
        assert "in progress" in text
        assert "dead" not in text.splitlines()[0]
        assert "without --redis or NEXHEALTH_REDIS" in stderr
        status, text, stderr = await _run(fleet, "status", "--queue", f"{fleet.name}-other")
        assert status == 3, stderr
        assert "dead" in text.splitlines()[0]
        assert not stderr


async def test_a_narrow_terminal_shows_failures_and_names_what_it_omits(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        queue = ("--queue", fleet.name)
        assert (await _run(fleet, "pull", *_LISTS, *queue))[0] == 0
        status, text, stderr = await _run(fleet, "status", *queue, COLUMNS="40")
        assert status == 0, stderr
        assert text.split("\n", 1)[0].split() == ["resource", "shards", "done", "dead", "failed"]
        assert stderr == "(no room for reading, waiting, records, rejected)\n"


@pytest.mark.parametrize(
    ("words", "more", "says"),
    [
        (("pull", "patients"), {"NEXHEALTH_PULL_TO": "out/"}, "cannot share files"),
        (("work",), {"NEXHEALTH_PULL_TO": "x.duckdb"}, "or a DuckDB file"),
        (("work",), {"NEXHEALTH_REDIS": ""}, "No queue is configured"),
        (("work",), {"NEXHEALTH_REDIS": "http://x"}, "invalid Redis URL"),
        (("work",), {"NEXHEALTH_REDIS": "redis:6379"}, "invalid Redis URL"),
        (("work",), {"NEXHEALTH_REDIS": "redis://u:12?geheim@h/0"}, "invalid Redis URL"),
        (("work", "--redis", "redis://me:geheim@x"), {}, "--redis cannot contain a password"),
        (
            ("work", "--redis", "redis://x/0?password=geheim"),
            {},
            "--redis cannot contain a password",
        ),
        (
            ("work", "--redis", "redis://x/0?db=1&pass%77ord=geheim"),
            {},
            "cannot contain a password",
        ),
        (("status", "--redis", "unix:///x.sock?password=geheim"), {}, "cannot contain a password"),
        (
            ("pull", "patients", "--redis", "rediss://x?ssl_password=geheim"),
            {},
            "cannot contain a password",
        ),
        (("work", "--redis", "redis://me:geheim@[x"), {}, "invalid Redis URL"),
        (("work", "--sandbox"), {}, "--sandbox ends with this command"),
        (("pull", "patients", "--resume"), {}, "--resume continues the last pull"),
        (("pull", "--replace", "--resume"), {}, "--resume continues the last pull"),
        (("status",), {"NEXHEALTH_PULL_TO": "postgres://"}, "invalid PostgreSQL URL"),
        (("status",), {"NEXHEALTH_PULL_TO": "postgres://h:5931abc/x"}, "invalid PostgreSQL URL"),
        (("pull", "nothing"), {}, "These can be pulled"),
        (("status",), {}, "There is no pull in this database"),
    ],
)
async def test_impossible_arguments_give_a_clear_error(
    database: str, redis_url: str, words: tuple[str, ...], more: dict[str, str], says: str
) -> None:
    async with worker_group(database, redis_url, patients=1, practices=1) as fleet:
        status, out, stderr = await _run(fleet, *words, **more)
    assert status == 2, stderr
    assert says in " ".join(stderr.split())
    assert "geheim" not in stderr
    assert not out
