"""What latency alone takes: the schedule of a client that computes nothing and wastes nothing."""

from __future__ import annotations

from heapq import heappop, heappush

from benchmarks.stock import Stock, latency_of

__all__ = ["ideal"]


def ideal(stock: Stock, pages: int, prefetch: int) -> float:
    """Return the seconds that the server's own latencies take, jitter included.

    The very latencies of the pages are laid end to end: with a prefetch of 2 and more, pages 1 and
    2 leave together, the others once page 1 has told the count; ``prefetch`` are in flight, at most
    twice as many are in flight or held for an earlier one, and whatever comes in order is consumed
    at once. Below that, page follows page. The session is logged in before.
    """
    if prefetch <= 1:
        return sum(latency_of(stock, page) for page in range(1, pages + 1))
    now, asked, delivered = 0.0, min(2, pages), 0
    flying: list[tuple[float, int]] = []
    landed: set[int] = set()
    for page in range(1, asked + 1):
        heappush(flying, (latency_of(stock, page), page))
    while delivered < pages:
        now, page = heappop(flying)
        landed.add(page)
        while delivered + 1 in landed:
            delivered += 1
        if 1 not in landed:
            continue
        while asked < pages and len(flying) < prefetch and asked - delivered < 2 * prefetch:
            asked += 1
            heappush(flying, (now + latency_of(stock, asked), asked))
    return now
