"""What a session and its copies share: connections, limits, token, statistics."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from attrs import Factory, define, field

from nexhealth_async._client.statistics import Stats
from nexhealth_async._client.unknown_outcomes import PendingWrites
from nexhealth_async._protocol.api_versions import VersionState
from nexhealth_async._protocol.requests import version_headers
from nexhealth_async.errors import SessionStateError

if TYPE_CHECKING:
    from nexhealth_async._client.budget import BudgetMeter
    from nexhealth_async._client.hooks import Hooks
    from nexhealth_async._client.rate_limiter import RateLimiter
    from nexhealth_async._client.token_manager import TokenManager
    from nexhealth_async._client.transport import Transport
    from nexhealth_async._protocol.envelopes import ParsedList
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.codec import Codec
    from nexhealth_async.models import Institution

__all__ = ["ClientState"]


@define(kw_only=True, eq=False)
class ClientState:
    """What a session and its copies have in common."""

    transport: Transport
    rate_limiter: RateLimiter
    list_of_practices: Endpoint[Institution]
    """What is read to find out which version is spoken."""
    user_agent: str = field(repr=False)
    token_manager: TokenManager = field(init=False)
    stats: Stats = Factory(Stats)
    version: VersionState = Factory(VersionState)
    """Which version the copies under ``version="auto"`` speak."""
    version_probe: asyncio.Lock = Factory(asyncio.Lock)
    """Held by the one call that finds out the version."""
    hooks: Hooks | None = None
    budget_meter: BudgetMeter | None = None
    loop: asyncio.AbstractEventLoop | None = None
    pid: int = 0
    closed: bool = False
    _codec: Codec | None = None
    ready: set[str] = Factory(set[str])
    """Models whose decoders are built."""
    pending_writes: PendingWrites = Factory(PendingWrites)
    institutions: tuple[tuple[int | None, str], ...] | None = None
    """Ids and subdomains that the key was found to see; None before anything asked."""
    tasks: set[asyncio.Task[ParsedList]] = Factory(set["asyncio.Task[ParsedList]"])

    _headers: dict[str, dict[str, str]] = field(factory=dict[str, dict[str, str]], repr=False)

    def headers(self, version: str) -> dict[str, str]:
        """Return what every request of a version carries; not to be changed."""
        known = self._headers.get(version)
        if known is None:
            known = {**version_headers(version), "User-Agent": self.user_agent}
            self._headers[version] = known
        return known

    @property
    def base_url(self) -> str:
        """Address of the API."""
        return self.transport.base_url

    @property
    def sandbox(self) -> str | None:
        """What a sandbox said of itself so far; None for any other server."""
        return self.transport.sandbox

    def check_usable(self) -> None:
        """Raise `SessionStateError` unless calls can be made here and now."""
        if self.closed:
            raise SessionStateError("the session is closed; open a new one")
        if self.loop is None:
            raise SessionStateError(
                "the session is not open; use `async with NexHealth(...) as nex:`, or await open()"
            )
        if self.pid != os.getpid():
            raise SessionStateError(
                "the session was opened before this process was forked; open one after the fork"
            )
        if asyncio.get_running_loop() is not self.loop:
            raise SessionStateError(
                "the session belongs to another event loop; open one session in each loop"
            )

    def retire(self, task: asyncio.Task[ParsedList]) -> None:
        """Forget a page's task, and call its error seen: a walk that was left asks for none."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()

    def codec(self) -> Codec:
        """Return the decoder, made when first asked for."""
        if self._codec is None:
            from nexhealth_async.codec import Codec

            self._codec = Codec()
        return self._codec
