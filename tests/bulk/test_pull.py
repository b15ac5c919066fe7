"""Pulls over sockets: every record once, failures isolated, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from attrs import evolve

from nexhealth_async import Limit, PartialPullError, Rates
from nexhealth_async.bulk import (
    Batch,
    BatchRead,
    Event,
    PullEnded,
    PullStarted,
    ShardDone,
    ShardFailed,
    ShardStarted,
)
from nexhealth_async.errors import (
    DriftError,
    InvalidAPIKeyError,
    InvalidArgumentError,
    PermissionDeniedError,
    SessionStateError,
    UsageError,
    WalkClosedError,
)
from nexhealth_async.models import Appointment, Patient
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.bulk.helpers import TABLES, VERSIONS, by_group, scene, truth
from tests.bulk.memory_target import id_of
from tests.event_loops import ends_without_help, logins_ended

if TYPE_CHECKING:
    from nexhealth_async.bulk import Pull
    from nexhealth_async.pagination.page_plans import Drift
    from nexhealth_async.sandbox.request_log import RecordedPage
    from tests.conftest import MovableLoop


def tasks() -> set[asyncio.Task[object]]:
    """All tasks but those of the server, which keeps its connections."""
    return {task for task in asyncio.all_tasks() if "RequestHandler" not in repr(task)}


async def check_tasks(before: set[asyncio.Task[object]]) -> None:
    """Check that no task of a pull is left, and that the session's login ends."""
    assert {task for task in tasks() if not ends_without_help(task)} == before
    await logins_ended()
    assert tasks() == before


async def batches_of(pull: Pull) -> list[Batch]:
    async with pull:
        return [batch async for batch in pull]


@pytest.mark.parametrize("version", VERSIONS)
async def test_everything_is_delivered_once(version: str) -> None:
    async with scene(version, locations=3) as (sandbox, nex):
        pull = nex.bulk.pull(per_page=7)
        batches = await batches_of(pull)
        for resource in TABLES:
            assert by_group(batches, resource) == truth(sandbox, resource), resource
        pull.report.raise_if_partial()
        report = pull.report
        assert report.complete
        assert report.records == sum(len(batch.records) for batch in batches)
        assert report.duplicates > 40  # patients of several locations
        assert report.stats.requests == len(sandbox.requests)
        assert {shard.shard.name for shard in report.shards} == {
            shard.name for shard in pull.shards
        }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("listed_unasked", [None, False, True])
async def test_the_default_filters_of_the_server_hide_nothing(
    version: str, *, listed_unasked: bool | None
) -> None:
    async with scene(version) as (sandbox, nex):
        sandbox.assumptions.new_patient_when_unset = listed_unasked
        sandbox.assumptions.cancelled_when_unset = listed_unasked
        for practice in sandbox.practices:
            for table, change in (
                (practice.patients, {"bio": {"new_patient": True}}),
                (practice.appointments, {"cancelled": True}),
            ):
                for id in [*table.ids][::3]:
                    table.update(id, **change)
        batches = await batches_of(nex.bulk.pull(["patients", "appointments"], per_page=7))
        for resource in ("patients", "appointments"):
            assert by_group(batches, resource) == truth(sandbox, resource), resource


@pytest.mark.parametrize("version", VERSIONS)
async def test_records_are_typed_and_have_their_json(version: str) -> None:
    async with scene(version, practices=1) as (sandbox, nex):
        for batch in await batches_of(nex.bulk.pull(["patients", "appointments"])):
            if batch.shard.resource == "patients":
                for patient, raw in zip(batch.of(Patient), batch.raw, strict=True):
                    assert f'"id":{patient.id}'.encode() in raw.replace(b" ", b"")
                    assert patient.first_name == sandbox.patients.row(patient.id)["first_name"]
            else:
                assert all(one.start_time for one in batch.of(Appointment))
                with pytest.raises(UsageError, match="holds Appointment records"):
                    batch.of(Patient)


