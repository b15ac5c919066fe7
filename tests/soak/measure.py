"""Resources of a process when it is idle, and a comparison that finds leaks."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async.pagination.walk import Pages, Walk

if TYPE_CHECKING:
    from nexhealth_async import NexHealth

__all__ = ["ResourceCounts", "leaks", "measure"]

_KIB = 1024
_TASKS_END = 5.0


@frozen(kw_only=True)
class ResourceCounts:
    """Resources after so many walks."""

    walks: int
    rss: int
    """Bytes of memory."""
    objects: int
    """Number of objects that the garbage collector tracks."""
    uncollected: int
    """Walks in cycles, which only the garbage collector could end."""
    files: int
    tasks: int
    connections: int
    """Connections in use, without idle ones."""
    places: int
    """Permits of the rate limiter that were neither used nor released."""

    def __str__(self) -> str:
        return (
            f"{self.walks:>7,} walks: {self.rss / _KIB**2:7.2f} MiB, {self.objects:,} objects, "
            f"{self.files} descriptors, {self.tasks} tasks, {self.connections} connections taken, "
            f"{self.places} places lost"
        )


async def measure(nex: NexHealth, walks: int) -> ResourceCounts:
    """Wait until cancelled tasks have ended, and measure."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _TASKS_END
    while len(asyncio.all_tasks()) > 1 and loop.time() < deadline:
        await asyncio.sleep(0.001)
    uncollected = sum(isinstance(obj, (Walk, Pages)) for obj in gc.get_objects())
    gc.collect()
    shared = nex._client.state
    session = shared.transport._pooled
    connector = session.connector if session is not None else None
    return ResourceCounts(
        walks=walks,
        rss=_rss(),
        objects=len(gc.get_objects()),
        uncollected=uncollected,
        files=_files(),
        tasks=len(asyncio.all_tasks()) - 1,
        connections=len(connector._acquired) if connector is not None else 0,
        places=shared.rate_limiter._in_flight,
    )


def leaks(looks: list[ResourceCounts], *, memory: float, idle: int) -> list[str]:
    """Return the leaks between the measurements; the first was taken when all was warm.

    ``memory`` is the tolerance in bytes for the heap; ``idle`` the number of connections that may
    be idle in the pool beyond those of the first measurement.
    """
    first, last = looks[0], looks[-1]
    found = [
        f"{getattr(look, name)} {name} after {look.walks:,} walks"
        for look in looks
        for name in ("tasks", "connections", "places")
        if getattr(look, name)
    ]
    if last.rss - first.rss > memory:
        found.append(f"memory grew by {(last.rss - first.rss) / _KIB**2:.2f} MiB")
    if last.files - first.files > idle:
        found.append(f"{last.files - first.files} descriptors more than at first")
    if last.objects - first.objects > max(2_000, first.objects // 50):
        found.append(f"{last.objects - first.objects:,} objects more than at first")
    return found


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _rss() -> int:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * _KIB
