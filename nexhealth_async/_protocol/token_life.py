"""Lifetime of a token: validity, time of renewal, and the reaction to a 401.

Reference: v2 1.3, v3 1.1: a JWT whose ``exp`` is the only machine-readable expiry; one hour in
production, one day in the vendor's test environment.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from enum import Enum
from math import isfinite, nan
from typing import cast

import msgspec
from attrs import Factory, field, frozen

__all__ = ["AuthAction", "Token", "action_after_401", "lifetime_of", "login_backoff"]

_UNREADABLE_LIFETIME = 55 * 60.0
_MAX_LIFETIME = 24 * 3600.0
_MIN_LIFETIME = 1.0
"""Lower bound of a lifetime, which prevents an endless loop of logins."""
_YOUNG_SECONDS = 10.0


def _refresh_time(token: Token) -> float:
    return token.requested_at + token.lifetime - min(300.0, token.lifetime * 0.2)


def _expiry_time(token: Token) -> float:
    return token.requested_at + token.lifetime - min(10.0, token.lifetime * 0.05)


@frozen(kw_only=True)
class Token:
    """A bearer token and its lifetime; ``repr`` hides the value.

    The lifetime starts when the login was *sent*, on a monotonic clock. The server starts it
    later, so an expired token is never taken for a valid one.
    """

    value: str = field(repr=False)
    generation: int
    requested_at: float
    requested_wall_time: float = 0.0
    """The same moment in seconds since the epoch, which includes time the machine was suspended."""
    lifetime: float
    """Lifetime in seconds."""
    shared: int = 0
    """Number of the token among the processes that share tokens; 0 for an unshared one."""
    version: str | None = None
    """API version of the process that stored the token, if it is known."""

    refresh_at: float = field(init=False, default=Factory(_refresh_time, takes_self=True))
    """Time to start a renewal while requests still use the token."""
    expires_at: float = field(init=False, default=Factory(_expiry_time, takes_self=True))
    """Time from which it is not sent: slightly early, since a request takes time to arrive."""

    def is_young(self, now: float, wall: float) -> bool:
        """Return whether it is too new to have expired when a 401 arrives."""
        return (
            now - self.requested_at < _YOUNG_SECONDS
            and abs(wall - self.requested_wall_time) < _YOUNG_SECONDS
        )


class AuthAction(Enum):
    """Reaction to a 401."""

    USE_CURRENT = "use current"
    """Retry once with the newer token."""
    LOG_IN = "log in"
    """Log in, then retry once."""
    REPORT_INVALID_KEY = "key refused"
    """Report an invalid key: the token is new, and no token of the key was ever accepted."""
    GIVE_UP = "give up"
    """Raise the 401: the token is new and works for other operations."""


def lifetime_of(token: str) -> float:
    """Return a token's lifetime in seconds from its claims; 55 minutes if they are unreadable.

    The signature is not verified: only the server can do so, and only the expiry is needed here.
    """
    try:
        payload = token.split(".")[1]
        claims: object = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if not isinstance(claims, dict):
            return _UNREADABLE_LIFETIME
        fields = cast("dict[str, object]", claims)
        expires, issued = fields.get("exp"), fields.get("iat")
        seconds = _number(expires) - _number(issued)
        if isfinite(seconds) and seconds > 0:
            return min(max(seconds, _MIN_LIFETIME), _MAX_LIFETIME)
    except (IndexError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        pass
    return _UNREADABLE_LIFETIME


def _number(claim: object) -> float:
    """Return a claim as a number, nan for anything else, booleans included."""
    if isinstance(claim, bool) or not isinstance(claim, (int, float)):
        return nan
    return float(claim)


def action_after_401(
    current: Token | None,
    refused_generation: int,
    *,
    ever_accepted: bool,
    now: float,
    wall: float,
) -> AuthAction:
    """Decide on the reaction to a 401 for a request sent with ``refused_generation``."""
    if current is None:
        return AuthAction.LOG_IN
    if current.generation != refused_generation:
        return AuthAction.USE_CURRENT
    if not current.is_young(now, wall):
        return AuthAction.LOG_IN
    return AuthAction.GIVE_UP if ever_accepted else AuthAction.REPORT_INVALID_KEY


def login_backoff(failures: int) -> float:
    """Return the seconds for which a failed login is cached: 5, doubling to 5 minutes."""
    return min(300.0, 5.0 * 2.0 ** min(failures - 1, 10))
