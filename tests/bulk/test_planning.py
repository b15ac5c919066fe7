"""Plans: complete, disjoint, stable, and honest about what they cover."""

from __future__ import annotations

import pickle
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async import InvalidArgumentError, NexHealth, NotInVersionError, UsageError
from nexhealth_async._protocol.requests import plan as plan_call
from nexhealth_async.bulk.pull_state import GroupState
from nexhealth_async.bulk.resource_facts import Level, facts, resources
from nexhealth_async.bulk.shard_filters import walk_arguments
from nexhealth_async.bulk.shard_planning import (
    COMPARE,
    OVERLAP,
    PracticeLocations,
    PullPlan,
    Since,
    find_practices,
    plan_shards,
)
from nexhealth_async.bulk.shards import Group, Shard, shard_from_json, shard_to_json
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.session import client_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DEMO = PracticeLocations(subdomain="demo", location_ids=(1, 2))
ONE_LOCATION = PracticeLocations(subdomain="demo", location_ids=(2,), whole=False)

versions = st.sampled_from(["v2", "v3.0.0"])
moments = st.datetimes(
    min_value=datetime(1991, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone itself
    max_value=datetime(2060, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=9))]),
)
place_lists = st.lists(
    st.builds(
        PracticeLocations,
        subdomain=st.sampled_from([f"practice-{at}" for at in range(6)]),
        location_ids=st.lists(st.integers(1, 400), max_size=4, unique=True).map(tuple),
        whole=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda place: place.subdomain,
)
asked_since: st.SearchStrategy[Literal["last"]] = st.sampled_from(["last"])
sinces: st.SearchStrategy[Since] = st.none() | asked_since | moments


@st.composite
def plans(draw: st.DrawFn) -> tuple[PullPlan, str, list[str], list[PracticeLocations]]:
    version = draw(versions)
    names = draw(st.lists(st.sampled_from(resources(version)), unique=True))
    places = draw(place_lists)
    window = sorted([draw(moments), draw(moments)])
    given_window = draw(st.booleans()) and window[0] < window[1]
    plan = plan_shards(
        names,
        version,
        places,
        now=draw(moments),
        since=draw(sinces),
        compare=draw(st.none() | st.just(COMPARE)),
        appointments_from=window[0] if given_window else None,
        appointments_until=window[1] if given_window else None,
    )
    return plan, version, names, places


def wanted_places(
    version: str, names: list[str], places: list[PracticeLocations]
) -> set[tuple[str, str | None, int | None]]:
    expected: set[tuple[str, str | None, int | None]] = set()
    for name in names:
        about = facts(name, version)
        if about.level is Level.ACCOUNT:
            expected.add((name, None, None))
            continue
        for place in places:
            if about.level is Level.LOCATION or (about.narrows and not place.whole):
                expected |= {(name, place.subdomain, id) for id in place.location_ids}
            else:
                expected.add((name, place.subdomain, None))
    return expected


@given(plans())
def test_every_scope_of_every_resource_is_covered_once(
    made: tuple[PullPlan, str, list[str], list[PracticeLocations]],
) -> None:
    plan, version, names, places = made
    covered = Counter(
        (shard.resource, shard.subdomain, shard.location_id, shard.window) for shard in plan.shards
    )
    assert set(covered.values()) <= {1}
    assert {key[:3] for key in covered} == wanted_places(version, names, places)


@given(versions, moments, st.lists(moments, min_size=2, max_size=2, unique=True), st.booleans())
def test_adjacent_windows_leave_no_gap(
    version: str,
    now: datetime,
    window: list[datetime],
    whole: bool,  # noqa: FBT001 - drawn
) -> None:
    first, last = sorted(window)
    plan = plan_shards(
        ["appointments"],
        version,
        [DEMO],
        now=now,
        since=None if whole else first,
        appointments_from=first,
        appointments_until=last,
    )
    for location in DEMO.location_ids:
        shards = [shard for shard in plan.shards if shard.location_id == location]
        assert all((it["start"], it["end"]) == one.window for one in shards for it in one.lists)
        windows = [tuple(map(datetime.fromisoformat, one.window or ())) for one in shards]
        assert all(start < end for start, end in windows)
        assert all(one[1] == after[0] for one, after in pairwise(windows))
        assert (windows[0][0], windows[-1][1]) == (first, last)
        (sweep,) = (one for one in plan.groups[0].sweep if one.location_id == location)
        assert sweep.window == (shards[0].lists[0]["start"], shards[-1].lists[0]["end"])
        assert len({one.name for one in (*shards, sweep)}) == len(shards) + 1


@given(plans())
def test_names_are_unique(made: tuple[PullPlan, str, list[str], list[PracticeLocations]]) -> None:
    every = made[0].everything
    assert len({shard.name for shard in every}) == len(every)


@given(plans())
def test_shards_survive_pickle_and_json(
    made: tuple[PullPlan, str, list[str], list[PracticeLocations]],
) -> None:
    plan = made[0]
    every = plan.everything
    assert [pickle.loads(pickle.dumps(shard)) for shard in every] == list(every)  # noqa: S301 - our own
    assert [shard_from_json(shard_to_json(shard)) for shard in every] == list(every)
    assert PullPlan.of(every) == plan


@given(plans())
def test_a_plan_agrees_with_itself(
    made: tuple[PullPlan, str, list[str], list[PracticeLocations]],
) -> None:
    plan = made[0]
    for group in plan.groups:
        assert {shard.group for shard in (*group.shards, *group.sweep)} == {group.group}
        assert {shard.compares for shard in (*group.shards, *group.sweep)} == {group.compares}
        assert not any(shard.sweep for shard in group.shards)
        assert all(shard.sweep for shard in group.sweep)
        assert plan.sweep_of(group.group) == group.sweep
        about = facts(group.group.resource, group.shards[0].version)
        moving = len(group.shards) > 1 or len(about.lists) > 1
        assert bool(group.sweep) == (about.incremental and moving)


@given(plans())
def test_every_list_is_a_valid_call_of_the_api(
    made: tuple[PullPlan, str, list[str], list[PracticeLocations]],
) -> None:
    plan, version, _, _ = made
    for shard in plan.everything:
        for filters in shard.lists:
            endpoint, arguments, ids = walk_arguments(shard, filters)
            call = plan_call(endpoint, version, ids=ids, arguments=arguments)
            assert "{" not in call.path
            sent = dict(call.query)
            known = facts(shard.resource, version).spec.wire
            given_filters = {
                known.get(name, name) for name, it in filters.items() if it is not None
            }
            assert given_filters <= set(sent)


@given(st.integers(0, 23), st.integers(0, 23), versions)
def test_plans_of_the_same_day_have_the_same_names(hour: int, later: int, version: str) -> None:
    first, second = (
        plan_shards(resources(version), version, [DEMO], now=NOW.replace(hour=at))
        for at in (hour, later)
    )
    names = [[shard.name for shard in plan.everything] for plan in (first, second)]
    assert names[0] == names[1]


def test_windows_follow_the_calendar_where_cursors_are_read_in_parallel() -> None:
    plan = plan_shards(["appointments"], "v3", [DEMO], now=NOW)
    assert [shard.name for shard in plan.shards if shard.location_id == 1] == [
        "appointments/demo/1/2000-01-01..2022-01-01",
        "appointments/demo/1/2022-01-01..2023-01-01",
        "appointments/demo/1/2023-01-01..2024-01-01",
        "appointments/demo/1/2024-01-01..2025-01-01",
        "appointments/demo/1/2025-01-01..2026-01-01",
        "appointments/demo/1/2026-01-01..2027-01-01",
        "appointments/demo/1/2027-01-01..2028-01-01",
        "appointments/demo/1/2028-01-01..2037-01-01",
    ]
    assert [shard.name for shard in plan.sweep_of(plan.groups[0].group)] == [
        "appointments/demo/1/2000-01-01..2037-01-01/sweep",
        "appointments/demo/2/2000-01-01..2037-01-01/sweep",
    ]


@pytest.mark.parametrize(("version", "since"), [("v2", None), ("v3", NOW - timedelta(days=1))])
def test_numbered_and_refreshing_reads_take_one_window(
    version: str, since: datetime | None
) -> None:
    plan = plan_shards(["appointments"], version, [DEMO], now=NOW, since=since)
    assert len(plan.shards) == 2


def test_a_list_that_requires_a_filter_begins_before_all_practices() -> None:
    (shard,) = plan_shards(["procedures"], "v3", [DEMO], now=NOW).shards
    assert shard.lists == ({"updated_since": "2000-01-01T00:00:00Z"},)
    assert shard.compares


def test_a_sweep_reads_all_lists_since_the_start_less_the_overlap() -> None:
    plan = plan_shards(["appointments"], "v2", [DEMO], now=NOW)
    assert timedelta(minutes=15) == OVERLAP
    for shard in plan.sweep_of(Group(resource="appointments", subdomain="demo")):
        assert [arguments["updated_since"] for arguments in shard.lists] == [
            "2026-06-01T11:45:00Z"
        ] * 2
        assert [arguments["cancelled"] for arguments in shard.lists] == [False, True]


def state(*, watermark: timedelta, compared: timedelta | None) -> GroupState:
    return GroupState(
        watermark=NOW - watermark, compared=None if compared is None else NOW - compared
    )


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("resource", "known", "compare", "since", "compares"),
    [
        ("patients", None, COMPARE, None, True),
        ("patients", None, None, None, False),
        ("patients", state(watermark=HOUR, compared=DAY), COMPARE, HOUR, False),
        ("patients", state(watermark=HOUR, compared=7 * DAY), COMPARE, None, True),
        ("patients", state(watermark=HOUR, compared=None), COMPARE, None, True),
        ("patients", state(watermark=HOUR, compared=None), None, HOUR, False),
        ("patients", state(watermark=HOUR, compared=HOUR), timedelta(0), None, True),
        ("insurance_plans", state(watermark=HOUR, compared=None), COMPARE, HOUR, False),
        ("insurance_plans", None, COMPARE, None, True),
        ("nex_staff", state(watermark=HOUR, compared=DAY), COMPARE, None, True),
        ("nex_staff", state(watermark=HOUR, compared=DAY), None, None, False),
    ],
)
def test_a_refresh_follows_the_state_of_each_group(
    resource: str,
    known: GroupState | None,
    compare: timedelta | None,
    since: timedelta | None,
    compares: bool,  # noqa: FBT001 - a column of the table
) -> None:
    group = Group(resource=resource, subdomain="demo")
    watermarks = {} if known is None else {group: known}
    plan = plan_shards(
        [resource], "v3", [DEMO], now=NOW, since="last", watermarks=watermarks, compare=compare
    )
    expected = None if since is None else (NOW - since).isoformat().replace("+00:00", "Z")
    times = {arguments.get("updated_since") for shard in plan.shards for arguments in shard.lists}
    assert times == {expected}
    assert plan.group(group).compares == compares


