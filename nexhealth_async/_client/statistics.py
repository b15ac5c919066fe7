"""What a session has done so far, counted."""

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
    """Counters of a session and its copies, logins included; they only rise.

    Reading them costs nothing and tells nothing of anybody. Seconds waited are added up over all
    calls, so that calls that waited together count each. `snapshot` keeps a moment; one snapshot
    taken from a later one is what happened between.
    """

    calls: int = 0
    """Calls begun, each page of a walk being one; logins are not among them."""
    logins: int = 0
    """Logins begun."""
    requests: int = 0
    """Requests that left, every attempt counted."""
    retries: int = 0
    """Of these, the ones that repeated an earlier one: after a failure, a 429 or a 401."""
    rate_limited: int = 0
    """Answers 429."""
    records: int = 0
    """Records in the pages of lists, as they came: one that came twice counts twice."""
    bytes_received: int = 0
    """Bytes of the replies' bodies, unpacked; downloaded files are not counted."""
    waited_login: float = 0.0
    """Seconds calls waited for a token."""
    waited_rate: float = 0.0
    """Seconds calls waited for a place within the rate limits, those after a 429 included."""
    waited_retry: float = 0.0
    """Seconds calls waited before trying again."""
    operations: Counter[str] = Factory(_counter_field)
    """Requests by operation: ``{"GET /patients": 12}``."""
    failures: Counter[str] = Factory(_counter_field)
    """Attempts that failed by the name of the error's class, those that were tried again included:
    ``{"RateLimitError": 2}``. A call that was cancelled on its way is a ``"CancelledError"``."""

    def snapshot(self) -> Stats:
        """Return a copy that stays as it is."""
        return evolve(self, operations=self.operations.copy(), failures=self.failures.copy())

    def __sub__(self, earlier: Stats) -> Stats:
        """Return what was counted since an earlier snapshot."""
        if not isinstance(earlier, Stats):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        mine, before = _values(self), _values(earlier)
        return Stats(**{name: mine[name] - before[name] for name in mine})  # type: ignore[operator]  # each with its like

    def as_dict(self) -> dict[str, int | float | dict[str, int]]:
        """Return plain numbers by name, for metrics; by operation and by error they are dicts."""
        values = cast("dict[str, int | float | dict[str, int]]", asdict(self, recurse=False))
        return {n: dict(v) if isinstance(v, dict) else v for n, v in values.items()}


def _values(stats: Stats) -> Mapping[str, object]:
    return {one.name: getattr(stats, one.name) for one in fields(Stats)}
