"""The token-refresh lock: one login serves everyone who waits, whoever of them is cancelled.

The login under way is the lock. Whoever needs a token looks, joins the login or starts it, and
looks again; the login is a task of its own, so cancelling those who wait never stops it.
"""

from __future__ import annotations

import asyncio
import copy
import math
import time
from typing import TYPE_CHECKING

from attrs import evolve

from nexhealth_async._protocol.api_versions import VersionState
from nexhealth_async._protocol.token_life import (
    AuthAction,
    Token,
    action_after_401,
    lifetime_of,
    login_backoff,
)
from nexhealth_async._protocol.token_store import LoginPaused
from nexhealth_async.errors import (
    APITimeoutError,
    BudgetExceededError,
    InvalidAPIKeyError,
    NexHealthError,
    SessionStateError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nexhealth_async._protocol.token_store import TokenLink
    from nexhealth_async.errors import AuthenticationError

__all__ = ["TokenManager"]


class TokenManager:
    """Holds the session's token, renews it ahead of its expiry, and replaces it after a 401.

    A failed login is remembered for 5 seconds to 5 minutes and raised again without asking, so
    that a refused key or an outage is not hammered.

    With a ``link`` the token may come from another process, and a 401 here ends it for all. The API
    version that the other process speaks is adopted with it, unless one is spoken here already.
    """

    def __init__(
        self, log_in: Callable[[], Awaitable[str]], version: VersionState | None = None
    ) -> None:
        self._log_in = log_in
        self._version = version or VersionState()
        self.link: TokenLink | None = None
        """The way to the tokens that processes share, if they do; set before the first call."""
        self._token: Token | None = None
        self._generation = 0
        self._accepted = False
        """True once any token was answered with anything but a 401: the key is good."""
        self._login: asyncio.Task[None] | None = None
        self._failures = 0
        self._failure: Exception | None = None
        self._quiet_until = 0.0
        self._refused: Token | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Show the generation, never the token."""
        return f"<{type(self).__name__} generation {self._generation}>"

    def current(self, now: float) -> Token | None:
        """Return the token if it may be sent now; start its renewal when that is due."""
        token = self._token
        if token is None or now >= token.expires_at:
            return None
        if now >= token.refresh_at and self._login is None and now >= self._quiet_until:
            self._start()
        return token

    async def get(self, deadline: float | None) -> Token:
        """Return a token, logging in if need be.

        Raises what the login failed with, or `APITimeoutError` if it does not end by the deadline
        (in the loop's time); the login itself goes on for the others.
        """
        now = asyncio.get_running_loop().time()
        while (token := self.current(now)) is None:
            if self._closed:
                raise _closed_error()
            if self._login is None:
                if self._failure is not None and now < self._quiet_until:
                    raise _copy_failure(self._failure)
                self._start()
            await self._join(deadline)
            now = asyncio.get_running_loop().time()
        return token

    def accepted(self) -> None:
        """Note that the server took a token of this key."""
        self._accepted = True

    async def replace(self, generation: int, deadline: float | None) -> Token:
        """Return another token after a 401 for this generation; raises as `get`."""
        if self._token is not None and self._token.generation == generation:
            self._refused, self._token = self._token, None
            if self.link is not None:
                self.link.stir()
        return await self.get(deadline)

    def action_after_401(self, generation: int) -> AuthAction:
        """Say what a 401 for a token of this generation means."""
        return action_after_401(
            self._token,
            generation,
            ever_accepted=self._accepted,
            now=asyncio.get_running_loop().time(),
            wall=time.time(),
        )

    def _start(self) -> None:
        self._login = asyncio.get_running_loop().create_task(
            self._refresh(), name="nexhealth_async login"
        )
        # One that is cancelled before its first step never comes to let go of the lock itself.
        self._login.add_done_callback(self._login_finished)

    def _login_finished(self, login: asyncio.Task[None]) -> None:
        if self._login is login:
            self._login = None

    async def _join(self, deadline: float | None) -> None:
        login = self._login
        if login is None:
            return
        seconds = None
        if deadline is not None:
            seconds = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait((login,), timeout=seconds)
        if not login.done():
            raise APITimeoutError("the login took longer than the call's timeout allows")

    async def _refresh(self) -> None:
        """Log in once and keep the result, good or bad; raises nothing but cancellation."""
        loop = asyncio.get_running_loop()
        try:
            token = await (self._log_in_locally() if self.link is None else self.link.obtain())
        except LoginPaused as paused:
            self._failure = paused.failure
            self._quiet_until = loop.time() + paused.seconds
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must learn of it
            self._failure = error.with_traceback(None)
            self._quiet_until = loop.time() + self._back_off_after(error)
        else:
            self._store(token)
        finally:
            self._login = None

    async def _log_in_locally(self) -> Token:
        """Log in for this process alone."""
        asked_at, asked_wall = asyncio.get_running_loop().time(), time.time()
        value = await self._log_in()
        return Token(
            value=value,
            generation=0,
            requested_at=asked_at,
            requested_wall_time=asked_wall,
            lifetime=lifetime_of(value),
        )

    def _store(self, token: Token) -> None:
        """Send this token from now on; the same one under another number stays what it was."""
        held = self._token
        if held is None or held.value != token.value:
            self._generation += 1
        self._token = evolve(token, generation=self._generation)
        if token.version is not None:
            self._version.adopt(token.version)
        self._refused = None
        self._failures, self._failure, self._quiet_until = 0, None, 0.0

    def _back_off_after(self, failure: Exception) -> float:
        if isinstance(
            failure, BudgetExceededError
        ):  # nobody was asked; calls may yet give places back
            return min(login_backoff(1), failure.renews_after or math.inf)
        self._failures += 1
        return login_backoff(self._failures)

    # What the link asks for

    @property
    def held(self) -> Token | None:
        """The token that is sent now, if there is one that may be."""
        token = self._token
        good = token is not None and asyncio.get_running_loop().time() < token.expires_at
        return token if good else None

    @property
    def refused(self) -> Token | None:
        """The token that a 401 came for, until there is another."""
        return self._refused

    @property
    def version(self) -> str | None:
        """The API version found out under ``version="auto"``; None if none was."""
        return self._version.current

    async def log_in(self) -> str:
        """Ask the API for a token."""
        return await self._log_in()

    def lose(self, shared: int) -> None:
        """Send the token of this number among all processes no more: one of them got a 401."""
        if self._token is not None and self._token.shared == shared:
            self._token = None
            if self.link is not None:
                self.link.stir()

    def share(self) -> None:
        """Let the link share the present token, or bring another."""
        if self._login is None and not self._closed:
            self._start()

    def take_heart(self) -> None:
        """Forget a failed login: another process was given a token."""
        self._failure, self._quiet_until = None, 0.0

    async def unlink(self) -> None:
        """Leave those who share tokens; after `close`."""
        if self.link is not None:
            await self.link.aclose()

    def close(self) -> tuple[asyncio.Task[None], ...]:
        """Let nobody log in any more; return the login under way, to be cancelled and awaited."""
        self._closed = True
        self._token = None
        return () if self._login is None else (self._login,)


def key_refused(error: AuthenticationError) -> InvalidAPIKeyError:
    """Turn a 401 into the statement that the key itself is not accepted."""
    return InvalidAPIKeyError(
        "the API key is not accepted",
        status=error.status,
        texts=error.texts,
        body=error.body,
        operation=error.operation,
        attempts=error.attempts,
    )


def _copy_failure(failure: Exception) -> Exception:
    """Give everyone who meets a remembered failure an error of their own, to add a traceback to."""
    return copy.copy(failure) if isinstance(failure, NexHealthError) else failure


def _closed_error() -> SessionStateError:
    return SessionStateError(
        "the session was closed while a login was awaited; close it after the last call"
    )
