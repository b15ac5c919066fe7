"""What processes under one key need to share a token: a store, and a session's link to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nexhealth_async._protocol.token_life import Token

__all__ = ["LoginPaused", "TokenHolder", "TokenLink", "TokenStore"]


class LoginPaused(Exception):
    """Another process was refused a token a moment ago; nobody asks for some ``seconds``."""

    def __init__(self, failure: Exception, seconds: float) -> None:
        super().__init__("logins are paused for all who share the key")
        self.failure = failure
        self.seconds = seconds


class TokenHolder(Protocol):
    """A session, as its link sees it."""

    @property
    def held(self) -> Token | None:
        """The token that is sent now, if there is one that may be."""
        ...

    @property
    def refused(self) -> Token | None:
        """The token that a 401 came for, until there is another."""
        ...

    @property
    def version(self) -> str | None:
        """The API version found out under ``version="auto"``; None if none was."""
        ...

    async def log_in(self) -> str:
        """Ask the API for a token; raises what the login failed with."""
        ...

    def lose(self, shared: int) -> None:
        """Send the token of this number no more."""
        ...

    def share(self) -> None:
        """Ask the link for a token beside the requests that use the present one."""
        ...

    def take_heart(self) -> None:
        """Forget a failed login: another process was given a token."""
        ...


class TokenLink(Protocol):
    """One session's way to the tokens that all processes share."""

    async def obtain(self) -> Token:
        """Return a token newer than what the session holds and other than what was refused.

        It comes from another process, or from a login of the session's own. Where the session's
        token is good and due for no renewal it may be shared, and returned with its new number.

        Raises:
            LoginPaused: another process was refused one.
            NexHealthError: the login of this process failed.
        """
        ...

    def stir(self) -> None:
        """Let an `obtain` that waits look again: what the session holds has changed."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and tasks; closing twice is allowed."""
        ...


class TokenStore(Protocol):
    """Where processes share tokens: a value for ``NexHealth(tokens=...)``."""

    def link(self, holder: TokenHolder, *, api_key: str, environment: str) -> TokenLink:
        """Return a session's link; tokens of other keys or environments are out of its reach.

        Connects to nothing before a token is asked for.
        """
        ...
