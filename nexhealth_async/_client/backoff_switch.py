"""Switch that turns back-off off in test suites; public in `nexhealth_async.testing`."""

from __future__ import annotations

import logging
from types import TracebackType

__all__ = ["BackoffSwitch", "backoff_delay", "is_testing", "set_testing"]

_LOG = logging.getLogger("nexhealth_async")


class _TestMode:
    """State of the switch for the process; off by default."""

    on = False


class BackoffSwitch:
    """Context manager returned by `set_testing`: restores the previous state on exit."""

    __slots__ = ("_previous",)

    def __init__(self, *, previous: bool) -> None:
        self._previous = previous

    def __enter__(self) -> None:
        """Do nothing: `set_testing` has set the switch."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the previous state."""
        _TestMode.on = self._previous


def set_testing(enabled: bool, /) -> BackoffSwitch:  # noqa: FBT001 - called as set_testing(True)
    """Turn back-off off in every session of this process, or on again.

    While testing is enabled, calls do not wait between attempts: neither for the library's back-off
    nor for a server's Retry-After. Everything else stays: the number of attempts, the writes that
    are never repeated, deadlines and rate limits.

    The switch is for test suites. It applies to all threads and event loops of the process, since
    an application under test has its own. Enabling it logs a warning.

    Args:
        enabled: True to turn back-off off.

    Returns:
        The token of the switch; as a context manager it restores the previous state.
    """
    token = BackoffSwitch(previous=_TestMode.on)
    if enabled and not _TestMode.on:
        _LOG.warning("back-off is off in this process: set_testing(True) is for test suites only")
    _TestMode.on = enabled
    return token


def is_testing() -> bool:
    """Return whether back-off is turned off."""
    return _TestMode.on


def backoff_delay(seconds: float) -> float:
    """Return the seconds to wait: the argument, or 0 while back-off is turned off."""
    return 0.0 if _TestMode.on else seconds