def test_a_start_time_applies_to_every_list_in_any_zone() -> None:
    since = datetime(2026, 5, 1, 3, tzinfo=timezone(timedelta(hours=-4)))
    plan = plan_shards(resources("v2"), "v2", [DEMO], now=NOW, since=since)
    for shard in plan.shards:
        incremental = facts(shard.resource, "v2").incremental
        for arguments in shard.lists:
            assert arguments.get("updated_since") == (
                "2026-05-01T07:00:00Z" if incremental else None
            )
        assert shard.compares != incremental


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_some_locations_never_count_as_the_whole_practice(version: str) -> None:
    plan = plan_shards(resources(version), version, [ONE_LOCATION], now=NOW)
    for group in plan.groups:
        about = facts(group.group.resource, version)
        assert group.compares != about.narrows
        assert {shard.partial for shard in group.shards} == {about.narrows}
        if about.narrows:
            assert {shard.location_id for shard in group.shards} == {2}


@pytest.mark.parametrize(
    ("first", "last", "compares"),
    [
        (None, None, True),
        (datetime(1990, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC), True),
        (datetime(2020, 1, 1, tzinfo=UTC), None, False),
        (None, datetime(2027, 1, 1, tzinfo=UTC), False),
    ],
)
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_part_of_the_calendar_never_counts_as_all_of_it(
    version: str,
    first: datetime | None,
    last: datetime | None,
    compares: bool,  # noqa: FBT001
) -> None:
    plan = plan_shards(
        ["appointments", "patients"],
        version,
        [DEMO],
        now=NOW,
        appointments_from=first,
        appointments_until=last,
    )
    assert [group.compares for group in plan.groups] == [compares, True]
    assert [group.shards[0].partial for group in plan.groups] == [not compares, False]