@pytest.mark.parametrize("version", VERSIONS)
async def test_some_locations_of_some_practices(version: str) -> None:
    async with scene(version, locations=3) as (sandbox, nex):
        second = sandbox.practices[1]
        here = second.locations.ids[1]
        pull = nex.bulk.pull(["appointments"], practices={second.subdomain: [here]})
        batches = await batches_of(pull)
        expected = sorted(second.appointments.where("location_id", here))
        assert by_group(batches, "appointments") == {second.subdomain: expected}


async def test_a_bound_session_reads_only_its_scope() -> None:
    async with scene(locations=2) as (sandbox, nex):
        bound = nex.with_options(subdomain=sandbox.practices[1].subdomain)
        batches = await batches_of(bound.bulk.pull(["providers"]))
        assert {batch.shard.subdomain for batch in batches} == {sandbox.practices[1].subdomain}


async def test_a_failing_shard_does_not_stop_the_others() -> None:
    async with scene(locations=3) as (sandbox, nex):
        forbidden = sandbox.practices[0].locations.ids[1]
        sandbox.fail_next(403, path=f"/locations/{forbidden}/appointment_descriptors")
        sandbox.fail_next(403, path="/procedures?page=1")
        pull = nex.bulk.pull(
            ["patients", "procedures", "locations.appointment_descriptors"], per_page=9
        )
        batches = await batches_of(pull)
        report = pull.report
        assert by_group(batches, "patients") == truth(sandbox, "patients")
        descriptors = sum(
            len(batch.records) for batch in batches if "descriptors" in batch.shard.resource
        )
        assert descriptors == 5 * 8
        failed = {one.shard.resource: one for one in report.failed}
        assert set(failed) == {"procedures", "locations.appointment_descriptors"}
        assert failed["locations.appointment_descriptors"].shard.location_id == forbidden
        assert len(report.failed) == 2
        for one in report.failed:
            assert isinstance(one.error, PermissionDeniedError)
            assert (one.error_text or "").startswith("PermissionDeniedError: GET /")
        assert not report.complete
        with pytest.raises(PartialPullError, match="not read to the end: ") as caught:
            report.raise_if_partial()
        assert set(caught.value.shards) == {one.shard.name for one in report.failed}
        assert len(caught.value.errors) == 2


async def test_an_error_in_a_report_keeps_no_frames() -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        sandbox.fail_next(403, path="/patients?page=1")
        pull = nex.bulk.pull(["patients"])
        await batches_of(pull)
        [failed] = pull.report.failed
        assert failed.error is not None
        assert failed.error.__traceback__ is None
        assert failed.error.__context__ is None


async def test_a_failed_group_is_not_swept() -> None:
    async with scene("v3", practices=1) as (sandbox, nex):
        sandbox.fail_next(403, path="/patients")
        pull = nex.bulk.pull(["patients"])
        await batches_of(pull)
        status = {shard.shard.sweep: shard.status for shard in pull.report.shards}
        assert status[True] == "open"


async def test_records_delivered_before_a_failure_are_counted() -> None:
    async with scene("v3", practices=1, locations=1, patients=30) as (sandbox, nex):
        calls = 0

        def on_page(page: RecordedPage) -> None:
            nonlocal calls
            if page.path == "/patients" and (calls := calls + 1) == 3:  # new patients first
                sandbox.fail_next(403, path="/patients")

        sandbox.page_callback = on_page
        pull = nex.bulk.pull(["patients"], per_page=10)
        batches = await batches_of(pull)
        [failed] = pull.report.failed
        assert failed.records == 20 == sum(len(batch.records) for batch in batches)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_rejected_key_ends_the_pull(version: str, loop: MovableLoop) -> None:
    async with scene(version, patients=100) as (sandbox, nex):
        pull = nex.bulk.pull(["patients"], per_page=5)
        with pytest.raises(InvalidAPIKeyError):
            async with pull:
                await anext(pull)
                sandbox.revoke_key()
                loop.shift(15)  # the token is no longer so young that one refusal says nothing
                async for _ in pull:
                    pass
        assert not pull.report.complete
        assert not pull.report.failed


async def test_closing_the_session_ends_the_pull() -> None:
    async with scene(patients=200) as (_, nex):
        with pytest.raises(SessionStateError, match="closed"):
            async with nex.bulk.pull(["patients"], per_page=5) as pull:
                async for _ in pull:
                    await nex.aclose()


