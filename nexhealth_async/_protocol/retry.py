"""What to do after a failed attempt: again after some seconds, stop, or say that nobody knows.

Reference: v3 1.7 rate limits and retries; the API has no idempotency keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from attrs import field, frozen, validators

from nexhealth_async.errors import (
    APITimeoutError,
    ConnectError,
    ConnectionLostError,
    InvalidResponseError,
    MalformedBodyError,
    RateLimitError,
    ServerError,
)

if TYPE_CHECKING:
    from nexhealth_async.errors import NexHealthError

__all__ = ["NO_RETRY", "Decision", "GiveUp", "ReportUnknown", "Retry", "RetryPolicy", "decide"]

_TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
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
    base_delay: float = field(default=0.5, validator=validators.ge(0))
    """Longest wait before the second attempt; it doubles with each further one."""
    max_wait: float = field(default=20.0, validator=validators.ge(0))
    """Ceiling of the doubling."""
    max_retry_after: float = field(default=60.0, validator=validators.ge(0))
    """A server that asks for more patience than this gets the error raised at once."""
    attempt_timeout: float | None = field(
        default=cast("float | None", 30.0), validator=validators.optional(validators.gt(0.0))
    )
    """How long one attempt may take before it counts as lost; None leaves it to the timeout."""
    late_commit_window: float = field(default=120.0, validator=validators.ge(0))
    """How long after its answer was lost the server may still carry out a write.

    An assumption: no document bounds it. ``OutcomeUnknownError.unsettled_until`` follows from it,
    and until then ``appointments.book`` and ``patients.find_or_create`` do not send the same again.
    """


NO_RETRY = RetryPolicy(attempts=1)
"""One attempt, whatever happens; for callers with a queue or a user who tries again themselves."""


@frozen
class Retry:
    """Send it again after this many seconds."""

    delay: float


@frozen
class GiveUp:
    """Raise the error as it is."""


@frozen
class ReportUnknown:
    """The write may have happened; raise `OutcomeUnknownError`."""


Decision: TypeAlias = Retry | GiveUp | ReportUnknown


def decide(
    error: NexHealthError, *, safe: bool, attempt: int, policy: RetryPolicy, random_fraction: float
) -> Decision:
    """Decide what to do after a failed attempt.

    Attempts are counted from 1; ``random_fraction`` is in [0, 1).
    """
    tries_left = attempt < policy.attempts
    match error:
        case ConnectError():
            return Retry(_backoff(attempt, policy, random_fraction)) if tries_left else GiveUp()
        case RateLimitError():
            if not tries_left:
                return GiveUp()
            if error.retry_after is None:
                guess = min(_RATE_WINDOW, 2.0 ** min(attempt - 1, 30))
                return Retry(guess * (1 + random_fraction) / 2)
            return Retry(error.retry_after) if _retry_after_delay(error, policy) else GiveUp()
        case ConnectionLostError() | APITimeoutError() | ServerError() | MalformedBodyError():
            if not safe:
                return ReportUnknown()
            passing = not isinstance(error, ServerError) or error.status in _TRANSIENT_STATUSES
            return (
                Retry(_backoff(attempt, policy, random_fraction))
                if tries_left and passing
                else GiveUp()
            )
        case InvalidResponseError() if not safe and error.status is not None and error.status < 300:  # noqa: PLR2004
            return ReportUnknown()
        case _:
            return GiveUp()


def _retry_after_delay(error: RateLimitError, policy: RetryPolicy) -> bool:
    return error.retry_after is not None and error.retry_after <= policy.max_retry_after


def _backoff(attempt: int, policy: RetryPolicy, random_fraction: float) -> float:
    """Jittered exponential back-off: between half of the step and the whole of it."""
    step = min(policy.max_wait, policy.base_delay * 2.0 ** min(attempt - 1, 30))
    return step * (1 + random_fraction) / 2