@pytest.mark.parametrize(
    ("since", "watermark", "partial"),
    [
        (None, None, False),
        (NOW - DAY, None, True),
        (NOW - DAY, NOW - 2 * DAY, True),
        (NOW - DAY, NOW - DAY, False),
        (NOW - 2 * DAY, NOW - DAY, False),
        ("last", NOW - DAY, False),
        ("last", None, False),
    ],
)
def test_a_start_time_that_leaves_a_gap_moves_no_watermark(
    since: Since,
    watermark: datetime | None,
    partial: bool,  # noqa: FBT001
) -> None:
    group = Group(resource="patients", subdomain="demo")
    state = GroupState(watermark=watermark, compared=NOW)
    plan = plan_shards(
        ["patients", "nex_staff"], "v2", [DEMO], now=NOW, since=since, watermarks={group: state}
    )
    assert [one.shards[0].partial for one in plan.groups] == [partial, False]


def test_a_duplicate_resource_is_read_once() -> None:
    plan = plan_shards(["patients", "patients"], "v2", [DEMO], now=NOW)
    assert len(plan.shards) == 2


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"now": NOW.replace(tzinfo=None)}, "now has no time zone"),
        ({"since": NOW.replace(tzinfo=None)}, "since has no time zone"),
        ({"appointments_from": NOW.replace(tzinfo=None)}, "has no time zone"),
        ({"appointments_from": NOW, "appointments_until": NOW}, "must be later"),
        ({"practices": [DEMO, ONE_LOCATION]}, "named twice"),
    ],
)
def test_an_impossible_plan_is_refused(changed: dict[str, object], error: str) -> None:
    arguments: dict[str, object] = {"practices": [DEMO], "now": NOW, **changed}
    with pytest.raises(InvalidArgumentError, match=error):
        plan_shards(["patients"], "v2", **arguments)  # type: ignore[arg-type]  # a table of cases


