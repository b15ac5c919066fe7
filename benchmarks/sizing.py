"""Time that a key takes to read practices, computed from the rate limits; nothing is sent.

``python -m benchmarks.sizing`` prints the tables that docs/fleet.md holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from attrs import evolve, frozen

from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Rates
from nexhealth_async.bulk.estimate import CountResult, estimate_from_counts, min_seconds
from nexhealth_async.bulk.shard_planning import PracticeLocations, plan_shards

__all__ = ["PRACTICE", "PRACTICES", "Sizing", "sizing", "table", "tables"]

PRACTICE: Final[Mapping[str, int]] = {
    "patients": 6_000,
    "appointments": 40_000,
    "procedures": 120_000,
    "providers": 12,
    "operatories": 10,
}
"""Records of one practice with one location after some years; an assumption."""
CHANGED: Final = 0.005
"""Fraction of the records that changes in a day; an assumption."""
PRACTICES: Final = (1, 100, 10_000)

_NOW: Final = datetime(2026, 6, 1, 5, tzinfo=UTC)
_YESTERDAY: Final = datetime(2026, 5, 31, 5, tzinfo=UTC)
_LIMITS: Final = {
    "overall": "100 a second overall",
    "slow": "10 a second for appointments",
    "people": "1,000 a minute for patients and appointments",
    "other": "2,000 a minute for the rest",
}


@frozen(kw_only=True)
class Sizing:
    """Requests and time for reading this many practices."""

    practices: int
    records: int
    requests: int
    seconds: float
    limit: str
    """The limit that would take as long if it were the only one."""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds if self.seconds else float(self.records)


def sizing(practices: int, version: str, *, refresh: bool = False, drift: str = "verify") -> Sizing:
    """Compute a first pull, or a daily refresh."""
    requests, records = _of_one(version, refresh=refresh, drift=drift)
    every = {rate: number * practices for rate, number in requests.items()}
    rates = Rates()
    alone = {
        name: min_seconds(every, evolve(Rates.unlimited(), **{name: getattr(rates, name)}))
        for name in _LIMITS
    }
    return Sizing(
        practices=practices,
        records=records * practices,
        requests=sum(every.values()),
        seconds=min_seconds(every, rates, logins=1),
        limit=_LIMITS[max(alone, key=lambda name: alone[name])],
    )


def _of_one(version: str, *, refresh: bool, drift: str) -> tuple[Counter[RateClass], int]:
    """Return the requests and the records of one practice."""
    plan = plan_shards(
        PRACTICE,
        version,
        [PracticeLocations(subdomain="demo", location_ids=(1,))],
        now=_NOW,
        since=_YESTERDAY if refresh else None,
    )
    tallies: dict[str, CountResult] = {}
    records = 0
    for group in plan.groups:
        part = CHANGED if refresh else 1.0
        number = round(PRACTICE[group.group.resource] * part)
        records += number
        lists = [(shard, at) for shard in group.shards for at in range(len(shard.lists))]
        share: dict[str, tuple[int, ...]] = {shard.name: () for shard, _ in lists}
        for place, (shard, _) in enumerate(lists):
            count = (place + 1) * number // len(lists) - place * number // len(lists)
            share[shard.name] = (*share[shard.name], count)
        tallies |= {name: CountResult(counts=counts) for name, counts in share.items()}
    found = estimate_from_counts(
        plan.everything, tallies, drift="watch" if drift == "watch" else "verify"
    )
    requests: Counter[RateClass] = Counter()
    for one in found.shards:
        requests[one.rate] += one.requests
    return requests, records


def table(version: str, *, refresh: bool = False, drift: str = "verify") -> str:
    """Return one table in Markdown."""
    lines = [
        "| practices | records | requests | least time | records/s | what binds |",
        "| ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for number in PRACTICES:
        one = sizing(number, version, refresh=refresh, drift=drift)
        lines.append(
            f"| {number:,} | {one.records:,} | {one.requests:,} | {_time(one.seconds)} "
            f"| {one.rate:,.0f} | {one.limit} |"
        )
    return "\n".join(lines) + "\n"


def tables() -> str:
    """Return all tables with their headings."""
    kinds = (
        ("First pull, API v3", table("v3")),
        ("First pull, API v2, numbered lists read twice to be sure (`verify`)", table("v2")),
        ("First pull, API v2, read once (`watch`)", table("v2", drift="watch")),
        ("Daily refresh, API v3", table("v3", refresh=True)),
        ("Daily refresh, API v2", table("v2", refresh=True)),
    )
    return "\n".join(f"{title}:\n\n{text}" for title, text in kinds)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    print(tables())