async def test_unreadable_records_are_rejected() -> None:
    async with scene(practices=1, locations=2) as (sandbox, nex):
        bad = sandbox.patients.ids[3]
        sandbox.patients.update(bad, id_text="x")
        sandbox.practice.patients._rows[bad] = {**sandbox.patients.row(bad), "id": "no number"}
        pull = nex.bulk.pull(["patients"], drift="watch")
        batches = await batches_of(pull)
        refused = [one for batch in batches for one in batch.refused]
        assert refused
        assert b"no number" in refused[0].raw_json
        assert "no number" not in repr(refused[0])
        assert pull.report.refused == len(refused)
        assert len(by_group(batches, "patients")[sandbox.subdomain]) == 39


async def test_a_list_that_keeps_changing_fails_its_shard_only() -> None:
    async with scene(practices=1, locations=1, patients=60) as (sandbox, nex):

        def on_page(page: RecordedPage) -> None:
            if page.path == "/patients":
                sandbox.patients.delete(sandbox.patients.ids[0])
                sandbox.patients.insert()

        sandbox.page_callback = on_page
        pull = nex.bulk.pull(["patients", "procedures"], per_page=10)
        batches = await batches_of(pull)
        [failed] = pull.report.failed
        assert isinstance(failed.error, DriftError)
        assert by_group(batches, "procedures") == truth(sandbox, "procedures")


async def test_a_pull_waits_for_a_slow_consumer() -> None:
    async with (
        scene(practices=1, locations=1, patients=1000) as (sandbox, nex),
        nex.bulk.pull(["patients"], per_page=10, concurrency=4) as pull,
    ):
        await anext(pull)
        seen = -1
        while seen != len(sandbox.requests):
            seen = len(sandbox.requests)
            await asyncio.sleep(0.15)
        # Per list at most twice the requests in flight are asked for or held, and a few wait.
        assert seen < 20
        assert len([one async for one in pull]) == 99


async def test_requests_in_flight_stay_within_each_queue() -> None:
    async with scene(locations=3, patients=300) as (sandbox, nex):
        sandbox.latency = 0.01
        sandbox.most_in_flight = 0
        pull = nex.bulk.pull(["patients", "procedures"], per_page=10, concurrency=3)
        batches = await batches_of(pull)
        assert by_group(batches, "patients") == truth(sandbox, "patients")
        assert 4 <= sandbox.most_in_flight <= 6  # patients and all else, three each


async def test_one_long_list_gets_the_whole_concurrency() -> None:
    async with scene(practices=1, locations=1, patients=600) as (sandbox, nex):
        sandbox.latency = 0.02
        sandbox.most_in_flight = 0
        await batches_of(nex.bulk.pull(["patients"], per_page=10, concurrency=6))
        assert sandbox.most_in_flight == 6


async def test_slow_lists_do_not_delay_others() -> None:
    """With one appointment request a second allowed, patients are read at full pace."""
    slow = Rates(slow=Limit(1, 0.3), people=None, overall=None)
    ended: dict[str, int] = {}
    order = 0

    def note(event: Event) -> None:
        nonlocal order
        if isinstance(event, ShardDone):
            order += 1
            ended[event.shard.resource] = order

    async with scene(locations=2, practices=1, patients=100, rates=slow) as (_, nex):
        pull = nex.bulk.pull(["appointments", "patients"], per_page=20, on_event=note)
        await batches_of(pull)
        assert ended["patients"] < ended["appointments"]
        by = {
            shard.shard.resource: shard.seconds
            for shard in pull.report.shards
            if not shard.shard.sweep
        }
        assert by["appointments"] > by["patients"]


async def test_waiting_for_the_limit_fails_no_shard() -> None:
    """Many short lists: the first request of each waits longer than a call's timeout allows."""
    limits = Rates(other=Limit(4, 0.5), overall=None)
    async with scene(practices=4, locations=1, rates=limits) as (_, nex):
        nex._session_client = evolve(
            nex._client, options=evolve(nex._client.options, timeout=0.6)
        )  # as if that were the default
        pull = nex.bulk.pull(["providers", "insurance_plans", "nex_staff"], concurrency=20)
        await batches_of(pull)
        assert not pull.report.failed


