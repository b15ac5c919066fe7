"""No window ever holds more than the limit, and hardly less than possible."""

from __future__ import annotations

import heapq
from timeit import timeit

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Limit, Permit, Rates, SlidingWindowLog
from nexhealth_async.errors import InvalidArgumentError

SLOW, PEOPLE, OTHER = RateClass.SLOW, RateClass.PEOPLE, RateClass.OTHER
SLACK = 0.25


def only(count: int, seconds: float) -> Rates:
    return Rates(overall=None, slow=None, people=None, other=Limit(count, seconds))


@define
class RateSimulation:
    """A client that sends as soon as it may, and a server that counts arrivals."""

    log: SlidingWindowLog
    now: float = 0.0
    arrivals: list[float] = field(factory=list[float])
    _answers: list[tuple[float, int, Permit]] = field(factory=list["tuple[float, int, Permit]"])

    def pass_until(self, moment: float) -> None:
        while self._answers and self._answers[0][0] <= moment:
            when, _, departure = heapq.heappop(self._answers)
            departure.answer(when)
            self.now = max(self.now, when)
        self.now = max(self.now, moment)

    def send(self, rate: RateClass, latency: float, travelled: float) -> None:
        while (moment := self.log.earliest(rate, self.now)) > self.now:
            # An answer on the way may open the place earlier.
            soonest = min([moment, *(when for when, _, _ in self._answers[:1])])
            self.pass_until(soonest)
        departure = self.log.acquire(rate, self.now)
        self.arrivals.append(self.now + travelled * min(SLACK, latency))
        heapq.heappush(self._answers, (self.now + latency, len(self.arrivals), departure))


TRIP = st.tuples(
    st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.3, 2.0, 30.0]),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.7, 1.5]),
)


