"""A hundred tasks that meet an expired token at the same time."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from benchmarks.auth_server import LIFETIME
from benchmarks.measure import Figures, Scale, WrongRecordsError, open_location
from benchmarks.records import FIRST_ID
from benchmarks.report import Table, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData

__all__ = ["measure", "tables"]

_TASKS = 100
_LOGIN, _REQUEST = 0.3, 0.05
_LABELS = {
    "known": "**the session knows that the token has expired**",
    "unknown": "**the server alone knows: 401s that come in at once**",
}


class _MovableLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be moved ahead."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


async def _expired_token_storm(served: RunningServer, *, known: bool) -> dict[str, float]:
    loop = cast("_MovableLoop", asyncio.get_running_loop())
    async with open_location(served, warm=True) as at:
        # Every connection is open and every decoder built before the token goes.
        await asyncio.gather(*(at.patients.get(FIRST_ID) for _ in range(_TASKS)))
        # A minute is enough for a token not to be new; an hour is more than it says it lives.
        loop.ahead += LIFETIME if known else 60
        await asyncio.to_thread(served.expire_tokens)
        wall, cpu = time.perf_counter(), time.process_time()
        patients = await asyncio.gather(*(at.patients.get(FIRST_ID) for _ in range(_TASKS)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        seen = await asyncio.to_thread(served.seen)
    if [patient.id for patient in patients] != [FIRST_ID] * _TASKS:
        raise WrongRecordsError("a task was left without its patient")
    return {
        "logins": len(seen["logins"]),
        "rejected": len(seen["unauthorized"]),
        "wall": wall * 1000,
        "cpu": cpu * 1000,
        # In requests: 1.0 is the login and one request after the other.
        "requests": (wall - _LOGIN) / _REQUEST,
    }


def measure(scale: Scale, figures: Figures) -> None:
    """Measure logins, rejections and milliseconds."""
    with serving(ServerData(latency=_REQUEST, login_seconds=_LOGIN)) as served:
        for _ in range(scale.rounds):
            for name in _LABELS:
                with asyncio.Runner(loop_factory=_MovableLoop) as runner:
                    found = runner.run(_expired_token_storm(served, known=name == "known"))
                for what, value in found.items():
                    figures.add(f"storm.{name}.{what}", value)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [
        Table(
            title="100 tasks meeting an expired token",
            note="A login takes 300 ms, a request 50 ms; the connections are open.",
            heads=("case", "logins", "rejections", "wall ms", "CPU ms"),
            rows=[
                (
                    label,
                    range_text(figures[f"storm.{name}.logins"], 0),
                    range_text(figures[f"storm.{name}.rejected"], 0),
                    range_text(figures[f"storm.{name}.wall"], 0),
                    range_text(figures[f"storm.{name}.cpu"], 0),
                )
                for name, label in _LABELS.items()
            ],
        )
    ]