@pytest.mark.parametrize("version", VERSIONS)
async def test_leaving_early_leaves_nothing_behind(version: str) -> None:
    async with scene(version, patients=300) as (_, nex):
        before = tasks()
        async with nex.bulk.pull(per_page=5) as pull:
            async for _ in pull:
                break
        assert tasks() == before
        assert not nex._client.state.tasks
        assert not pull.report.complete
        with pytest.raises(WalkClosedError):
            await anext(pull)


@pytest.mark.parametrize("seed", range(8))
async def test_cancelling_at_any_moment_ends_promptly_and_leaves_nothing_behind(seed: int) -> None:
    draw = random.Random(seed)
    async with scene(draw.choice(VERSIONS), patients=150) as (sandbox, nex):
        sandbox.latency = 0.002
        before = tasks()

        async def consume() -> None:
            async with nex.bulk.pull(per_page=5) as pull:
                async for _ in pull:
                    await asyncio.sleep(draw.random() * 0.002)

        task = asyncio.create_task(consume())
        await asyncio.sleep(draw.random() * 0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gc.collect()
        await check_tasks(before)
        assert not nex._client.state.tasks
        async for _ in nex.practices():  # the session goes on working
            break


@pytest.mark.parametrize(
    ("seconds", "latency"), [(0.0, 0.01), (0.02, 0.01), (0.2, 0.01), (0.1, 0.5)]
)
async def test_a_cancelled_scope_leaves_nothing_behind(seconds: float, latency: float) -> None:
    async with scene(patients=300) as (sandbox, nex):
        sandbox.latency = latency
        before = tasks()
        with anyio.move_on_after(seconds) as scope:
            async with nex.bulk.pull(per_page=5) as pull:
                async for _ in pull:
                    pass
        assert scope.cancelled_caught
        await check_tasks(before)
        assert not nex._client.state.tasks


async def test_cancelling_anext_loses_nothing() -> None:
    async with scene(practices=1, patients=200) as (sandbox, nex):
        sandbox.latency = 0.004
        batches: list[Batch] = []
        async with nex.bulk.pull(["patients"], per_page=10) as pull:
            while True:
                try:
                    batches.append(await asyncio.wait_for(anext(pull), 0.003))
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    break
        assert by_group(batches, "patients") == truth(sandbox, "patients")


async def test_a_pull_is_entered_once_and_has_one_consumer() -> None:
    async with scene(practices=1) as (sandbox, nex):
        pull = nex.bulk.pull(["patients"])
        assert "not entered" in repr(pull)
        with pytest.raises(UsageError, match="the pull is not entered"):
            await anext(pull)
        with pytest.raises(UsageError, match="the pull is not entered"):
            _ = pull.report
        sandbox.latency = 0.05
        async with pull:
            first = asyncio.create_task(anext(pull))
            await asyncio.sleep(0)
            with pytest.raises(UsageError, match="one consumer"):
                await anext(pull)
            await first
        with pytest.raises(UsageError, match="already entered"):
            await pull.__aenter__()


async def test_impossible_arguments_are_refused_before_anything_is_sent() -> None:
    async with scene(practices=1) as (sandbox, nex):
        with pytest.raises(InvalidArgumentError, match="concurrency must be"):
            nex.bulk.pull(["patients"], concurrency=0)
        with pytest.raises(InvalidArgumentError, match="per_page must be"):
            nex.bulk.pull(["patients"], per_page=0)
        with pytest.raises(InvalidArgumentError, match="drift must be"):
            nex.bulk.pull(["patients"], drift=cast("Drift", "hope"))
        for name in ("available_slots", "patients.alerts", "nothing"):
            with pytest.raises(UsageError):
                async with nex.bulk.pull([name]):
                    pass
        assert not sandbox.requests


async def test_events_report_the_whole_pull() -> None:
    events: list[Event] = []
    async with scene(practices=1, locations=1, patients=50) as (sandbox, nex):
        sandbox.fail_next(403, path="/procedures?page=1")
        pull = nex.bulk.pull(["patients", "procedures"], per_page=10, on_event=events.append)
        async with pull:
            async for _ in pull:
                snapshot = pull.snapshot()
                assert snapshot.shards == len(pull.shards)
                assert snapshot.new_records == snapshot.records
        first, last = events[0], events[-1]
        assert isinstance(first, PullStarted)
        assert first.snapshot().done == sum(shard.status == "done" for shard in pull.report.shards)
        assert first.snapshot().failed == 1
        assert last == PullEnded(complete=False)
        assert sum(isinstance(one, ShardStarted) for one in events) == 2 + 1  # and the sweep
        assert [one.shard.resource for one in events if isinstance(one, ShardFailed)] == [
            "procedures"
        ]
        read = [one for one in events if isinstance(one, BatchRead)]
        assert read[-1].records == 50
        assert read[-1].total == 50 == read[-1].read


async def test_an_error_in_the_listener_ends_the_pull() -> None:
    def refuse(event: Event) -> None:
        if isinstance(event, ShardStarted):
            raise ZeroDivisionError

    async with scene(practices=1) as (_, nex):
        with pytest.raises(ZeroDivisionError):
            await batches_of(nex.bulk.pull(["patients"], on_event=refuse))


async def test_no_personal_data_is_shown() -> None:
    events: list[Event] = []
    async with scene(practices=1, locations=1) as (sandbox, nex):
        pull = nex.bulk.pull(["patients"], on_event=events.append)
        batches = await batches_of(pull)
        shown = (
            f"{batches} {pull!r} {pull.report!r} {pull.report.shards} {events} {pull.snapshot()}"
        )
        for row in sandbox.patients:
            assert str(row["email"]) not in shown
            assert str(row["last_name"]) not in shown


async def test_a_sweep_finds_records_that_moved_to_a_window_already_read() -> None:
    async with scene("v3", practices=1, locations=1, appointments=20) as (sandbox, nex):
        moved = sandbox.appointments.ids[5]

        def reschedule(page: RecordedPage) -> None:
            if page.path != "/appointments" or reads != 3:
                return
            now = format_timestamp(sandbox.clock.now())
            sandbox.appointments.update(
                moved,
                start_time="2010-05-03T15:00:00.000Z",
                end_time="2010-05-03T16:00:00.000Z",
                updated_at=now,
            )

        reads = 0

        def count(page: RecordedPage) -> None:
            nonlocal reads
            reads += page.path == "/appointments"
            reschedule(page)

        sandbox.page_callback = count
        pull = nex.bulk.pull(["appointments"], concurrency=1)
        batches = await batches_of(pull)
        assert by_group(batches, "appointments") == truth(sandbox, "appointments")
        swept = [
            id_of(record) for batch in batches if batch.shard.sweep for record in batch.records
        ]
        assert swept == [moved]


@pytest.mark.parametrize("version", VERSIONS)
async def test_practices_are_read_in_turn(version: str) -> None:
    order: list[str | None] = []

    def note(event: Event) -> None:
        if isinstance(event, ShardStarted) and not event.shard.sweep:
            order.append(event.shard.subdomain)

    async with scene(version, practices=3, locations=2) as (sandbox, nex):
        await batches_of(nex.bulk.pull(["patients"], concurrency=1, on_event=note))
        names = [practice.subdomain for practice in sandbox.practices]
        assert order == names * 2


async def test_an_estimate_has_the_same_arguments() -> None:
    async with scene(practices=1, locations=1, patients=50) as (sandbox, nex):
        estimate = await nex.bulk.estimate(["patients"], practices=[sandbox.subdomain], per_page=10)
        assert estimate.shards[0].records == 50


async def test_importing_the_package_does_not_import_bulk() -> None:
    import subprocess
    import sys

    code = (
        "import sys, nexhealth_async; from nexhealth_async import NexHealth;"
        "print([m for m in sys.modules if m.startswith('nexhealth_async.bulk')])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"
