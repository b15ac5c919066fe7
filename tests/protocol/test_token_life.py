"""Token life: lifetime, renewal, and the meaning of a 401."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async._protocol.token_life import (
    AuthAction,
    Token,
    action_after_401,
    lifetime_of,
    login_backoff,
)

UNREADABLE = 55 * 60
DAY = 24 * 3600


def jwt(claims: bytes) -> str:
    return f"head.{urlsafe_b64encode(claims).decode().rstrip('=')}.sign"


def token(lifetime: float, *, generation: int = 1, asked_at: float = 1_000) -> Token:
    return Token(value="secret", generation=generation, requested_at=asked_at, lifetime=lifetime)


@pytest.mark.parametrize(
    ("claims", "seconds"),
    [
        (b'{"iat":1700000000,"exp":1700003600}', 3600),
        (b'{"iat":1700000000.5,"exp":1700000100.0}', 99.5),
        (b'{"iat":1700000000,"exp":1700086400,"scp":"api_user"}', DAY),
        (b'{"iat":0,"exp":99999999999}', DAY),
        (b'{"iat":0,"exp":1e300}', DAY),
        (b'{"iat":100,"exp":100.001}', 1),
        (b'{"iat":0,"exp":1e400}', UNREADABLE),
        (b'{"iat":-1e400,"exp":0}', UNREADABLE),
        (b'{"iat":0,"exp":' + b"9" * 400 + b"}", UNREADABLE),
        (b'{"iat":0,"exp":' + b"9" * 5_000 + b"}", UNREADABLE),
        (b'{"iat":1700000000,"exp":1700000000}', UNREADABLE),
        (b'{"iat":1700000000,"exp":1600000000}', UNREADABLE),
        (b'{"iat":false,"exp":true}', UNREADABLE),
        (b'{"iat":0,"exp":true}', UNREADABLE),
        (b'{"iat":"0","exp":"3600"}', UNREADABLE),
        (b'{"iat":null,"exp":3600}', UNREADABLE),
        (b'{"exp":3600}', UNREADABLE),
        (b"{}", UNREADABLE),
        (b"[1]", UNREADABLE),
        (b'"exp"', UNREADABLE),
        (b"null", UNREADABLE),
        (b"[" * 100_000, UNREADABLE),
        (b"\xff\xfe", UNREADABLE),
        (b'{"iat":NaN,"exp":3600}', UNREADABLE),
        (b"", UNREADABLE),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_lifetime_is_taken_from_plausible_claims(claims: bytes, seconds: float) -> None:
    assert lifetime_of(jwt(claims)) == seconds


@pytest.mark.parametrize(
    "text", ["", ".", "a", "a.b", "a.%.c", "a.é.c", "..", "a.W10", "a.\ud800.c", "opaque"]
)
def test_an_unreadable_token_gets_the_default_lifetime(text: str) -> None:
    assert lifetime_of(text) == UNREADABLE


@settings(max_examples=80, deadline=None)
@given(st.text() | st.binary(max_size=60).map(jwt))
def test_no_token_raises_or_has_an_absurd_lifetime(text: str) -> None:
    assert 1 <= lifetime_of(text) <= DAY


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**40), st.integers(1, DAY))
def test_exp_less_iat_is_the_lifetime(issued: int, seconds: int) -> None:
    claims = json.dumps({"iat": issued, "exp": issued + seconds}).encode()
    assert lifetime_of(jwt(claims)) == seconds


@pytest.mark.parametrize(
    ("lifetime", "renew_at", "dead_at"),
    [(3600, 3300, 3590), (DAY, DAY - 300, DAY - 10), (100, 80, 95), (1, 0.8, 0.95)],
)
def test_renewal_precedes_the_last_use_and_that_precedes_expiry(
    lifetime: float, renew_at: float, dead_at: float
) -> None:
    made = token(lifetime)
    assert made.refresh_at - made.requested_at == pytest.approx(renew_at)
    assert made.expires_at - made.requested_at == pytest.approx(dead_at)


@settings(max_examples=80, deadline=None)
@given(st.floats(1, DAY))
def test_a_token_of_any_lifetime_can_be_used(lifetime: float) -> None:
    made = token(lifetime)
    assert made.requested_at < made.refresh_at < made.expires_at < made.requested_at + lifetime


@pytest.mark.parametrize(
    ("current", "refused", "accepted", "age", "verdict"),
    [
        (None, 1, True, 0, AuthAction.LOG_IN),
        (None, 1, False, 100, AuthAction.LOG_IN),
        (2, 1, True, 0, AuthAction.USE_CURRENT),
        (2, 1, False, 500, AuthAction.USE_CURRENT),
        (1, 1, True, 500, AuthAction.LOG_IN),
        (1, 1, False, 500, AuthAction.LOG_IN),
        (1, 1, True, 10, AuthAction.LOG_IN),
        (1, 1, True, 9.9, AuthAction.GIVE_UP),
        (1, 1, False, 9.9, AuthAction.REPORT_INVALID_KEY),
        (1, 1, False, 0, AuthAction.REPORT_INVALID_KEY),
    ],
)
def test_a_401_is_classified_by_age_and_successes(
    current: int | None, refused: int, *, accepted: bool, age: float, verdict: AuthAction
) -> None:
    held = None if current is None else token(3600, generation=current)
    later = 1_000 + age
    said = action_after_401(held, refused, ever_accepted=accepted, now=later, wall=age)
    assert said is verdict


def test_a_token_counts_as_old_after_a_suspend() -> None:
    """A suspended machine's monotonic clock stops; its wall clock does not."""
    held, now = token(3600), 1_001.0
    assert action_after_401(held, 1, ever_accepted=True, now=now, wall=7_200) is AuthAction.LOG_IN
    assert action_after_401(held, 1, ever_accepted=True, now=now, wall=-60) is AuthAction.LOG_IN
    assert action_after_401(held, 1, ever_accepted=True, now=now, wall=1) is AuthAction.GIVE_UP


def test_the_login_backoff_grows_up_to_five_minutes() -> None:
    pauses = [login_backoff(n) for n in (1, 2, 3, 7, 1_000_000)]
    assert pauses == [5, 10, 20, 300, 300]


def test_the_repr_shows_no_token() -> None:
    assert "secret" not in repr(token(3600))
