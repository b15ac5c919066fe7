"""A switch that takes back-off out of test suites; `nexhealth_async.testing` offers it to users."""

from __future__ import annotations

import logging
from types import TracebackType

__all__ = ["TestModeToken", "backoff_delay", "is_testing", "set_testing"]

_LOG = logging.getLogger("nexhealth_async")


class _TestMode:
    """What the whole process goes by; off unless a test says otherwise."""

    on = False


class TestModeToken:
    """What `set_testing` returns: leaving it puts the switch back to what it was before."""

    __slots__ = ("_before",)

    def __init__(self, *, previous: bool) -> None:
        self._before = previous

    def __enter__(self) -> None:
        """Do nothing: the switch was set when this was made."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the switch back."""
        _TestMode.on = self._before


def set_testing(enabled: bool, /) -> TestModeToken:  # noqa: FBT001 - as one writes it: set_testing(True)
    """Take back-off out of every session of this process, or put it back.

    While it is on, nothing is waited for between attempts, neither the library's own back-off nor
    what a server asks for by Retry-After. Everything else stays: how often is tried again, what is
    never repeated, deadlines, the rate limits.

    The switch is for test suites. It counts for all threads and event loops of the process, since
    an application under test has its own; nothing but this function sets it, and a warning is
    logged when it goes on. ``with set_testing(True): ...`` puts it back at the end.
    """
    switched = TestModeToken(previous=_TestMode.on)
    if enabled and not _TestMode.on:
        _LOG.warning("back-off is off in this process: set_testing(True) is for test suites only")
    _TestMode.on = enabled
    return switched


def is_testing() -> bool:
    """Tell whether back-off is switched off."""
    return _TestMode.on


def backoff_delay(seconds: float) -> float:
    """Return how long to wait where so many seconds are due: none while tests run."""
    return 0.0 if _TestMode.on else seconds
