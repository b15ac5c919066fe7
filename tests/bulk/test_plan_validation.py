"""Validation of plans: planned shards pass, changed ones are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from attrs import evolve

from nexhealth_async.bulk import Group, GroupState, Progress, Shard, ShardState, resources
from nexhealth_async.bulk.checkpoint_json import progress_from_json, progress_to_json
from nexhealth_async.bulk.plan_validation import check_progress, check_start, known_groups
from nexhealth_async.bulk.pull_arguments import PullRequest
from nexhealth_async.bulk.shard_planning import PracticeLocations, Since, plan_shards
from nexhealth_async.bulk.shards import Filters
from nexhealth_async.errors import UsageError
from tests.bulk.example_shards import planned_shard
from tests.bulk.helpers import scene

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
V3 = "v3.0.0"
PLACES = (
    PracticeLocations(subdomain="demo", location_ids=(7, 8)),
    PracticeLocations(subdomain="other", location_ids=(9,), whole=False),
)


def planned(version: str, since: Since, **more: Any) -> Progress:
    names = [*resources(version), *(["appointment_categories"] if version == "v2" else [])]
    plan = plan_shards(names, version, PLACES, now=NOW, since=since, **more)
    return Progress(id="p", started=NOW, options="{}", shards=plan.everything, states={})


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("since", [None, NOW - timedelta(days=3), NOW + timedelta(days=3), "last"])
@pytest.mark.parametrize("days", [None, 0, 7])
@pytest.mark.parametrize("first", [None, NOW - timedelta(days=400, seconds=1)])
def test_every_plan_passes(
    version: str, since: Since, days: int | None, first: datetime | None
) -> None:
    known = {
        Group(resource="patients", subdomain="demo"): GroupState(
            watermark=NOW - timedelta(days=1), compared=NOW - timedelta(days=2)
        )
    }
    compare = None if days is None else timedelta(days=days)
    progress = planned(version, since, watermarks=known, compare=compare, appointments_from=first)
    check_progress(progress)
    assert progress_from_json(progress_to_json(progress)) == progress


PATIENTS = planned_shard("patients", V3, compares=True)
APPOINTMENTS = planned_shard("appointments", V3, compares=True)
PROVIDERS = planned_shard("providers", V3, compares=True)


def lists(shard: Shard, **more: Any) -> tuple[Filters, ...]:
    return tuple({**arguments, **more} for arguments in shard.lists)


LATER = "2099-01-01T00:00:00Z"
CHANGED = {
    "a resource that is a path": evolve(PATIENTS, resource="../.."),
    "a resource that is not pulled": evolve(PATIENTS, resource="available_slots"),
    "no version": evolve(PATIENTS, version="../v3"),
    "no practice": evolve(PATIENTS, subdomain=None),
    "a blank practice": evolve(PATIENTS, subdomain=""),
    "no location": evolve(PATIENTS, location_id=None),
    "a location below zero": evolve(PATIENTS, location_id=-1),
    "a location of the account": planned_shard("institutions", V3, location_id=7),
    "a window it cannot have": evolve(PATIENTS, window=APPOINTMENTS.window),
    "no window": evolve(APPOINTMENTS, window=None),
    "a window that is a path": evolve(APPOINTMENTS, window=("../../../", LATER)),
    "a window backwards": evolve(APPOINTMENTS, window=(LATER, "2000-01-01T00:00:00Z")),
    "a window that leaves out years": planned_shard(
        "appointments", V3, compares=True, window=("2026-01-01T00:00:00Z", "2037-01-01T00:00:00Z")
    ),
    "changes of the future": evolve(PATIENTS, lists=lists(PATIENTS, updated_since=LATER)),
    "changes only, and compares": evolve(
        PATIENTS, lists=lists(PATIENTS, updated_since="2026-01-01T00:00:00Z")
    ),
    "no moment": evolve(PATIENTS, compares=False, lists=lists(PATIENTS, updated_since="now")),
    "a number for a moment": evolve(PATIENTS, lists=lists(PATIENTS, updated_since=2099)),
    "a naive moment": evolve(PATIENTS, lists=lists(PATIENTS, updated_since="2026-01-01T00:00:00")),
    "a filter more": evolve(PATIENTS, lists=lists(PATIENTS, name="Ada")),
    "a list less": evolve(PROVIDERS, lists=PROVIDERS.lists[:1]),
    "no list": evolve(PROVIDERS, lists=()),
    "partial, and compares": evolve(PATIENTS, partial=True),
    "a sweep alone": planned_shard("patients", V3, compares=True, sweep=True),
}


@pytest.mark.parametrize("shard", CHANGED.values(), ids=CHANGED)
def test_a_shard_that_contradicts_the_resource_facts_is_refused(shard: Shard) -> None:
    progress = Progress(id="p", started=NOW, options="{}", shards=(shard,), states={})
    with pytest.raises(UsageError, match="begin a new one"):
        progress_from_json(progress_to_json(progress))


@pytest.mark.parametrize(
    "shards",
    [
        (PATIENTS, PATIENTS),
        (PATIENTS, evolve(PATIENTS, location_id=8, compares=False)),
        (PATIENTS, planned_shard("providers", "v2")),
        (
            evolve(PATIENTS, compares=False),
            planned_shard("patients", V3, location_id=8, since=NOW - timedelta(days=1)),
        ),
        (
            planned_shard("appointments", V3, window=("2000-01-01T00:00:00Z", LATER)),
            planned_shard("appointments", V3, window=("2026-01-01T00:00:00Z", LATER)),
        ),
        tuple(
            planned_shard("appointments", V3, location_id=at, window=(first, LATER))
            for at, first in enumerate(("2000-01-01T00:00:00Z", "2001-01-01T00:00:00Z"))
        ),
    ],
    ids=["twice", "compares or not", "versions", "moments", "overlapping", "missing"],
)
def test_inconsistent_parts_are_refused(shards: tuple[Shard, ...]) -> None:
    progress = Progress(id="p", started=NOW, options="{}", shards=shards, states={})
    with pytest.raises(UsageError, match="begin a new one"):
        check_progress(progress)


@pytest.mark.parametrize(
    "state",
    [
        ShardState(position="x"),
        ShardState(position="-1:a"),
        ShardState(position="3:a"),
        ShardState(position="٣:a"),
        ShardState(position="9" * 5000 + ":a"),
        ShardState(records=-1),
    ],
)
def test_an_unreachable_state_is_refused(state: ShardState) -> None:
    progress = Progress(
        id="p", started=NOW, options="{}", shards=(PATIENTS,), states={PATIENTS.name: state}
    )
    with pytest.raises(UsageError, match="begin a new one"):
        progress_from_json(progress_to_json(progress))


def test_a_numbered_list_has_no_resume_position() -> None:
    shard = planned_shard("patients", "v2")
    states = {shard.name: ShardState(position="0:a")}
    with pytest.raises(UsageError, match="read from its start"):
        check_progress(Progress(id="p", started=NOW, options="{}", shards=(shard,), states=states))


def test_a_checkpoint_of_unknown_parts_or_without_a_start_is_refused() -> None:
    progress = Progress(id="p", started=NOW, options="{}", shards=(PATIENTS,), states={})
    for changed in (
        evolve(progress, states={"patients/other/7": ShardState()}),
        evolve(progress, started=NOW.replace(tzinfo=None)),
        evolve(progress, id=""),
    ):
        with pytest.raises(UsageError):
            check_progress(changed)


def test_a_pull_that_begins_in_the_future_is_refused() -> None:
    check_start(NOW, NOW - timedelta(minutes=10))
    with pytest.raises(UsageError, match="in the future"):
        check_start(NOW, NOW - timedelta(hours=1))


def test_a_watermark_in_the_future_is_ignored() -> None:
    group = Group(resource="patients", subdomain="demo")
    later = NOW + timedelta(days=1)
    for state in (
        GroupState(watermark=later, compared=NOW),
        GroupState(watermark=NOW - timedelta(days=1), compared=later),
    ):
        known = known_groups({group: state}, now=NOW)[group]
        assert (known.watermark is None) == (state.watermark == later)
        assert (known.compared is None) == (state.compared == later)
        request = PullRequest(version=V3, resources=["patients"], since="last")
        shards = request.plan(
            [PracticeLocations(subdomain="demo", location_ids=(7,))],
            now=NOW,
            watermarks={group: state},
        ).shards
        assert all("updated_since" not in arguments for arguments in shards[0].lists)


async def test_a_changed_checkpoint_is_refused_before_any_request() -> None:
    async with scene("v3", patients=12) as (sandbox, nex):
        async with nex.bulk.pull(["patients"], per_page=3) as pull:
            await anext(pull)
            await anext(pull)
            text = pull.checkpoint()
        sandbox.requests.clear()
        for old, new in (
            ('"patients"', '"../.."'),
            ('"new_patient":true', '"new_patient":null'),
            ('"position":"', '"position":"nowhere'),
            ('"started":"20', '"started":"21'),
        ):
            assert old in text
            changed = text.replace(old, new)
            msgspec.json.decode(changed)
            with pytest.raises(UsageError):
                async with nex.bulk.pull(resume=changed):
                    pass
        assert not sandbox.requests
