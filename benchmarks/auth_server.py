"""The token endpoint and rate limiter of the canned server, with counters."""

from __future__ import annotations

import random
from base64 import urlsafe_b64encode
from collections import deque

from benchmarks.stock import ServerData, reply

__all__ = ["LIFETIME", "AuthServer"]

LIFETIME = 3600
"""Lifetime in seconds in the claims of the tokens."""

_UNAUTHORIZED = reply("401 Unauthorized", b'{"code":false,"data":null,"error":["Not authorized"]}')
_TOO_MANY = reply(
    "429 Too Many Requests", b'{"code":false,"data":null,"error":["Too many requests"]}'
)


class AuthServer:
    """Checks tokens and rate limits, and records what it has seen."""

    def __init__(self, stock: ServerData) -> None:
        self._window = stock.window
        self._counted: deque[float] = deque()
        # The phase of the windows is unknown to clients.
        self._phase = random.Random(5).random()
        self._refused_up_to = 0
        self._tokens = 0
        self.seen: dict[str, list[float]] = {}
        """Times of logins, arrivals, 401s and 429s."""
        self._forget()

    def _forget(self) -> None:
        self.seen = {"logins": [], "arrivals": [], "unauthorized": [], "too_many": []}

    def log_in(self, now: float) -> bytes:
        """Issue another token."""
        self.seen["logins"].append(now)
        self._tokens += 1
        claims = f'{{"iat":1,"exp":{1 + LIFETIME}}}'.encode()
        token = f"{self._tokens}.{urlsafe_b64encode(claims).decode().rstrip('=')}.x"
        body = f'{{"code":true,"data":{{"token":"{token}"}},"error":null}}'
        return reply("201 Created", body.encode())

    def expire(self) -> None:
        """Reject all tokens issued so far, and reset the counters."""
        self._refused_up_to = self._tokens
        self._forget()

    def refusal(self, fields: bytes, now: float) -> bytes | None:
        """Return the error response for a request with these headers; None if it may pass."""
        self.seen["arrivals"].append(now)
        if self._refused_up_to and _token_number(fields) <= self._refused_up_to:
            self.seen["unauthorized"].append(now)
            return _UNAUTHORIZED
        if self._window is not None and self._is_over(now):
            self.seen["too_many"].append(now)
            return _TOO_MANY
        return None

    def _is_over(self, now: float) -> bool:
        window = self._window
        if window is None:
            return False
        if window.sliding:
            begin = now - window.seconds
        else:
            begin = now - (now + self._phase * window.seconds) % window.seconds
        while self._counted and self._counted[0] <= begin:
            self._counted.popleft()
        self._counted.append(now)
        return len(self._counted) > window.count


def _token_number(fields: bytes) -> int:
    _, _, behind = fields.partition(b"Authorization: Bearer ")
    number, _, _ = behind.partition(b".")
    return int(number or 0)
