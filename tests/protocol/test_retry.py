"""The decision after a failed attempt: by kind of error, safety, and attempts left."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async import errors
from nexhealth_async._protocol.retry import NO_RETRY, Again, RetryPolicy, Stop, Unknown, decide
from nexhealth_async.errors import (
    AlreadyCancelled,
    BadReply,
    BrokenBody,
    BudgetSpent,
    ConnectFailed,
    ConnectionLost,
    DuplicatePatient,
    EdgeBlocked,
    FinancialAccessOff,
    Forbidden,
    IgnoredFilter,
    Invalid,
    InvalidArgument,
    KeyRefused,
    MissingScope,
    NexHealthError,
    NotFound,
    NotInThisVersion,
    NotYetSynced,
    OutcomeUnknown,
    RateLimited,
    ServerFailure,
    SessionStateError,
    SlotTaken,
    StalledCursor,
    TimedOut,
    Unauthorized,
    UndecodableRecord,
    UnexpectedShape,
    UnsupportedBySystem,
    VersionRefused,
    WalkDrifted,
    WalkOver,
)

POLICY = RetryPolicy(attempts=3)

# What follows for (a safe call with tries left, the last safe try, an unsafe call with tries left,
# the last unsafe try).
PASSING = (Again, Stop, Unknown, Unknown)
FINAL = (Stop, Stop, Stop, Stop)
HARMLESS = (Again, Stop, Again, Stop)
DONE_BUT_UNREAD = (Stop, Stop, Unknown, Unknown)
BROKEN_FOR_GOOD = (Stop, Stop, Unknown, Unknown)

TABLE: list[tuple[str, NexHealthError, tuple[type[object], ...]]] = [
    ("no connection", ConnectFailed("x"), HARMLESS),
    ("lost", ConnectionLost("x"), PASSING),
    ("timed out", TimedOut("x"), PASSING),
    ("429", RateLimited("x"), HARMLESS),
    ("429 with a wait", RateLimited("x", retry_after=3), HARMLESS),
    ("429 with a long wait", RateLimited("x", retry_after=61), FINAL),
    *((f"{n}", ServerFailure("x", status=n), PASSING) for n in (500, 502, 503, 504)),
    *((f"{n}", ServerFailure("x", status=n), BROKEN_FOR_GOOD) for n in (501, 505, 599)),
    ("broken body", BrokenBody("x", status=200), PASSING),
    ("shape", UnexpectedShape("x", status=201), DONE_BUT_UNREAD),
    ("shape of a redirect", UnexpectedShape("x", status=302), FINAL),
    ("shape without status", UnexpectedShape("x"), FINAL),
    ("bad reply", BadReply("x", status=200), DONE_BUT_UNREAD),
    ("record", UndecodableRecord(model="Patient", path="id", expected="int"), FINAL),
    ("401", Unauthorized("x", status=401), FINAL),
    ("key", KeyRefused("x", status=401), FINAL),
    *(
        (kind.__name__, kind("x", status=403), FINAL)
        for kind in (Forbidden, VersionRefused, FinancialAccessOff, EdgeBlocked)
    ),
    ("404", NotFound("x", status=404), FINAL),
    *(
        (kind.__name__, kind("x", status=400), FINAL)
        for kind in (
            Invalid,
            DuplicatePatient,
            SlotTaken,
            AlreadyCancelled,
            NotYetSynced,
            UnsupportedBySystem,
        )
    ),
    ("ignored", IgnoredFilter({"inactive"}), FINAL),
    ("drifted", WalkDrifted("x"), FINAL),
    ("stalled", StalledCursor("x"), FINAL),
    ("budget", BudgetSpent("x", limit="overall"), FINAL),
    ("unknown", OutcomeUnknown("x", lookup="Look."), FINAL),
    *(
        (kind.__name__, kind("x"), FINAL)
        for kind in (InvalidArgument, MissingScope, NotInThisVersion, SessionStateError, WalkOver)
    ),
]


@pytest.mark.parametrize(("error", "due"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_the_table_of_decisions(error: NexHealthError, due: tuple[type[object], ...]) -> None:
    got = tuple(
        type(decide(error, safe=safe, attempt=attempt, policy=POLICY, draw=0.5))
        for safe, attempt in product((True, False), (1, 3))
    )
    assert got == due


def subclasses(kind: type[NexHealthError]) -> set[type[NexHealthError]]:
    return {kind}.union(*(subclasses(below) for below in kind.__subclasses__()))


def test_the_table_is_complete() -> None:
    asked = {type(error) for _, error, _ in TABLE}
    abstract = {"NexHealthError", "UsageError", "TransportError", "APIError"}
    beyond_calls = {"BothBooked", "WebhookRefused"}
    beyond_calls |= {"OriginError", "PartialPull", "TargetError", "UnfinishedPull"}
    ours = {kind for kind in subclasses(NexHealthError) if kind.__module__ == errors.__name__}
    assert {kind.__name__ for kind in ours - asked} == abstract | beyond_calls


@pytest.mark.parametrize("error", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("safe", [True, False])
def test_no_retry_means_never(error: NexHealthError, *, safe: bool) -> None:
    decision = decide(error, safe=safe, attempt=1, policy=NO_RETRY, draw=0.5)
    assert not isinstance(decision, Again)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 10**6),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from([ConnectionLost("x"), RateLimited("x"), BrokenBody("x", status=200)]),
)
def test_waits_stay_between_half_a_step_and_the_ceiling(
    attempt: int, draw: float, error: NexHealthError
) -> None:
    policy = RetryPolicy(attempts=10**9)
    decision = decide(error, safe=True, attempt=attempt, policy=policy, draw=draw)
    assert isinstance(decision, Again)
    first, ceiling = (1.0, 60.0) if isinstance(error, RateLimited) else (0.5, 20.0)
    step = min(ceiling, first * 2.0 ** min(attempt - 1, 60))
    assert step / 2 <= decision.after <= step


@pytest.mark.parametrize(
    ("attempt", "draw", "after"),
    [(1, 0, 0.25), (1, 1, 0.5), (2, 1, 1), (3, 1, 2), (6, 1, 16), (7, 1, 20), (99, 0, 10)],
)
def test_the_back_off_doubles_up_to_its_ceiling(attempt: int, draw: float, after: float) -> None:
    policy = RetryPolicy(attempts=1_000)
    lost = ConnectionLost("x")
    assert decide(lost, safe=True, attempt=attempt, policy=policy, draw=draw) == Again(after)


@pytest.mark.parametrize("seconds", [0, 0.5, 60])
def test_the_servers_wish_is_obeyed_to_the_letter(seconds: float) -> None:
    wish = RateLimited("x", retry_after=seconds)
    assert decide(wish, safe=False, attempt=1, policy=POLICY, draw=0.9) == Again(seconds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"base": -1.0},
        {"longest_wait": -1.0},
        {"longest_retry_after": -0.1},
        {"attempt_timeout": 0.0},
        {"base": float("nan")},
    ],
    ids=str,
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # the table's point
