"""The decision after a failed attempt, by error, safety and attempts left."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async import errors
from nexhealth_async._protocol.retry import (
    NO_RETRY,
    GiveUp,
    ReportUnknown,
    Retry,
    RetryPolicy,
    decide,
)
from nexhealth_async.errors import (
    AlreadyCancelledError,
    APITimeoutError,
    AuthenticationError,
    BudgetExceededError,
    ConnectError,
    ConnectionLostError,
    DriftError,
    DuplicatePatientError,
    FinancialAccessDisabledError,
    FirewallBlockedError,
    IgnoredFilterError,
    InvalidAPIKeyError,
    InvalidArgumentError,
    InvalidRequestError,
    InvalidResponseError,
    MalformedBodyError,
    MissingScopeError,
    NexHealthError,
    NotFoundError,
    NotInVersionError,
    NotYetSyncedError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    SessionStateError,
    SlotTakenError,
    StalledCursorError,
    UndecodableRecordError,
    UnexpectedStructureError,
    UnsupportedBySystemError,
    VersionNotEnabledError,
    WalkClosedError,
)

POLICY = RetryPolicy(attempts=3)

# What follows for (a safe call with tries left, the last safe try, an unsafe call with tries left,
# the last unsafe try).
PASSING = (Retry, GiveUp, ReportUnknown, ReportUnknown)
FINAL = (GiveUp, GiveUp, GiveUp, GiveUp)
HARMLESS = (Retry, GiveUp, Retry, GiveUp)
DONE_BUT_UNREAD = (GiveUp, GiveUp, ReportUnknown, ReportUnknown)
BROKEN_FOR_GOOD = (GiveUp, GiveUp, ReportUnknown, ReportUnknown)

TABLE: list[tuple[str, NexHealthError, tuple[type[object], ...]]] = [
    ("no connection", ConnectError("x"), HARMLESS),
    ("lost", ConnectionLostError("x"), PASSING),
    ("timed out", APITimeoutError("x"), PASSING),
    ("429", RateLimitError("x"), HARMLESS),
    ("429 with a wait", RateLimitError("x", retry_after=3), HARMLESS),
    ("429 with a long wait", RateLimitError("x", retry_after=61), FINAL),
    *((f"{n}", ServerError("x", status=n), PASSING) for n in (500, 502, 503, 504)),
    *((f"{n}", ServerError("x", status=n), BROKEN_FOR_GOOD) for n in (501, 505, 599)),
    ("broken body", MalformedBodyError("x", status=200), PASSING),
    ("shape", UnexpectedStructureError("x", status=201), DONE_BUT_UNREAD),
    ("shape of a redirect", UnexpectedStructureError("x", status=302), FINAL),
    ("shape without status", UnexpectedStructureError("x"), FINAL),
    ("bad reply", InvalidResponseError("x", status=200), DONE_BUT_UNREAD),
    ("record", UndecodableRecordError(model="Patient", path="id", expected="int"), FINAL),
    ("401", AuthenticationError("x", status=401), FINAL),
    ("key", InvalidAPIKeyError("x", status=401), FINAL),
    *(
        (kind.__name__, kind("x", status=403), FINAL)
        for kind in (
            PermissionDeniedError,
            VersionNotEnabledError,
            FinancialAccessDisabledError,
            FirewallBlockedError,
        )
    ),
    ("404", NotFoundError("x", status=404), FINAL),
    *(
        (kind.__name__, kind("x", status=400), FINAL)
        for kind in (
            InvalidRequestError,
            DuplicatePatientError,
            SlotTakenError,
            AlreadyCancelledError,
            NotYetSyncedError,
            UnsupportedBySystemError,
        )
    ),
    ("ignored", IgnoredFilterError({"inactive"}), FINAL),
    ("drifted", DriftError("x"), FINAL),
    ("stalled", StalledCursorError("x"), FINAL),
    ("budget", BudgetExceededError("x", limit="overall"), FINAL),
    ("unknown", OutcomeUnknownError("x", lookup="Look."), FINAL),
    *(
        (kind.__name__, kind("x"), FINAL)
        for kind in (
            InvalidArgumentError,
            MissingScopeError,
            NotInVersionError,
            SessionStateError,
            WalkClosedError,
        )
    ),
]


@pytest.mark.parametrize(
    ("error", "decisions"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_the_table_of_decisions(error: NexHealthError, decisions: tuple[type[object], ...]) -> None:
    got = tuple(
        type(decide(error, safe=safe, attempt=attempt, policy=POLICY, random_fraction=0.5))
        for safe, attempt in product((True, False), (1, 3))
    )
    assert got == decisions


def subclasses(kind: type[NexHealthError]) -> set[type[NexHealthError]]:
    return {kind}.union(*(subclasses(below) for below in kind.__subclasses__()))


def test_the_table_is_complete() -> None:
    covered = {type(error) for _, error, _ in TABLE}
    abstract = {"NexHealthError", "UsageError", "APIConnectionError", "APIError"}
    beyond_calls = {"DoubleBookedError", "InvalidWebhookError"}
    beyond_calls |= {"OriginError", "PartialPullError", "TargetError", "UnfinishedPullError"}
    ours = {kind for kind in subclasses(NexHealthError) if kind.__module__ == errors.__name__}
    assert {kind.__name__ for kind in ours - covered} == abstract | beyond_calls


@pytest.mark.parametrize("error", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("safe", [True, False])
def test_no_retry_never_repeats(error: NexHealthError, *, safe: bool) -> None:
    decision = decide(error, safe=safe, attempt=1, policy=NO_RETRY, random_fraction=0.5)
    assert not isinstance(decision, Retry)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 10**6),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(
        [ConnectionLostError("x"), RateLimitError("x"), MalformedBodyError("x", status=200)]
    ),
)
def test_waits_stay_between_half_a_step_and_the_maximum(
    attempt: int, draw: float, error: NexHealthError
) -> None:
    policy = RetryPolicy(attempts=10**9)
    decision = decide(error, safe=True, attempt=attempt, policy=policy, random_fraction=draw)
    assert isinstance(decision, Retry)
    first, ceiling = (1.0, 60.0) if isinstance(error, RateLimitError) else (0.5, 20.0)
    step = min(ceiling, first * 2.0 ** min(attempt - 1, 60))
    assert step / 2 <= decision.delay <= step


@pytest.mark.parametrize(
    ("attempt", "draw", "after"),
    [(1, 0, 0.25), (1, 1, 0.5), (2, 1, 1), (3, 1, 2), (6, 1, 16), (7, 1, 20), (99, 0, 10)],
)
def test_the_backoff_doubles_up_to_its_maximum(attempt: int, draw: float, after: float) -> None:
    policy = RetryPolicy(attempts=1_000)
    lost = ConnectionLostError("x")
    assert decide(lost, safe=True, attempt=attempt, policy=policy, random_fraction=draw) == Retry(
        after
    )


@pytest.mark.parametrize("seconds", [0, 0.5, 60])
def test_retry_after_is_obeyed_exactly(seconds: float) -> None:
    wish = RateLimitError("x", retry_after=seconds)
    assert decide(wish, safe=False, attempt=1, policy=POLICY, random_fraction=0.9) == Retry(seconds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"base_delay": -1.0},
        {"max_wait": -1.0},
        {"max_retry_after": -0.1},
        {"attempt_timeout": 0.0},
        {"base_delay": float("nan")},
    ],
    ids=str,
)
def test_an_invalid_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # the table's point