@given(
    trips=st.lists(TRIP, min_size=1, max_size=60),
    limit=st.integers(1, 8),
    seconds=st.sampled_from([0.5, 1.0, 60.0]),
    phase=st.floats(0, 60),
)
@settings(max_examples=200, deadline=None)
def test_no_window_of_any_kind_or_phase_exceeds_the_limit(
    trips: list[tuple[float, float, float]], limit: int, seconds: float, phase: float
) -> None:
    world = RateSimulation(SlidingWindowLog(only(limit, seconds)))
    for latency, travelled, idle in trips:
        world.pass_until(world.now + idle)
        world.send(OTHER, latency, travelled)
    arrivals = sorted(world.arrivals)
    for first, beyond in zip(arrivals, arrivals[limit:], strict=False):
        assert beyond - first >= seconds - 1e-6, "a sliding window held too many"
    fixed: dict[int, int] = {}
    for arrival in arrivals:
        window = int((arrival - phase + 1e-6) // seconds)
        fixed[window] = fixed.get(window, 0) + 1
    assert max(fixed.values()) <= limit


STEP = st.tuples(
    st.sampled_from(["leave", "leave", "answer", "withdraw", "wait", "wait"]),
    st.sampled_from([0.03, 0.11, 0.25, 0.5, 1.0]),
    st.integers(0, 30),
)


@given(steps=st.lists(STEP, max_size=80), limit=st.integers(1, 5), polite=st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_log_is_exact(steps: list[tuple[str, float, int]], limit: int, *, polite: bool) -> None:
    """It agrees with a scan of all requests, however often it is called."""
    log, now = SlidingWindowLog(only(limit, 1.0)), 100.0
    gone: list[Permit] = []
    for step, seconds, which in steps:
        if step == "leave" and (not polite or log.earliest(OTHER, now) <= now):
            gone.append(log.acquire(OTHER, now))
        elif step == "answer" and gone and gone[which % len(gone)].answered is None:
            gone[which % len(gone)].answer(now)
        elif step == "withdraw" and gone:
            gone[which % len(gone)].release()
        elif step == "wait":
            now += seconds
        ends = sorted(end for one in gone if (end := one.free_at(1.0)) > now)
        earliest = now if len(ends) < limit else ends[len(ends) - limit]
        assert log.earliest(OTHER, now) == earliest
        assert log.earliest(OTHER, now) == earliest


@pytest.mark.parametrize(
    ("left", "answered", "free"),
    [
        (10, None, 11.25),
        (10, 10.1, 11.1),
        (10, 10.25, 11.25),
        (10, 10.2500001, 11.25),
        (10, 40, 11.25),
        (10, 10, 11),
    ],
)
def test_a_permit_is_free_a_window_and_a_quarter_second_later_at_most(
    left: float, answered: float | None, free: float
) -> None:
    log = SlidingWindowLog(only(1, 1.0))
    departure = log.acquire(OTHER, left)
    if answered is not None:
        departure.answer(answered)
    assert departure.free_at(1.0) == pytest.approx(free)
    assert log.earliest(OTHER, 10.0) == pytest.approx(free)
    assert log.earliest(OTHER, free + 1e-9) == free + 1e-9


@pytest.mark.parametrize(("count", "seconds"), [(10, 1.0), (100, 1.0), (1_000, 60.0)])
@pytest.mark.parametrize("latency", [0.01, 0.2, 0.25, 5.0])
def test_throughput_reaches_the_limit(count: int, seconds: float, latency: float) -> None:
    world = RateSimulation(SlidingWindowLog(only(count, seconds)))
    rounds = 20
    for _ in range(count * rounds):
        world.send(OTHER, latency, 1.0)
    bound = count / (seconds + SLACK)
    assert count * rounds / (world.now + seconds + SLACK) >= 0.97 * bound


@pytest.mark.parametrize(
    ("left", "answered", "free"), [(0.1, 0.12, 1.12), (0.2, 0.4, 1.25)], ids=["answer", "departure"]
)
def test_the_earliest_free_permit_counts(left: float, answered: float, free: float) -> None:
    log = SlidingWindowLog(only(2, 1.0))
    log.acquire(OTHER, 0.0)
    log.acquire(OTHER, left).answer(answered)
    assert log.earliest(OTHER, 0.5) == pytest.approx(free)


def test_a_withdrawn_permit_is_free_at_once() -> None:
    log = SlidingWindowLog(only(1, 1.0))
    departure = log.acquire(OTHER, 5.0)
    assert log.earliest(OTHER, 5.0) > 5.0
    departure.release()
    assert departure.released
    assert log.earliest(OTHER, 5.0) == 5.0


def test_repeated_acquire_and_release_uses_no_memory() -> None:
    log = SlidingWindowLog(only(2, 60.0))
    log.acquire(OTHER, 0.0)
    for n in range(5_000):
        log.acquire(OTHER, n * 1e-3).release()
    assert all(len(one._left) < 200 for one in log._logs[OTHER])


@pytest.mark.parametrize(
    ("taken", "asked", "free"),
    [
        ((SLOW,) * 10, SLOW, False),
        ((SLOW,) * 9, SLOW, True),
        ((SLOW,) * 10, PEOPLE, True),
        ((PEOPLE,) * 99, SLOW, True),
        ((PEOPLE,) * 100, OTHER, False),
        ((PEOPLE,) * 50 + (OTHER,) * 50, SLOW, False),
        ((SLOW,) * 10, OTHER, True),
    ],
)
def test_a_request_counts_in_every_limit_of_its_class(
    taken: tuple[RateClass, ...], asked: RateClass, *, free: bool
) -> None:
    log = SlidingWindowLog(Rates())
    for rate in taken:
        assert log.earliest(rate, 0.0) == 0.0
        log.acquire(rate, 0.0)
    assert (log.earliest(asked, 0.0) == 0.0) == free


def test_the_minute_limits_outlast_the_second() -> None:
    log = SlidingWindowLog(Rates(overall=None))
    for _ in range(1_000):
        log.acquire(PEOPLE, 0.0)
    assert log.earliest(SLOW, 2.0) == 60.25
    assert log.earliest(OTHER, 2.0) == 2.0


def test_unlimited_rates_still_wait_out_a_429() -> None:
    log = SlidingWindowLog(Rates.unlimited())
    for _ in range(5_000):
        log.acquire(OTHER, 0.0)
    assert log.earliest(OTHER, 0.0) == 0.0
    log.close(OTHER, 4.0)
    log.close(OTHER, 2.0)
    assert log.earliest(OTHER, 1.0) == 4.0
    assert log.earliest(PEOPLE, 1.0) == 1.0
    assert log.earliest(OTHER, 4.0) == 4.0


def test_polling_while_throttled_is_cheap() -> None:
    log = SlidingWindowLog(only(2_000, 60.0))
    for n in range(2_000):
        log.acquire(OTHER, n * 1e-4)
    assert timeit(lambda: log.earliest(OTHER, 1.0), number=2_000) / 2_000 < 50e-6


def test_shares_are_positive_integers() -> None:
    quarter = Rates().share(1 / 4)
    assert (quarter.overall, quarter.slow) == (Limit(25, 1.0), Limit(2, 1.0))
    assert (quarter.people, quarter.other) == (Limit(250, 60.0), Limit(500, 60.0))
    assert Rates().share(1e-9).people == Limit(1, 60.0)
    assert Rates.unlimited().share(0.5) == Rates.unlimited()


@pytest.mark.parametrize("part", [0, -1, 1.5, float("nan"), float("inf")])
def test_a_fraction_is_above_zero_and_at_most_one(part: float) -> None:
    with pytest.raises(InvalidArgumentError):
        Rates().share(part)


@pytest.mark.parametrize(("count", "seconds"), [(0, 1), (-1, 1), (1, 0), (1, float("nan"))])
def test_an_invalid_limit_is_refused(count: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        Limit(count, seconds)
