"""Counters of a session."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from attrs import Factory, asdict, define, evolve, fields

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Stats"]


def _counter_field() -> Counter[str]:
    return Counter()


@define(kw_only=True)
class Stats:
    """Counters of a session and its copies; they only increase.

    Reading them is free, and they hold no personal data. Seconds waited are summed over all calls,
    so they can exceed the time that passed. Subtract a `snapshot` from a later one to see what
    happened in between.
    """

    calls: int = 0
    """Calls started; each page of a walk is a call. Logins are not included."""
    logins: int = 0
    """Logins started."""
    requests: int = 0
    """Requests sent, every attempt counted, logins included."""
    retries: int = 0
    """Requests that repeated an earlier one: after an error, a 429 or a 401."""
    rate_limited: int = 0
    """Responses with status 429."""
    records: int = 0
    """Records in pages of lists; one that was received twice counts twice."""
    bytes_received: int = 0
    """Decompressed bytes of response bodies; downloads are not included."""
    waited_login: float = 0.0
    """Seconds that calls waited for a token."""
    waited_rate: float = 0.0
    """Seconds that calls waited for the rate limit, pauses after a 429 included."""
    waited_retry: float = 0.0
    """Seconds of back-off before retries."""
    operations: Counter[str] = Factory(_counter_field)
    """Requests by operation: ``{"GET /patients": 12}``."""
    failures: Counter[str] = Factory(_counter_field)
    """Failed attempts by the name of the error's class, retried ones included:
    ``{"RateLimitError": 2}``. A call cancelled in flight counts as ``"CancelledError"``."""

    def snapshot(self) -> Stats:
        """Return a copy of the current values."""
        return evolve(self, operations=self.operations.copy(), failures=self.failures.copy())

    def __sub__(self, earlier: Stats) -> Stats:
        """Return the difference to an earlier snapshot."""
        if not isinstance(earlier, Stats):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        current, previous = _values(self), _values(earlier)
        return Stats(**{name: current[name] - previous[name] for name in current})  # type: ignore[operator]  # values of one field have one type

    def as_dict(self) -> dict[str, int | float | dict[str, int]]:
        """Return the counters as plain numbers and dicts, for metrics."""
        values = cast("dict[str, int | float | dict[str, int]]", asdict(self, recurse=False))
        return {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in values.items()
        }


def _values(stats: Stats) -> Mapping[str, object]:
    return {attribute.name: getattr(stats, attribute.name) for attribute in fields(Stats)}
