"""Token refresh: one login at a time serves all waiting calls.

The login runs as a task, which acts as the lock: a call without a valid token starts it or joins
it. Cancelling a waiting call does not stop the login.
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
    """Holds the session's token, renews it before it expires, and replaces it after a 401.

    A failed login is cached for 5 seconds to 5 minutes and raised again without a request, so that
    an invalid key or an outage causes no flood of logins.

    With a ``link`` the token may come from another process, and a 401 here invalidates it for all
    processes. The other process's API version is adopted with it, unless the session has one.
    """

    def __init__(
        self, log_in: Callable[[], Awaitable[str]], version: VersionState | None = None
    ) -> None:
        self._log_in = log_in
        self._version = version or VersionState()
        self.link: TokenLink | None = None
        """Link to tokens shared between processes, if any; set before the first call."""
        self._token: Token | None = None
        self._generation = 0
        self._accepted = False
        """True once a token got a response other than 401, which proves the key valid."""
        self._login: asyncio.Task[None] | None = None
        self._failures = 0
        self._failure: Exception | None = None
        self._backoff_until = 0.0
        self._refused: Token | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Show the generation, never the token."""
        return f"<{type(self).__name__} generation {self._generation}>"

    def current(self, now: float) -> Token | None:
        """Return the token if it is valid; start its renewal when that is due."""
        token = self._token
        if token is None or now >= token.expires_at:
            return None
        if now >= token.refresh_at and self._login is None and now >= self._backoff_until:
            self._start()
        return token

    async def get(self, deadline: float | None) -> Token:
        """Return a valid token, logging in if necessary.

        Args:
            deadline: Time on the loop's clock; the login continues for other calls after it.

        Raises:
            NexHealthError: The login failed.
            APITimeoutError: The login did not end by the deadline.
        """
        now = asyncio.get_running_loop().time()
        while (token := self.current(now)) is None:
            if self._closed:
                raise _closed_error()
            if self._login is None:
                if self._failure is not None and now < self._backoff_until:
                    raise _copy_failure(self._failure)
                self._start()
            await self._join(deadline)
            now = asyncio.get_running_loop().time()
        return token

    def accepted(self) -> None:
        """Record that the server accepted a token of this key."""
        self._accepted = True

    async def replace(self, generation: int, deadline: float | None) -> Token:
        """Return another token after a 401 for this generation; raises like `get`."""
        if self._token is not None and self._token.generation == generation:
            self._refused, self._token = self._token, None
            if self.link is not None:
                self.link.notify()
        return await self.get(deadline)

    def action_after_401(self, generation: int) -> AuthAction:
        """Return the reaction to a 401 for a token of this generation."""
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
        # A task cancelled before its first step never runs its own clean-up.
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
        """Log in once and keep the token or the error; raises only on cancellation."""
        loop = asyncio.get_running_loop()
        try:
            token = await (self._log_in_locally() if self.link is None else self.link.obtain())
        except LoginPaused as paused:
            self._failure = paused.failure
            self._backoff_until = loop.time() + paused.seconds
        except Exception as error:  # noqa: BLE001 - waiting calls must receive every failure
            self._failure = error.with_traceback(None)
            self._backoff_until = loop.time() + self._login_backoff(error)
        else:
            self._store(token)
        finally:
            self._login = None

    async def _log_in_locally(self) -> Token:
        """Log in for this process only."""
        requested_at, requested_wall_time = asyncio.get_running_loop().time(), time.time()
        value = await self._log_in()
        return Token(
            value=value,
            generation=0,
            requested_at=requested_at,
            requested_wall_time=requested_wall_time,
            lifetime=lifetime_of(value),
        )

    def _store(self, token: Token) -> None:
        """Use this token from now on; the same value keeps its generation."""
        current = self._token
        if current is None or current.value != token.value:
            self._generation += 1
        self._token = evolve(token, generation=self._generation)
        if token.version is not None:
            self._version.adopt(token.version)
        self._refused = None
        self._failures, self._failure, self._backoff_until = 0, None, 0.0

    def _login_backoff(self, failure: Exception) -> float:
        if isinstance(failure, BudgetExceededError):
            # Nothing was sent, and calls that are not sent may refund the budget.
            return min(login_backoff(1), failure.renews_after or math.inf)
        self._failures += 1
        return login_backoff(self._failures)

    # `nexhealth_async._protocol.token_store.TokenHolder`

    @property
    def held(self) -> Token | None:
        """The current token, None if there is none or it has expired."""
        token = self._token
        is_valid = token is not None and asyncio.get_running_loop().time() < token.expires_at
        return token if is_valid else None

    @property
    def refused(self) -> Token | None:
        """The token that got a 401, until there is a new one."""
        return self._refused

    @property
    def version(self) -> str | None:
        """The API version determined under ``version="auto"``; None if undetermined."""
        return self._version.current

    async def log_in(self) -> str:
        """Request a token from the API."""
        return await self._log_in()

    def lose(self, shared: int) -> None:
        """Stop using the token with this shared number: another process got a 401 for it."""
        if self._token is not None and self._token.shared == shared:
            self._token = None
            if self.link is not None:
                self.link.notify()

    def share(self) -> None:
        """Let the link share the current token or fetch a newer one."""
        if self._login is None and not self._closed:
            self._start()

    def clear_failure(self) -> None:
        """Clear a failed login: another process has logged in."""
        self._failure, self._backoff_until = None, 0.0

    async def unlink(self) -> None:
        """Close the link to shared tokens; call it after `close`."""
        if self.link is not None:
            await self.link.aclose()

    def close(self) -> tuple[asyncio.Task[None], ...]:
        """Stop logins; return the running one, which the caller cancels and awaits."""
        self._closed = True
        self._token = None
        return () if self._login is None else (self._login,)


def invalid_key_error(error: AuthenticationError) -> InvalidAPIKeyError:
    """Make the error for an invalid key from a 401."""
    return InvalidAPIKeyError(
        "the API key is not accepted",
        status=error.status,
        texts=error.texts,
        body=error.body,
        operation=error.operation,
        attempts=error.attempts,
    )


def _copy_failure(failure: Exception) -> Exception:
    """Copy a cached error, so that each caller gets its own traceback."""
    return copy.copy(failure) if isinstance(failure, NexHealthError) else failure


def _closed_error() -> SessionStateError:
    return SessionStateError(
        "the session was closed while a call waited for the login; close it after the last call"
    )
