"""Copies into a target: complete, refreshed, compared, killed at any moment and resumed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async.bulk import Event, Group, GroupDone, GroupState, Report
from nexhealth_async.errors import InvalidAPIKeyError, InvalidArgumentError, UsageError
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.bulk.helpers import TABLES, VERSIONS, scene, truth
from tests.bulk.memory_target import KilledError, RecordingTarget

if TYPE_CHECKING:
    from nexhealth_async import NexHealth
    from nexhealth_async.sandbox import Sandbox

RESOURCES = ["patients", "appointments", "providers", "procedures", "locations"]


@pytest.mark.parametrize("merges", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_copy_contains_every_record_once(version: str, *, merges: bool) -> None:
    async with scene(version, locations=3) as (sandbox, nex):
        book = RecordingTarget(merges=merges)
        report = await nex.bulk.copy(to=book, per_page=9)
        report.raise_if_partial()
        assert len(book.raws()) == report.records
        for resource in TABLES:
            assert book.ids(resource) == truth(sandbox, resource), resource
        assert book.progress is not None
        assert book.progress.finished
        assert not book.is_open
        assert set(book.known_groups) == {shard.group for shard in book.progress.shards}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("merges", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_copy_killed_at_random_moments_and_resumed_is_complete(
    version: str, seed: int, *, merges: bool
) -> None:
    draw = random.Random(seed)
    async with scene(version, locations=2, patients=60) as (sandbox, nex):
        book = RecordingTarget(merges=merges)
        kills = 0
        report: Report | None = None
        while True:
            book.kill_at = book.calls + draw.randrange(1, 40)
            book.kill_after = draw.random() < 0.5
            try:
                report = await nex.bulk.copy(
                    RESOURCES, to=book, resume=True, per_page=7, concurrency=draw.randrange(1, 5)
                )
            except KilledError:
                kills += 1
                assert not book.is_open
                if book.progress is not None and book.progress.finished:
                    break  # nothing is left to resume
                # Killed later and later, so that it comes to an end.
                if kills > 12:
                    book.kill_at = None
                    report = await nex.bulk.copy(RESOURCES, to=book, resume=True, per_page=7)
                    break
                continue
            break
        assert kills
        if report is not None:
            report.raise_if_partial()
            assert report.records == sum(map(len, book.rows.values())) or merges
        for resource in RESOURCES[:-1]:
            assert book.ids(resource) == truth(sandbox, resource), resource
        book.raws()  # each once
        assert book.progress is not None
        assert book.progress.finished


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_resumed_copy_does_not_read_finished_shards_again(version: str) -> None:
    async with scene(version, practices=1, locations=1) as (sandbox, nex):
        sandbox.fail_next(403, path="/procedures", times=100)
        book = RecordingTarget(merges=True)
        first = await nex.bulk.copy(["patients", "procedures"], to=book)
        assert [one.shard.resource for one in first.failed] == ["procedures"]
        group = Group(resource="procedures", subdomain=sandbox.subdomain)
        assert group not in book.known_groups
        sandbox.clear()
        second = await nex.bulk.copy(["patients", "procedures"], to=book, resume=True)
        assert {request.path for request in sandbox.requests} == {"/procedures"}
        assert second.complete
        assert group in book.known_groups
        assert book.ids("procedures") == truth(sandbox, "procedures")


async def test_a_cursor_list_continues_behind_the_last_stored_page() -> None:
    async with scene("v3", practices=1, locations=1, patients=50) as (sandbox, nex):
        book = RecordingTarget(merges=False)
        book.kill_at = 6  # load, groups, begin, then the third batch
        with pytest.raises(KilledError):
            await nex.bulk.copy(["patients"], to=book, per_page=10, resume=True)
        kept = sum(map(len, book.rows.values()))
        assert 0 < kept < 50
        sandbox.requests.clear()
        book.kill_at = None
        await nex.bulk.copy(["patients"], to=book, per_page=10, resume=True)
        assert sandbox.seen("GET", "/patients")[0].param("end_cursor")
        assert book.ids("patients") == truth(sandbox, "patients")


async def test_an_expired_cursor_restarts_the_list_in_the_next_run() -> None:
    async with scene("v3", practices=1, locations=1, patients=50) as (sandbox, nex):
        book = RecordingTarget(merges=False)
        book.kill_at = 6
        with pytest.raises(KilledError):
            await nex.bulk.copy(["patients"], to=book, per_page=10, resume=True)
        book.kill_at = None
        sandbox.fail_next(400, path="/patients")
        report = await nex.bulk.copy(["patients"], to=book, per_page=10, resume=True)
        assert not report.complete
        report = await nex.bulk.copy(["patients"], to=book, per_page=10, resume=True)
        assert report.complete
        assert book.ids("patients") == truth(sandbox, "patients")
        book.raws()


async def test_only_the_same_pull_is_resumed() -> None:
    async with scene(practices=1) as (sandbox, nex):
        book = RecordingTarget(merges=True)
        sandbox.fail_next(403, path="/patients?page=1")
        await nex.bulk.copy(["patients"], to=book)
        with pytest.raises(UsageError, match="has other resources"):
            await nex.bulk.copy(["patients", "providers"], to=book, resume=True)
        other = nex.with_options(version="v3")
        with pytest.raises(UsageError, match="v2, and this session speaks v3"):
            await other.bulk.copy(["patients"], to=book, resume=True)
        assert (await nex.bulk.copy(to=book, resume=True)).complete  # nothing in particular
        assert book.ids("patients") == truth(sandbox, "patients")


async def test_resuming_a_complete_copy_starts_a_new_one() -> None:
    async with scene(practices=1, locations=1) as (_, nex):
        book = RecordingTarget(merges=True)
        await nex.bulk.copy(["patients"], to=book, resume=True)
        assert book.progress is not None
        first = book.progress.id
        await nex.bulk.copy(["patients"], to=book, resume=True)
        assert book.progress.id != first


async def test_a_target_that_cannot_merge_refuses_a_second_pull() -> None:
    async with scene(practices=1, locations=1) as (_, nex):
        book = RecordingTarget(merges=False)
        await nex.bulk.copy(["patients"], to=book)
        with pytest.raises(UsageError, match="earlier pull"):
            await nex.bulk.copy(["patients"], to=book)
        assert book.closed == 2


async def test_a_rejected_key_is_raised_and_the_target_closed() -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        sandbox.revoke_key()
        book = RecordingTarget(merges=True)
        with pytest.raises(InvalidAPIKeyError):
            await nex.bulk.copy(["patients"], to=book, resume=True)
        assert (book.openings, book.closed) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"resources": ["patients"], "practices": ["nobodys"]}, InvalidArgumentError),
        ({"resources": ["patents"]}, InvalidArgumentError),
        ({"resources": []}, InvalidArgumentError),
    ],
)
async def test_an_impossible_copy_is_refused_before_the_target_is_created(
    wrong: dict[str, Any], error: type[Exception]
) -> None:
    async with scene(practices=1, locations=1) as (_, nex):
        book = RecordingTarget(merges=True)
        with pytest.raises(error):
            await nex.bulk.copy(to=book, **wrong)
        with pytest.raises(error):
            await nex.bulk.begin(to=book, **wrong)
        assert (book.openings, book.closed) == (0, 0)


def change(sandbox: Sandbox, draw: random.Random, *, delete: bool) -> None:
    """Change and add records at random, and delete some if asked to."""
    now = format_timestamp(sandbox.clock.now())
    for practice in sandbox.practices:
        for table in (practice.patients, practice.appointments, practice.procedures):
            for id in draw.sample(list(table.ids), 6):
                table.update(id, updated_at=now, last_sync_time=now)
            for _ in range(3):
                table.insert(draw.randrange(len(table)), created_at=now, updated_at=now)
            if delete:
                for id in draw.sample(list(table.ids), 3):
                    table.delete(id)


async def fresh(nex: NexHealth) -> dict[tuple[str, int | None], bytes]:
    book = RecordingTarget(merges=True)
    (await nex.bulk.copy(RESOURCES, to=book)).raise_if_partial()
    return book.raws()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("delete", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
async def test_refreshing_after_random_changes_equals_a_fresh_copy(
    version: str, seed: int, *, delete: bool
) -> None:
    draw = random.Random(seed)
    async with scene(version, patients=60) as (sandbox, nex):
        book = RecordingTarget(merges=True)
        await nex.bulk.copy(RESOURCES, to=book)
        compare = timedelta(0) if delete else None
        for _ in range(2):
            change(sandbox, draw, delete=delete)
            report = await nex.bulk.copy(RESOURCES, to=book, since="last", compare=compare)
            report.raise_if_partial()
            assert book.raws() == await fresh(nex)
            assert bool(sum(report.deleted.values())) == delete
            assert delete or report.records < len(book.raws()) / 2


async def test_a_refresh_requests_changes_where_the_api_allows_it() -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        book = RecordingTarget(merges=True)
        now = datetime.now(UTC)
        await nex.bulk.copy(["patients", "insurance_plans"], to=book)
        sandbox.requests.clear()
        report = await nex.bulk.copy(["patients", "insurance_plans"], to=book, since="last")
        for request in sandbox.seen("GET", "/patients"):
            since = request.param("updated_since") or request.param("updated_after")
            assert since is not None
            requested = datetime.fromisoformat(since)
            assert timedelta(minutes=14) < now - requested < timedelta(minutes=16)
        assert report.records == 5  # the plans: they cannot be asked for changes
        assert not report.deleted


async def test_a_failed_or_partial_copy_deletes_nothing() -> None:
    async with scene(practices=2, locations=1) as (sandbox, nex):
        book = RecordingTarget(merges=True)
        await nex.bulk.copy(["patients"], to=book)
        first, second = sandbox.practices
        known = dict(book.known_groups)
        gone = first.patients.ids[0], second.patients.ids[0]
        first.patients.delete(gone[0])
        second.patients.delete(gone[1])
        bad = second.patients.ids[3]
        second.patients._rows[bad] = {**second.patients.row(bad), "id": "odd"}
        sandbox.fail_next(403, path="/patients?page=1")
        report = await nex.bulk.copy(["patients"], to=book, drift="watch", concurrency=1)
        assert not report.deleted
        assert [one.shard.subdomain for one in report.failed] == [first.subdomain]
        assert report.refused == 1
        ids = book.ids("patients")
        assert gone[0] in ids[first.subdomain]
        assert gone[1] in ids[second.subdomain]
        watermarks = {group.subdomain: state for group, state in book.known_groups.items()}
        before = {group.subdomain: state for group, state in known.items()}
        assert watermarks[first.subdomain] == before[first.subdomain]
        assert watermarks[second.subdomain].compared == before[second.subdomain].compared
        assert watermarks[second.subdomain].watermark > before[second.subdomain].watermark  # type: ignore[operator]  # pyright: ignore[reportOptionalOperand]


async def test_a_copy_of_one_location_deletes_nothing_and_sets_no_watermark() -> None:
    async with scene(practices=1, locations=2) as (sandbox, nex):
        book = RecordingTarget(merges=True)
        await nex.bulk.copy(["appointments"], to=book)
        before = dict(book.known_groups)
        here = sandbox.practice.locations.ids[0]
        await nex.bulk.copy(["appointments"], to=book, practices={sandbox.subdomain: [here]})
        assert book.known_groups == before
        assert book.ids("appointments") == truth(sandbox, "appointments")


async def test_groups_read_by_a_killed_run_are_completed_by_the_next() -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        events: list[Event] = []
        book = RecordingTarget(merges=True)
        book.kill_at = 7  # load, groups, begin, write, settle, the sweep's settle, complete
        with pytest.raises(KilledError):
            await nex.bulk.copy(["patients"], to=book, resume=True)
        assert not book.known_groups
        book.kill_at = None
        sandbox.requests.clear()
        await nex.bulk.copy(["patients"], to=book, resume=True, on_event=events.append)
        assert not sandbox.requests
        [group] = book.known_groups
        assert isinstance(book.known_groups[group], GroupState)
        assert [one.group for one in events if isinstance(one, GroupDone)] == [group]
        assert book.progress is not None
        assert book.progress.finished


async def test_completed_groups_are_not_completed_again() -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        events: list[Event] = []
        book = RecordingTarget(merges=True)
        sandbox.fail_next(403, path="/procedures?page=1")
        await nex.bulk.copy(["patients", "procedures"], to=book)
        report = await nex.bulk.copy(
            ["patients", "procedures"], to=book, resume=True, on_event=events.append
        )
        assert report.complete
        done = [one.group.resource for one in events if isinstance(one, GroupDone)]
        assert done == ["procedures"]
