"""Decision after a failed attempt: retry, give up, or report an unknown outcome.

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
"""Window of the longest documented limit in seconds, after which it allows requests again."""


@frozen(kw_only=True)
class RetryPolicy:
    """Retry policy, passed as ``retry=``.

    Only requests that can be repeated without harm are retried: reads, idempotent writes, and
    requests that certainly did not arrive. Times are in seconds. The call's ``timeout`` covers all
    attempts and waits.
    """

    attempts: int = field(default=4, validator=validators.ge(1))
    """Maximum number of attempts, the first included."""
    base_delay: float = field(default=0.5, validator=validators.ge(0))
    """Maximum wait before the second attempt; it doubles for each further one."""
    max_wait: float = field(default=20.0, validator=validators.ge(0))
    """Upper bound of the doubled wait."""
    max_retry_after: float = field(default=60.0, validator=validators.ge(0))
    """Longest ``Retry-After`` that is waited for; after a longer one the error is raised."""
    attempt_timeout: float | None = field(
        default=cast("float | None", 30.0), validator=validators.optional(validators.gt(0.0))
    )
    """Time limit of one attempt; None for no limit but the call's timeout."""
    late_commit_window: float = field(default=120.0, validator=validators.ge(0))
    """Seconds after a lost response in which the server may still execute a write.

    An assumption: no document states a limit. ``OutcomeUnknownError.unsettled_until`` is derived
    from it, and until then ``appointments.book`` and ``patients.find_or_create`` do not repeat a
    write.
    """


NO_RETRY = RetryPolicy(attempts=1)
"""Policy with a single attempt, for callers with a queue or with users who retry."""


@frozen
class Retry:
    """Retry after ``delay`` seconds."""

    delay: float


@frozen
class GiveUp:
    """Raise the error."""


@frozen
class ReportUnknown:
    """Raise `OutcomeUnknownError`: the write may have happened."""


Decision: TypeAlias = Retry | GiveUp | ReportUnknown


def decide(
    error: NexHealthError, *, safe: bool, attempt: int, policy: RetryPolicy, random_fraction: float
) -> Decision:
    """Decide what to do after a failed attempt.

    Args:
        error: The attempt's error.
        safe: True if the request may be repeated.
        attempt: Number of the attempt, from 1.
        policy: The retry policy.
        random_fraction: Random number in [0, 1), for jitter.
    """
    has_attempts_left = attempt < policy.attempts
    match error:
        case ConnectError():
            return (
                Retry(_backoff(attempt, policy, random_fraction)) if has_attempts_left else GiveUp()
            )
        case RateLimitError():
            if not has_attempts_left:
                return GiveUp()
            if error.retry_after is None:
                delay = min(_RATE_WINDOW, 2.0 ** min(attempt - 1, 30))
                return Retry(delay * (1 + random_fraction) / 2)
            is_short = error.retry_after <= policy.max_retry_after
            return Retry(error.retry_after) if is_short else GiveUp()
        case ConnectionLostError() | APITimeoutError() | ServerError() | MalformedBodyError():
            if not safe:
                return ReportUnknown()
            transient = not isinstance(error, ServerError) or error.status in _TRANSIENT_STATUSES
            return (
                Retry(_backoff(attempt, policy, random_fraction))
                if has_attempts_left and transient
                else GiveUp()
            )
        case InvalidResponseError() if not safe and error.status is not None and error.status < 300:  # noqa: PLR2004
            return ReportUnknown()
        case _:
            return GiveUp()


def _backoff(attempt: int, policy: RetryPolicy, random_fraction: float) -> float:
    """Return the exponential back-off with jitter: between half and all of the step."""
    step = min(policy.max_wait, policy.base_delay * 2.0 ** min(attempt - 1, 30))
    return step * (1 + random_fraction) / 2
