"""Protocols for tokens shared between processes: the store, and a session's link to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nexhealth_async._protocol.token_life import Token

__all__ = ["LoginPaused", "TokenHolder", "TokenLink", "TokenStore"]


class LoginPaused(Exception):
    """Back-off after a failed login of another process; no process logs in for ``seconds``."""

    def __init__(self, failure: Exception, seconds: float) -> None:
        super().__init__("logins are paused for all processes that share the key")
        self.failure = failure
        self.seconds = seconds


class TokenHolder(Protocol):
    """The part of a session that its link uses."""

    @property
    def held(self) -> Token | None:
        """The current token, None if there is none or it has expired."""
        ...

    @property
    def refused(self) -> Token | None:
        """The token that got a 401, until there is a new one."""
        ...

    @property
    def version(self) -> str | None:
        """The API version determined under ``version="auto"``; None if undetermined."""
        ...

    async def log_in(self) -> str:
        """Request a token from the API; raises the login's error."""
        ...

    def lose(self, shared: int) -> None:
        """Stop using the token with this shared number."""
        ...

    def share(self) -> None:
        """Ask the link for a token while requests use the current one."""
        ...

    def clear_failure(self) -> None:
        """Clear a failed login: another process has logged in."""
        ...


class TokenLink(Protocol):
    """A session's link to the tokens that processes share."""

    async def obtain(self) -> Token:
        """Return a token that is newer than the session's and was not refused.

        It comes from another process or from a login of this session. If the session's token is
        valid and needs no renewal, it may be shared and returned with its shared number.

        Raises:
            LoginPaused: The login of another process failed.
            NexHealthError: The login of this process failed.
        """
        ...

    def notify(self) -> None:
        """Wake a waiting `obtain`: the session's token has changed."""
        ...

    async def aclose(self) -> None:
        """Close connections and tasks. It is idempotent."""
        ...


class TokenStore(Protocol):
    """Store of tokens that processes share, passed as ``NexHealth(tokens=...)``."""

    def link(self, holder: TokenHolder, *, api_key: str, environment: str) -> TokenLink:
        """Return a session's link, which connects when the first token is needed.

        Args:
            holder: The session.
            api_key: The API key; tokens of other keys cannot be read.
            environment: Address of the API; tokens of other environments cannot be read.
        """
        ...
