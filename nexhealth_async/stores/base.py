"""What every store of seen events can do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, Protocol, TypeAlias

from nexhealth_async.errors import InvalidArgument

__all__ = ["KEEP", "LEASE", "Claim", "SeenStore", "check_times"]

Claim: TypeAlias = Literal["new", "busy", "seen"]
"""``new``: it is yours to handle; ``busy``: another has it in hand; ``seen``: it was handled."""

KEEP: Final = timedelta(days=3)
"""How long a handled event is remembered: the vendor repeats a delivery for 48 hours."""
LEASE: Final = timedelta(minutes=5)
"""How long a claim holds that is neither confirmed nor released."""


class SeenStore(Protocol):
    """Remembers which events were handled; write your own with these four methods.

    A key goes from nothing to claimed by `claim`, and from there to seen by `confirm` or back to
    nothing by `release`.
    """

    async def claim(self, key: str) -> Claim:
        """Claim a key; exactly one of those who ask at the same time is told ``new``."""
        ...

    async def confirm(self, key: str) -> None:
        """Note that what a claimed key stands for was done."""
        ...

    async def release(self, key: str) -> None:
        """Give up a claim of one's own, so that the next delivery is handled."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections; closing twice is allowed."""
        ...


def check_times(keep: timedelta, lease: timedelta) -> tuple[float, float]:
    """Return both as seconds.

    Raises:
        InvalidArgument: one of them is not above zero.
    """
    if keep <= timedelta() or lease <= timedelta():
        raise InvalidArgument("keep and lease must be longer than no time")
    return keep.total_seconds(), lease.total_seconds()