def test_resources_of_the_other_version_are_refused() -> None:
    with pytest.raises(NotInVersionError):
        plan_shards(["charges"], "v2", [DEMO], now=NOW)


def test_truncated_json_is_not_a_shard() -> None:
    text = shard_to_json(Shard(resource="patients", version="v2"))
    with pytest.raises(UsageError):
        shard_from_json(text[:-5])


def test_a_shards_repr_shows_no_filters() -> None:
    plan = plan_shards(["procedures"], "v3", [DEMO], now=NOW)
    assert "updated_since" not in repr(plan)


async def test_discovery_finds_all_practices_and_their_locations() -> None:
    async with (
        Sandbox(patients=1, practices=2, locations=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        inactive = sandbox.practice.locations.ids[-1]
        sandbox.practice.locations.update(inactive, inactive=True)
        places = await find_practices(client_of(nex))
        assert places == tuple(
            PracticeLocations(
                subdomain=practice.subdomain, location_ids=tuple(practice.locations.ids)
            )
            for practice in sandbox.practices
        )
        first, second = sandbox.practices
        assert await find_practices(client_of(nex), [second.subdomain]) == places[1:]
        assert await find_practices(client_of(nex), second.subdomain) == places[1:]
        location = second.locations.ids[1]
        assert await find_practices(
            client_of(nex), {first.subdomain: None, second.subdomain: [location]}
        ) == (
            places[0],
            PracticeLocations(subdomain=second.subdomain, location_ids=(location,), whole=False),
        )
        backwards = second.locations.ids[::-1]
        (named,) = await find_practices(client_of(nex), {second.subdomain: backwards})
        assert named.whole


async def test_discovery_refuses_invisible_practices_and_names_the_visible_ones() -> None:
    async with (
        Sandbox(patients=1, practices=22) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        with pytest.raises(InvalidArgumentError, match=r"practice 'gone'.*2 more"):
            await find_practices(client_of(nex), ["gone"])
        with pytest.raises(InvalidArgumentError, match=f"location 5 .*{sandbox.location_id}"):
            await find_practices(client_of(nex), {sandbox.subdomain: [5]})
        with pytest.raises(InvalidArgumentError, match="pass None"):
            await find_practices(client_of(nex), {sandbox.subdomain: []})
