"""What one process has of limits that many share: the places in its hand, and what it reports.

Nothing here waits or looks at a clock; `nexhealth_async.stores.redis_rates` does both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import ceil, inf
from typing import Final

from attrs import define, field, frozen
from msgspec import Struct

from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import (
    ANSWER_SLACK,
    LIMITS_OF_CLASS,
    Limit,
    Permit,
    Rates,
    SlidingWindowLog,
)

__all__ = ["LEASE", "NAMES", "Hand", "Reply"]

NAMES: Final = ("overall", "slow", "people", "other")
"""The limits, in the order of their keys."""

LEASE: Final = 0.5
"""Seconds within which a place must be used, from the moment it may be."""

_FARTHEST = 1.0
_UNHURRIED = 2.0
_GAP = 1.0
_REMEMBER = 60.0
_MOST_AHEAD = 100
_LEAST_PAUSE = 0.01
_LONGEST_SHUT = 60.0
"""Seconds that a 429 which one process met may hold up the others: the longest window."""
_MOST_FIELDS = 10_000
"""The most processes to reckon with."""


class Reply(Struct, frozen=True):
    """What a turn brings; times in microseconds from the moment it was carried out."""

    epoch: str
    fleet: int
    lost: bool = False
    """True if the server has lost its memory, and wants to be told what left lately."""
    places: dict[str, list[tuple[str, float]]] = {}
    again: dict[str, float] = {}
    least: dict[str, float] = {}
    shut: dict[str, float] = {}
    tight: float | None = None
    """The shortest window of those that are more than half full."""


@frozen
class _Place:
    name: str
    begin: float
    until: float


class _Placed(Permit):
    """A departure that knows its place among the shared ones, if it has one."""

    __slots__ = ("hand", "place", "rate", "told")

    def __init__(self, left: float, hand: Hand, rate: RateClass, place: _Place | None) -> None:
        super().__init__(left, ())
        self.hand: Hand = hand
        self.rate: RateClass = rate
        self.place: _Place | None = place
        self.told: bool = place is not None
        """True if the server knows of it."""

    def release(self) -> None:
        if not self.released:
            super().release()
            self.hand.put_back(self)


@frozen
class _Ended:
    """A place that is to be reported: it was left, or never used."""

    rate: RateClass
    place: str
    moment: float
    used: bool


@define
class _Pace:
    """How many requests of a class leave a second, lately."""

    left: int = 0
    a_second: float = 0.0
    since: float = -inf

    def look(self, now: float) -> float:
        seconds = now - self.since
        if seconds > LEASE / 5:
            weight = min(1.0, seconds / LEASE)
            self.a_second += weight * (self.left / seconds - self.a_second)
            self.left, self.since = 0, now
        return self.a_second


@define(eq=False)
class Hand:
    """Hands out the places it was given; alone, it keeps to its share of the limits."""

    rates: Rates
    me: str
    fleet: int
    """How many processes share the limits, as far as is known."""
    known: bool = False
    """True once the server said how many."""
    alone: SlidingWindowLog | None = None
    """The share that is kept while the server is away."""
    report_after: float = _UNHURRIED
    """Seconds that a report may wait."""
    again: dict[RateClass, float] = field(factory=dict[RateClass, float])
    """When to ask again for a class that was not given all it wanted."""
    shut_to_tell: dict[RateClass, float] = field(factory=dict[RateClass, float])
    _turns: int = 0
    _fleet_before: int = 1
    """How many shared the limits when the server last lost its memory."""
    _before_until: float = -inf
    _own: SlidingWindowLog = field(init=False)
    """All that left here: whatever others say, one process keeps to the limits by itself."""
    _must_tell: bool = False
    _alone_since: float = 0.0
    _epoch: str = ""
    _least: dict[RateClass, float] = field(factory=dict[RateClass, float])
    _shut: dict[RateClass, float] = field(factory=dict[RateClass, float])
    _own_shut: dict[RateClass, float] = field(factory=dict[RateClass, float])
    """Until when a class is closed by what this process was answered."""
    _wanting: list[RateClass] = field(factory=list[RateClass])
    """The classes for which the turn under way asked for places."""
    _open: deque[_Placed] = field(factory=deque[_Placed])
    _ended: list[_Ended] = field(factory=list[_Ended])
    _recent: deque[_Placed] = field(factory=deque[_Placed])
    _in_turn: list[_Ended] = field(factory=list[_Ended])
    _telling: list[_Placed] = field(factory=list[_Placed])
    _limits: dict[str, Limit] = field(init=False)
    _uses: dict[RateClass, tuple[str, ...]] = field(init=False)
    _places: dict[RateClass, deque[_Place]] = field(init=False)
    _paces: dict[RateClass, _Pace] = field(init=False)
    longest: float = field(init=False)
    """The longest window."""

    def __attrs_post_init__(self) -> None:
        limits = {name: getattr(self.rates, name) for name in NAMES}
        self._limits = {name: limit for name, limit in limits.items() if limit is not None}
        self._uses = {
            rate: tuple(name for name in names if name in self._limits)
            for rate, names in LIMITS_OF_CLASS.items()
        }
        self._places = {rate: deque() for rate in RateClass}
        self._paces = {rate: _Pace() for rate in RateClass}
        self._own = SlidingWindowLog(self.rates)
        windows = [limit.seconds for limit in self._limits.values()]
        self.longest = max(windows, default=0.0)

    # What the gates ask

    def earliest(self, rate: RateClass, now: float) -> float:
        """Return when the next may leave, infinity if no place is in hand."""
        own = self._own.earliest(rate, now)
        if self.alone is not None:
            return max(own, self.alone.earliest(rate, now))
        shut = self._shut.get(rate, now) if self._shut else now
        if not self._uses[rate]:
            return max(now, shut)
        places = self._places[rate]
        while places and places[0].until <= now:
            self._give_back(rate, places.popleft())
        return max(own, shut, places[0].begin) if places else inf

    def not_before(self, rate: RateClass, now: float, ahead: int) -> float:
        """Return a time before which nobody can leave who has so many ahead."""
        if self.alone is not None:
            return self.alone.not_before(rate, self.alone.earliest(rate, now), ahead)
        limits = (self._limits[name] for name in self._uses[rate])
        waits = max((ahead // limit.count * limit.seconds for limit in limits), default=0.0)
        known = now if self._places[rate] else self._least.get(rate, now)
        return max(max(now, known) - ANSWER_SLACK + waits, self._shut.get(rate, now))

    def acquire(self, rate: RateClass, now: float) -> Permit:
        """Use a place."""
        if self.alone is not None or not self._uses[rate]:
            departure = _Placed(now, self, rate, None)
            if self.alone is not None:
                self.alone.adopt(rate, (departure,))
        else:
            departure = _Placed(now, self, rate, self._places[rate].popleft())
            self._open.append(departure)
            self._paces[rate].left += 1
        self._own.adopt(rate, (departure,))
        self._recent.append(departure)
        return departure

    def close(self, rate: RateClass, until: float) -> None:
        """Let nothing of this class leave before a moment, here and elsewhere."""
        self._shut[rate] = self.shut_to_tell[rate] = max(until, self._shut.get(rate, until))
        self._own_shut[rate] = max(until, self._own_shut.get(rate, until))
        if self.alone is not None:
            self.alone.close(rate, until)

    def put_back(self, departure: _Placed) -> None:
        """Take back the place of one that did not leave."""
        if departure.place is not None:
            self._places[departure.rate].appendleft(departure.place)

    # What is in hand

    def in_hand(self, rate: RateClass) -> int:
        """Count the places of a class in hand, those for later included."""
        return len(self._places[rate])

    def stock(self, rate: RateClass, now: float) -> int:
        """Return how many places to have in hand: what the pace uses up in half a lease."""
        wanted = self._paces[rate].look(now) * LEASE / 2
        return min(_MOST_AHEAD, ceil(wanted)) if wanted > 1 else 0

    def limited(self, rate: RateClass) -> bool:
        """Tell whether any limit counts this class."""
        return bool(self._uses[rate])

    def due_at(self, last_turn: float) -> float:
        """Return when a turn is due that only reports."""
        due, pause = inf, self.report_after
        if self._open:
            due = max(self._open[0].left + ANSWER_SLACK, last_turn) + pause
        if self._ended:
            due = min(due, last_turn + pause)
        for places in self._places.values():
            if places:
                due = min(due, max(places[-1].until, last_turn + pause))
        return last_turn if self.shut_to_tell or self._must_tell else due

    # Turns

    def message(
        self, now: float, wants: Mapping[RateClass, int], *, leaving: bool = False
    ) -> dict[str, object]:
        """Return what to tell the server: what has ended, and what is wanted."""
        self._settle(now)
        for rate, places in self._places.items():
            while places and (leaving or places[0].until <= now):
                self._give_back(rate, places.popleft())
        while self._recent and self._recent[0].free_at(self.longest) <= now:
            self._recent.popleft()
        if not self._recent and self.alone is None:
            self._epoch = ""  # Nothing would be told to a server that has lost its memory.
        self._turns += 1
        self._in_turn, self._ended = self._in_turn + self._ended, []
        self._telling = [one for one in self._recent if not (one.told or one.released)]
        self._wanting = [rate for rate, waiting in wants.items() if waiting > 0]
        return {
            "me": self.me,
            "number": str(self._turns),
            "epoch": self._epoch,
            "away": 0 if self.alone is None else _micro(now - self._alone_since) + 1,
            "hint": self.fleet if self.known else 1,
            "share": self.fleet,
            "most_fields": _MOST_FIELDS,
            "farthest": _micro(_FARTHEST),
            "longest_shut": _micro(_LONGEST_SHUT),
            "max_wait": _micro(2 * max(_FARTHEST, self.longest / 10) + ANSWER_SLACK),
            "slack": _micro(ANSWER_SLACK),
            "lease": _micro(LEASE),
            "gap": _micro(_GAP),
            "pause": _micro(max(_FARTHEST, self.longest / 10)),
            "remember": _micro(max(_REMEMBER, self.longest)),
            "keep": round(1000 * (2 * self.longest + 10 * _REMEMBER)),
            "names": NAMES,
            "limits": {
                name: (one.count, _micro(one.seconds)) for name, one in self._limits.items()
            },
            "uses": {rate.value: names for rate, names in self._uses.items()},
            "ahead": {rate.value: _micro(self._ahead(rate)) for rate in RateClass},
            "ended": [
                (one.rate.value, one.place, _micro(now - one.moment), one.used)
                for one in self._in_turn
            ],
            "did": [(one.rate.value, _micro(now - one.free_at(0.0))) for one in self._telling],
            "shut": {
                rate.value: min(max(0, _micro(until - now)), _micro(_LONGEST_SHUT))
                for rate, until in self.shut_to_tell.items()
            },
            "wants": [
                (rate.value, waiting, max(0, self.stock(rate, now) - self.in_hand(rate)))
                for rate, waiting in wants.items()
            ],
            "leaving": leaving,
        }

    def take(self, reply: Reply, asked_at: float, now: float) -> None:
        """Learn what a turn brought.

        Whatever that is, nothing is waited for longer than a server of ours could say.

        Raises:
            ValueError: no server of ours says such things.
        """
        fleet = self._fleet_after(reply, now)
        self._epoch = reply.epoch
        if reply.lost:
            if self._must_tell:
                raise ValueError("a server that loses its memory at once is of no use")
            self.fleet, self.known = fleet, True
            self._forget_places()
            return
        again = _moments(reply.again, now, _LEAST_PAUSE, _LONGEST_SHUT)
        least = _moments(reply.least, asked_at, 0.0, self.longest + _FARTHEST)
        shut = _moments(reply.shut, now, 0.0, _LONGEST_SHUT)
        given = {RateClass(name): places for name, places in reply.places.items()}
        if any(not given.get(rate) and rate not in again for rate in self._wanting):
            raise ValueError("a server that gives no place says when to ask again")
        self.fleet, self.known = fleet, True
        for one in self._telling:
            one.told = True
        self._in_turn, self._telling, self._must_tell, self.alone = [], [], False, None
        self.shut_to_tell.clear()
        self.report_after = min(_UNHURRIED, max(_LEAST_PAUSE, (reply.tight or inf) / 4e6))
        self.again, self._least = again, least
        for rate, until in shut.items():
            self._shut[rate] = max(until, self._own_shut.get(rate, until))
        for rate in self._shut.keys() - shut.keys():
            self._shut[rate] = self._own_shut.get(rate, now)
        for rate, granted in given.items():
            # Carried out between asking and now: late enough to begin, soon enough to end.
            places = [
                _Place(place, now + after / 1e6, asked_at + after / 1e6 + LEASE)
                for place, after in granted
                if 0 <= after <= _FARTHEST * 1e6
            ]
            merged = sorted((*self._places[rate], *places), key=lambda one: one.begin)
            self._places[rate] = deque(merged)

    def _fleet_after(self, reply: Reply, now: float) -> int:
        """Return how many share the limits; a server that lost its memory knows of few at first."""
        if reply.lost or (self._epoch and reply.epoch != self._epoch):
            self._fleet_before, self._before_until = self.fleet, now + _REMEMBER
        before = self._fleet_before if now < self._before_until else 1
        return min(max(1, before, reply.fleet), _MOST_FIELDS)

    def lose(self, now: float) -> None:
        """Go on alone, with a share; what left lately counts."""
        self._telling = []
        if self.alone is not None:
            return
        self._alone_since = now
        for rate, places in self._places.items():
            while places:
                self._give_back(rate, places.popleft())
        self.alone = SlidingWindowLog(self.rates.share(1 / self.fleet))
        for rate in RateClass:
            mine = [one for one in self._recent if one.rate is rate and not one.released]
            self.alone.adopt(rate, mine)
            if rate in self._shut:
                self.alone.close(rate, self._shut[rate])
        self.again.clear()

    def _ahead(self, rate: RateClass) -> float:
        """Return how far ahead places are given: the answers that free them are known by then."""
        windows = [self._limits[name].seconds for name in self._uses[rate]]
        return min(_FARTHEST, min(windows, default=0.0) / 2)

    def _settle(self, now: float) -> None:
        """Note which departures hold their places until a moment that is known by now."""
        still: deque[_Placed] = deque()
        for one in self._open:
            if one.released or one.place is None:
                continue
            if one.soon or now >= one.left + ANSWER_SLACK:
                self._ended.append(_Ended(one.rate, one.place.name, one.free_at(0.0), used=True))
            else:
                still.append(one)
        self._open = still

    def _give_back(self, rate: RateClass, place: _Place) -> None:
        self._ended.append(_Ended(rate, place.name, place.begin, used=False))

    def _forget_places(self) -> None:
        """Forget what a server gave that does not know of it any more."""
        for places in self._places.values():
            places.clear()
        self._open.clear()
        self._ended, self._in_turn, self._telling = [], [], []
        self._must_tell = True
        for one in self._recent:
            one.told = False


def _moments(
    reply: Mapping[str, float], since: float, least: float, most: float
) -> dict[RateClass, float]:
    """Return when what a server said of each class is over, within bounds."""
    return {RateClass(name): since + min(max(us / 1e6, least), most) for name, us in reply.items()}


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)
