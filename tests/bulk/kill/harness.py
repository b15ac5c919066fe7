"""Kill copies at random moments, resume them, and compare the result with the sandbox.

A moment is a number of pages the sandbox has served plus a few milliseconds, both drawn from the
seed: some hit a request, some a write, some a run that has hardly begun.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from contextlib import asynccontextmanager, contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest
from attrs import define, evolve, field, frozen

from nexhealth_async import NexHealth, OriginError
from nexhealth_async._protocol.requests import version_name
from nexhealth_async.bulk.target_protocol import OriginStore, open_target
from nexhealth_async.sandbox import Sandbox
from tests.bulk.kill.child import CopyArguments, run, target_of
from tests.bulk.kill.reading import Contents, pulls_in, read_back, read_rejected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from multiprocessing.process import BaseProcess

    from nexhealth_async.sandbox import RecordedPage

__all__ = ["RESOURCES", "KillStatistics", "killed_pulls"]

RESOURCES = ("patients", "appointments", "procedures", "providers", "operatories")
_OTHER = {"v2": "v3", "v3": "v2"}
_PATIENCE = 60.0
_LATEST = 0.03
"""Seconds at most between a page and the kill."""
_SHARE = 0.7
"""Fraction of the pages of an undisturbed copy that one run may read at most."""
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([run.__module__])


@define(kw_only=True)
class KillStatistics:
    """Statistics of a run."""

    kind: str
    version: str
    moments: int = 0
    """Processes that were killed while they worked."""
    copies: int = 0
    """Copies that were completed and equal the sandbox's records."""
    most: int = 0
    """Kills that one copy survived."""
    pages: int = 0
    seconds: float = 0.0


@frozen
class _Stage:
    """A sandbox, and arguments for each new place."""

    sandbox: Sandbox
    order: CopyArguments
    new_place: Callable[[], str]
    truth: Contents
    rejected: Contents
    pages: int


@define
class _Counter:
    """Signals when the sandbox has served this many pages."""

    seen: int = 0
    due: int | None = None
    reached: asyncio.Event = field(factory=asyncio.Event)

    def __call__(self, page: RecordedPage) -> None:
        self.seen += 1
        if self.seen == self.due:
            self.reached.set()


async def killed_pulls(
    kind: str,
    version: str,
    *,
    moments: int,
    seed: int,
    new_place: Callable[[], str],
    recopies: bool = False,
) -> KillStatistics:
    """Copy to new places until this many processes were killed; check each copy.

    With ``recopies``, each place contains a complete copy of the other version at first.
    """
    draw = random.Random(f"{seed} {kind} {version}")
    tally = KillStatistics(kind=kind, version=version)
    began = time.monotonic()
    async with _stage(kind, version, new_place) as stage:
        while tally.moments < moments:
            order = evolve(stage.order, place=stage.new_place(), recopies=recopies)
            if recopies:
                stage.sandbox.between_pages(None)
                older = evolve(order, version=_OTHER[version])
                assert await _lived(older, _Counter(), 0.0)
            kills = await _killed_copy(stage, order, draw, moments - tally.moments, tally)
            await _check(stage, order)
            tally.copies += 1
            tally.most = max(tally.most, kills)
    tally.seconds = time.monotonic() - began
    return tally


@asynccontextmanager
async def _stage(kind: str, version: str, new_place: Callable[[], str]) -> AsyncGenerator[_Stage]:
    async with Sandbox(
        patients=40, practices=2, locations=2, appointments=30, procedures=24
    ) as sandbox:
        order = CopyArguments(
            url=sandbox.url,
            api_key=sandbox.api_key,
            version=version,
            kind=kind,
            place=new_place(),
            resources=RESOURCES,
            per_page=5,
            concurrency=3,
        )
        _inject_bad_records(sandbox)
        counter = _Counter()
        sandbox.between_pages(counter)
        assert await _lived(order, counter, 0.0), "it ended before the moment came"
        truth = await read_back(kind, order.place, RESOURCES)
        assert _ids(truth) == _ids_of(sandbox), "a copy in peace is not complete"
        rejected = await read_rejected(kind, order.place)
        assert sum(map(len, rejected.values())) == len(_unreadable(sandbox)), "not all are rejected"
        yield _Stage(sandbox, order, new_place, truth, rejected, counter.seen)


def _inject_bad_records(sandbox: Sandbox) -> None:
    """Make some records of each practice unreadable, and the id of one."""
    for practice in sandbox.practices:
        for id in (practice.patients.ids[7], practice.patients.ids[-1]):
            practice.patients.update(id, bio="odd")
        practice.appointments.update(practice.appointments.ids[11], cancelled_at="yesterday")
    nameless = sandbox.patients.ids[20]
    sandbox.practice.patients._rows[nameless] = {**sandbox.patients.row(nameless), "id": "odd"}


