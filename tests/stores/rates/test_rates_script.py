"""The script that hands out permits does the arithmetic of `_protocol.rate_limits`."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import count
from typing import Any, cast

import msgspec
import pytest
import redis
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import (
    ANSWER_SLACK,
    Limit,
    Permit,
    Rates,
    SlidingWindowLog,
)
from nexhealth_async.stores.hand import LEASE, NAMES, Hand, Reply

CLOCK = "redis.call('TIME')"
SCRIPT = files("nexhealth_async.stores").joinpath("redis_rates.lua").read_text("utf-8")
RUNS = count()
BEGAN = 1_800_000_000 * 64
"""Times are sixty-fourths of a second, which floats hold exactly."""


@define
class Desk:
    """The script on a real server, at simulated times."""

    url: str
    now: float = BEGAN / 64
    ahead: float = 0.0
    """Seconds that the server's clock is ahead of the processes'."""
    _redis: Any = field(init=False)
    _script: Any = field(init=False)
    _keys: list[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        assert SCRIPT.count(CLOCK) == 1
        self._redis = cast("Any", redis.Redis).from_url(self.url)
        self._script = self._redis.register_script(SCRIPT.replace(CLOCK, "{ARGV[2], ARGV[3]}"))
        name = f"script:{next(RUNS)}:"
        self._keys = [name + kind for kind in ("state", "held", "pending", "seen", *NAMES)]

    def turn(self, hand: Hand, asked: dict[RateClass, int], **other: object) -> dict[str, Any]:
        message = {**hand.message(self.now, asked), **other}
        seconds, micro = divmod(round((self.now + self.ahead) * 1e6), 1_000_000)
        raw = self._script(keys=self._keys, args=[json.dumps(message), seconds, micro])
        return cast("dict[str, Any]", json.loads(raw))

    def places(self, reply: dict[str, Any], rate: RateClass) -> list[tuple[str, float]]:
        given = cast("dict[str, list[tuple[str, float]]]", reply.get("places") or {})
        return given.get(rate.value, [])

    def close(self) -> None:
        self._redis.delete(*self._keys)
        self._redis.close()


RATES = Rates(overall=Limit(4, 0.5), slow=Limit(2, 1.0), people=Limit(5, 3.0), other=Limit(3, 2.0))
STEP = st.tuples(
    st.sampled_from(["ask", "ask", "ask", "answer", "answer", "withdraw", "wait", "wait"]),
    st.sampled_from([*RateClass]),
    st.sampled_from([1, 7, 16, 17, 40, 64]),
    st.integers(0, 30),
)


@given(steps=st.lists(STEP, max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_permit_is_granted_exactly_when_the_log_allows_it(
    redis_url: str, steps: list[tuple[str, RateClass, int, int]]
) -> None:
    """One process that acquires one permit at a time, and reports each response as it comes."""
    desk, hand, log = Desk(redis_url), Hand(RATES, "me", 1), SlidingWindowLog(RATES)
    gone: list[tuple[RateClass, str, Permit]] = []
    alike: dict[str, object] = {"lease": 0, "ahead": {rate.value: 0 for rate in RateClass}}
    try:
        for step, rate, ticks, which in steps:
            ended: list[tuple[str, str, int, bool]] = []
            wants: list[tuple[str, int, int]] = []
            if step == "wait":
                desk.now += ticks / 64
            elif step == "ask":
                wants = [(rate.value, 1, 0)]
            elif gone:
                was, place, departure = gone.pop(which % len(gone))
                used = step == "answer"
                if used:
                    departure.answer(desk.now)
                else:
                    departure.release()
                if departure.soon or not used:
                    ended = [(was.value, place, 0, used)]
            reply = desk.turn(hand, {}, ended=ended, wants=wants, **alike)
            places = desk.places(reply, rate)
            if step != "ask":
                assert not places
                continue
            assert bool(places) == (log.earliest(rate, desk.now) <= desk.now)
            if places:
                assert places[0][1] == 0
                gone.append((rate, places[0][0], log.acquire(rate, desk.now)))
    finally:
        desk.close()


@define
class PermitPeriod:
    """A permit, from when it may be used until it is free again, in one limit."""

    begin: float
    end: float


MANY = st.tuples(
    st.sampled_from(["ask", "ask", "ask", "end", "end", "back", "did", "wait", "wait"]),
    st.integers(0, 3),
    st.sampled_from([*RateClass]),
    st.integers(0, 9),
    st.integers(1, 70),
)


@given(steps=st.lists(MANY, max_size=70), extra=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_a_limit_is_never_exceeded(
    redis_url: str, steps: list[tuple[str, int, RateClass, int, int]], extra: int
) -> None:
    """Several processes that acquire many permits ahead of time, and report late or never."""
    desk = Desk(redis_url)
    hands = [Hand(RATES, f"p{at}", 4) for at in range(4)]
    limits = {name: cast("Limit", getattr(RATES, name)) for name in NAMES}
    uses = {RateClass(name): value for name, value in _uses(hands[0]).items()}
    tenures: dict[str, list[PermitPeriod]] = {name: [] for name in NAMES}
    open_: list[tuple[int, RateClass, str, float, dict[str, PermitPeriod]]] = []
    try:
        for step, who, rate, number, ticks in steps:
            wants: list[tuple[str, int, int]] = []
            ended: list[tuple[str, str, int, bool]] = []
            did: list[tuple[str, int]] = []
            hand = hands[who]
            if step == "wait":
                desk.now += ticks / 64
            elif step == "did":  # what left without a place is seen by those who ask later
                did = [(rate.value, 0)]
            elif step == "ask":
                wants = [(rate.value, number, extra)]
            elif step in {"end", "back"} and open_:
                owner, class_, place, begin, mine = open_.pop(ticks % len(open_))
                hand = hands[owner]
                age, used = _ended(desk.now, begin, number, mine, wanted=step == "end")
                ended = [(class_.value, place, age, used)]
            reply = desk.turn(hand, {}, ended=ended, wants=wants, did=did)
            for place, after in desk.places(reply, rate):
                begin = desk.now + after / 1e6
                mine = {
                    name: PermitPeriod(begin, begin + LEASE + ANSWER_SLACK + limits[name].seconds)
                    for name in uses[rate]
                }
                for name, tenure in mine.items():
                    tenures[name].append(tenure)
                open_.append((who, rate, place, begin, mine))
        for name, held in tenures.items():
            for one in held:
                at_once = sum(it.begin <= one.begin < it.end - 1e-5 for it in held)
                assert at_once <= limits[name].count or one.end <= one.begin
    finally:
        desk.close()


def _ended(
    now: float, begin: float, number: int, mine: dict[str, PermitPeriod], *, wanted: bool
) -> tuple[int, bool]:
    """Return when a permit was used, or that it was not."""
    late = (LEASE if number % 2 else 0.0) + (ANSWER_SLACK if number % 3 else 0.0)
    moment = min(now, begin + late)
    used = wanted and moment >= begin
    moment = moment if used else begin
    for name, tenure in mine.items():
        window = cast("Limit", getattr(RATES, name)).seconds
        tenure.end = min(tenure.end, max(moment + window if used else now, tenure.begin))
    return round((now - moment) * 1e6), used


def _uses(hand: Hand) -> dict[str, tuple[str, ...]]:
    return cast("dict[str, tuple[str, ...]]", hand.message(0.0, {})["uses"])


def _ask(desk: Desk, hand: Hand, number: int) -> int:
    reply = desk.turn(hand, {RateClass.OTHER: number})
    return len(desk.places(reply, RateClass.OTHER))


@pytest.fixture
def desk(redis_url: str) -> Any:
    made = Desk(redis_url)
    yield made
    made.close()


TEN = Rates(overall=None, slow=None, people=None, other=Limit(10, 4.0))


@pytest.mark.parametrize("wanted", [50, 50_000])
def test_a_late_process_gets_its_share_as_permits_are_freed(desk: Desk, wanted: int) -> None:
    hog, late = Hand(TEN, "hog", 2), Hand(TEN, "late", 2)
    assert _ask(desk, hog, 50) == 10
    assert _ask(desk, late, wanted) == 0
    given = {"hog": 0, "late": 0}
    while desk.now < BEGAN / 64 + 4.0 + LEASE + ANSWER_SLACK:
        desk.now += 0.5
        given["hog"] += _ask(desk, hog, 50)
        given["late"] += _ask(desk, late, wanted)
    assert given == {"hog": 5, "late": 5}


def test_unused_permits_go_to_the_other_process(desk: Desk) -> None:
    modest, hog = Hand(TEN, "modest", 2), Hand(TEN, "hog", 2)
    assert _ask(desk, modest, 2) == 2
    assert _ask(desk, hog, 50) == 8


def _use(desk: Desk, hand: Hand, number: int) -> int:
    """Acquire as a session does, and send at once; return the number that could."""
    reply = msgspec.convert(desk.turn(hand, {RateClass.OTHER: number}), Reply)
    hand.take(reply, desk.now, desk.now)
    left = 0
    while hand.earliest(RateClass.OTHER, desk.now) <= desk.now:
        hand.acquire(RateClass.OTHER, desk.now)
        left += 1
    return left


def test_a_clock_set_back_admits_nothing_extra_and_blocks_nobody(desk: Desk) -> None:
    hand = Hand(TEN, "a", 1)
    assert _use(desk, hand, 10) == 10
    desk.ahead = -3600.0
    assert _use(desk, hand, 1) == 0, "the server is told what left"
    assert _use(desk, hand, 1) == 0
    desk.now += 4.0 + LEASE + ANSWER_SLACK
    assert _use(desk, hand, 10) == 10, "an hour back does not stop it for an hour"


def test_a_clock_that_is_set_back_a_little_is_waited_for(desk: Desk) -> None:
    hand = Hand(TEN, "a", 1)
    assert _use(desk, hand, 10) == 10
    desk.ahead = -0.2
    reply = desk.turn(hand, {RateClass.OTHER: 1})
    assert not reply.get("lost")
    assert not desk.places(reply, RateClass.OTHER)


def test_a_429_of_one_process_closes_the_class_for_all(desk: Desk) -> None:
    one, other = Hand(RATES, "a", 2), Hand(RATES, "b", 2)
    desk.turn(one, {}, shut={"other": 2_000_000})
    reply = desk.turn(other, {RateClass.OTHER: 1, RateClass.PEOPLE: 1})
    assert reply["shut"] == {"other": 2_000_000}
    assert list(reply["places"]) == ["people"]
    desk.now += 2.0
    assert _ask(desk, other, 1) == 1


def test_a_restarted_server_learns_the_recent_requests_and_grants_shares_only(desk: Desk) -> None:
    before = Desk(desk.url, now=desk.now)
    hands = [Hand(TEN, "a", 2), Hand(TEN, "b", 2)]
    for hand in hands:
        before.turn(hand, {})
    before.close()  # its keys are deleted
    for at, hand in enumerate(hands):
        hand.known = True
        reply = before.turn(hand, {RateClass.OTHER: 9}, epoch="before")
        assert reply["lost"], at
        reply = before.turn(hand, {RateClass.OTHER: 9}, did=[("other", 0)] * 3)
        assert len(reply["places"]["other"]) == 2, "half of ten, and three have left already"
    before.close()
