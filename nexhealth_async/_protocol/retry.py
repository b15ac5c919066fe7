"""What to do after a failed attempt: again after some seconds, stop, or say that nobody knows.

Reference: v3 1.7 rate limits and retries; the API has no idempotency keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from attrs import field, frozen, validators

from nexhealth_async.errors import (
    BadReply,
    BrokenBody,
    ConnectFailed,
    ConnectionLost,
    RateLimited,
    ServerFailure,
    TimedOut,
)

if TYPE_CHECKING:
    from nexhealth_async.errors import NexHealthError

__all__ = ["NO_RETRY", "Again", "Decision", "RetryPolicy", "Stop", "Unknown", "decide"]

_PASSING = frozenset({500, 502, 503, 504})
_RATE_WINDOW = 60.0
"""Seconds of the longest documented limit's window; waiting longer for it gains nothing."""


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how long to try again; a value to pass as ``retry=``.

    Only what cannot do harm is repeated: reads, writes that set a state, and requests that
    certainly did not arrive. Times are in seconds. The call's ``timeout`` bounds everything.
    """

    attempts: int = field(default=4, validator=validators.ge(1))
    """Most times one request is sent, the first included."""
    base: float = field(default=0.5, validator=validators.ge(0))
    """Longest wait before the second attempt; it doubles with each further one."""
    longest_wait: float = field(default=20.0, validator=validators.ge(0))
    """Ceiling of the doubling."""
    longest_retry_after: float = field(default=60.0, validator=validators.ge(0))
    """A server that asks for more patience than this gets the error raised at once."""
    attempt_timeout: float | None = field(
        default=cast("float | None", 30.0), validator=validators.optional(validators.gt(0.0))
    )
    """How long one attempt may take before it counts as lost; None leaves it to the timeout."""
    late_commit: float = field(default=120.0, validator=validators.ge(0))
    """How long after its answer was lost the server may still carry out a write.

    An assumption: no document bounds it. ``OutcomeUnknown.unsettled_until`` follows from it, and
    until then ``appointments.book`` and ``patients.find_or_create`` do not send the same again.
    """


NO_RETRY = RetryPolicy(attempts=1)
"""One attempt, whatever happens; for callers with a queue or a user who tries again themselves."""


@frozen
class Again:
    """Send it again after this many seconds."""

    after: float


@frozen
class Stop:
    """Raise the error as it is."""


@frozen
class Unknown:
    """The write may have happened; raise `OutcomeUnknown`."""


Decision: TypeAlias = Again | Stop | Unknown


def decide(
    error: NexHealthError, *, safe: bool, attempt: int, policy: RetryPolicy, draw: float
) -> Decision:
    """Decide about a failed attempt (the first is 1); ``draw`` is a random number in [0, 1)."""
    tries_left = attempt < policy.attempts
    match error:
        case ConnectFailed():
            return Again(_backoff(attempt, policy, draw)) if tries_left else Stop()
        case RateLimited():
            if not tries_left:
                return Stop()
            if error.retry_after is None:
                guess = min(_RATE_WINDOW, 2.0 ** min(attempt - 1, 30))
                return Again(guess * (1 + draw) / 2)
            return Again(error.retry_after) if _patient(error, policy) else Stop()
        case ConnectionLost() | TimedOut() | ServerFailure() | BrokenBody():
            if not safe:
                return Unknown()
            passing = not isinstance(error, ServerFailure) or error.status in _PASSING
            return Again(_backoff(attempt, policy, draw)) if tries_left and passing else Stop()
        case BadReply() if not safe and error.status is not None and error.status < 300:  # noqa: PLR2004
            return Unknown()
        case _:
            return Stop()


def _patient(error: RateLimited, policy: RetryPolicy) -> bool:
    return error.retry_after is not None and error.retry_after <= policy.longest_retry_after


def _backoff(attempt: int, policy: RetryPolicy, draw: float) -> float:
    """Jittered exponential back-off: between half of the step and the whole of it."""
    step = min(policy.longest_wait, policy.base * 2.0 ** min(attempt - 1, 30))
    return step * (1 + draw) / 2
