"""Is this token good at this moment, when is it renewed, and what does a 401 mean for it.

Reference: v2 1.3, v3 1.1: a JWT whose ``exp`` is the only machine-readable expiry; one hour in
production, a day in the vendor's test environment.
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
"""A token that died before it could be sent once would be asked for again without end."""
_YOUNG_SECONDS = 10.0


def _refresh_time(token: Token) -> float:
    return token.requested_at + token.lifetime - min(300.0, token.lifetime * 0.2)


def _expiry_time(token: Token) -> float:
    return token.requested_at + token.lifetime - min(10.0, token.lifetime * 0.05)


@frozen(kw_only=True)
class Token:
    """A bearer token and what is known of its life; its ``repr`` never shows it.

    Its age counts from the moment the login was *sent*, on a monotonic clock: the server's own
    reckoning starts later, so the token is never believed longer than it lives.
    """

    value: str = field(repr=False)
    generation: int
    requested_at: float
    requested_wall_time: float = 0.0
    """The same moment by the clock on the wall, which a suspended machine does not stop."""
    lifetime: float
    shared: int = 0
    """Its number among all processes that share tokens; 0 if only this one has it."""
    version: str | None = None
    """The API version that the process speaks which stored it, if it told."""

    refresh_at: float = field(init=False, default=Factory(_refresh_time, takes_self=True))
    """When a renewal should begin beside the requests that still use the token."""
    expires_at: float = field(init=False, default=Factory(_expiry_time, takes_self=True))
    """When it is no longer sent: a little early, since a request takes time to arrive."""

    def is_young(self, now: float, wall: float) -> bool:
        """Tell whether it is too new for a 401 to mean that it ran out."""
        return (
            now - self.requested_at < _YOUNG_SECONDS
            and abs(wall - self.requested_wall_time) < _YOUNG_SECONDS
        )


class AuthAction(Enum):
    """What to do after a 401."""

    USE_CURRENT = "use current"
    """A newer token is there already: try once with it."""
    LOG_IN = "log in"
    """Replace the token, then try once more."""
    REPORT_INVALID_KEY = "key refused"
    """A new token that nothing ever accepted: the key itself may not be used."""
    GIVE_UP = "give up"
    """The token is new and works elsewhere: this operation says 401 whatever is sent."""


def lifetime_of(token: str) -> float:
    """Return how many seconds a token lives by its own claims; 55 minutes if they cannot be read.

    The signature is not checked: only the server can, and only expiry is of interest here.
    """
    try:
        payload = token.split(".")[1]
        claims: object = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if not isinstance(claims, dict):
            return _UNREADABLE_LIFETIME
        known = cast("dict[str, object]", claims)
        expires, issued = known.get("exp"), known.get("iat")
        seconds = _number(expires) - _number(issued)
        if isfinite(seconds) and seconds > 0:
            return min(max(seconds, _MIN_LIFETIME), _MAX_LIFETIME)
    except (IndexError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        pass
    return _UNREADABLE_LIFETIME


def _number(claim: object) -> float:
    """Return a claim as a number, nan for anything else; true and false are no numbers."""
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
    """Decide what a 401 for a request sent with ``refused_generation`` means."""
    if current is None:
        return AuthAction.LOG_IN
    if current.generation != refused_generation:
        return AuthAction.USE_CURRENT
    if not current.is_young(now, wall):
        return AuthAction.LOG_IN
    return AuthAction.GIVE_UP if ever_accepted else AuthAction.REPORT_INVALID_KEY


def login_backoff(failures: int) -> float:
    """Return how many seconds a failed login is remembered: 5, doubling to 5 minutes."""
    return min(300.0, 5.0 * 2.0 ** min(failures - 1, 10))