def _unreadable(sandbox: Sandbox) -> set[tuple[str, str, int]]:
    return {
        (resource, practice.subdomain, id)
        for practice in sandbox.practices
        for resource in ("patients", "appointments")
        for id in getattr(practice, resource).ids
        if _is_malformed(getattr(practice, resource).row(id))
    }


def _is_malformed(row: dict[str, object]) -> bool:
    return "odd" in (row.get("bio"), row["id"]) or row.get("cancelled_at") == "yesterday"


async def _killed_copy(
    stage: _Stage, order: CopyArguments, draw: random.Random, most: int, tally: KillStatistics
) -> int:
    """Copy to one place, with a few kills, until it is complete."""
    kills, limit = 0, min(most, draw.randrange(1, 9))
    while True:
        counter = _Counter()
        if kills < limit:
            counter.due = draw.randrange(1, max(2, int(stage.pages * _SHARE)))
        stage.sandbox.between_pages(counter)
        ended = await _lived(order, counter, draw.uniform(0.0, _LATEST))
        tally.pages += counter.seen
        if ended:
            return kills
        kills += 1
        tally.moments += 1
        await _check_origin(stage, order)


async def _lived(order: CopyArguments, counter: _Counter, delay: float) -> bool:
    """Run a process; return whether it finished before it was to be killed."""
    process = _PROCESSES.Process(target=run, args=(order,))
    await asyncio.to_thread(process.start)
    try:
        with _ending(process) as ended:
            await asyncio.wait_for(_either(ended, counter.reached), _PATIENCE)
            if not ended.is_set():
                await asyncio.sleep(delay)
                process.kill()
            await asyncio.wait_for(ended.wait(), _PATIENCE)
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), f"it ended with {process.exitcode}"
        return process.exitcode == 0
    finally:
        process.kill()
        process.join()
        process.close()


@contextmanager
def _ending(process: BaseProcess) -> Generator[asyncio.Event]:
    """Return an event that is set when the process has exited."""
    loop, ended, handle = asyncio.get_running_loop(), asyncio.Event(), process.sentinel

    def end() -> None:
        loop.remove_reader(handle)
        ended.set()

    loop.add_reader(handle, end)
    try:
        yield ended
    finally:
        loop.remove_reader(handle)


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _check(stage: _Stage, order: CopyArguments) -> None:
    assert await read_rejected(order.kind, order.place) == stage.rejected
    found = await read_back(order.kind, order.place, RESOURCES)
    assert _ids(found) == _ids_of(stage.sandbox), "records are missing, or there twice"
    for key, rows in stage.truth.items():
        for row, expected in zip(found[key], rows, strict=True):
            got, want = json.loads(row), json.loads(expected)
            differing = [name for name in want if got.get(name) != want[name]]

            assert got == want, f"{differing} of a row of {key} are not what they should be"


async def _check_origin(stage: _Stage, order: CopyArguments) -> None:
    """Check that a killed process leaves an origin, and no mix that looks complete."""
    target = target_of(order.kind, order.place)
    assert isinstance(target, OriginStore)
    async with open_target(target):
        last = await target.inspect()
        holds_records = await target.holds_records()
    if last is None:
        assert not holds_records
        return
    assert last.origin is not None
    assert last.origin.sandbox is not None
    assert last.origin.sandbox["seed"] == stage.sandbox.seed
    assert {shard.version for shard in last.shards} == {last.origin.version}
    if last.origin.version != version_name(order.version):
        assert order.recopies
        assert last.finished
    if holds_records and order.kind in ("duckdb", "postgres"):
        assert await pulls_in(order.kind, order.place, RESOURCES) <= {last.id}
    if not holds_records:
        return
    async with NexHealth(
        order.api_key, base_url=order.url, version=_OTHER[last.origin.version[:2]]
    ) as nex:
        with pytest.raises(OriginError):
            await nex.bulk.copy(order.resources, to=target_of(order.kind, order.place), resume=True)


def _ids(contents: Contents) -> dict[tuple[str, str], list[int]]:
    return {key: sorted(json.loads(row)["id"] for row in rows) for key, rows in contents.items()}


def _ids_of(sandbox: Sandbox) -> dict[tuple[str, str], list[int]]:
    differing = _unreadable(sandbox)
    return {
        (resource, practice.subdomain): sorted(
            id
            for id in getattr(practice, resource).ids
            if (resource, practice.subdomain, id) not in differing
        )
        for practice in sandbox.practices
        for resource in RESOURCES
    }
