"""Ideal schedule: latency and rate limits only, with a client that wastes no time."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

from benchmarks.stock import ServerData, latency_of
from nexhealth_async import Rates
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Permit, SlidingWindowLog

__all__ = ["ideal"]


def ideal(stock: ServerData, pages: int, prefetch: int, rates: Rates | None = None) -> float:
    """Return the total of the server's latencies in seconds, jitter included.

    The latencies of the pages are added up. With a prefetch of 2 and more, pages 1 and 2 are sent
    together, the others once page 1 has returned the count; ``prefetch`` are in flight, at most
    twice as many are in flight or held for an earlier one, and pages in order are consumed at once.
    Below that, pages are read sequentially. The session is logged in before. With limits a page is
    sent when the library's own log has a free permit for it.
    """
    log = SlidingWindowLog(rates or Rates.unlimited())
    now, requested, delivered = 0.0, 0, 0
    flying: list[tuple[float, int, Permit]] = []
    landed: set[int] = set()
    while delivered < pages:
        known = pages if 1 in landed else min(2, pages)
        room = min(
            prefetch - len(flying), 2 * prefetch - (requested - delivered), known - requested
        )
        leaves = log.earliest(RateClass.PEOPLE, now) if room > 0 else inf
        if not flying or leaves <= flying[0][0]:
            now, requested = leaves, requested + 1
            permit = log.acquire(RateClass.PEOPLE, now)
            heappush(flying, (now + latency_of(stock, requested), requested, permit))
            continue
        now, page, permit = heappop(flying)
        permit.answer(now)
        landed.add(page)
        while delivered + 1 in landed:
            delivered += 1
    return now
