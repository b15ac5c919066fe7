"""State that a session and its copies share: connections, limits, token, statistics."""

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
    """State shared by a session and its copies."""

    transport: Transport
    rate_limiter: RateLimiter
    list_of_practices: Endpoint[Institution]
    """The list that is read to determine the API version."""
    user_agent: str = field(repr=False)
    token_manager: TokenManager = field(init=False)
    stats: Stats = Factory(Stats)
    version: VersionState = Factory(VersionState)
    """API version of the copies under ``version="auto"``."""
    version_probe: asyncio.Lock = Factory(asyncio.Lock)
    """Held by the call that determines the API version."""
    hooks: Hooks | None = None
    budget_meter: BudgetMeter | None = None
    loop: asyncio.AbstractEventLoop | None = None
    pid: int = 0
    closed: bool = False
    _codec: Codec | None = None
    ready: set[str] = Factory(set[str])
    """Names of models whose decoders are built."""
    pending_writes: PendingWrites = Factory(PendingWrites)
    institutions: tuple[tuple[int | None, str], ...] | None = None
    """Ids and subdomains that the key can access; None until they are first read."""
    tasks: set[asyncio.Task[ParsedList]] = Factory(set["asyncio.Task[ParsedList]"])

    _headers: dict[str, dict[str, str]] = field(factory=dict[str, dict[str, str]], repr=False)

    def headers(self, version: str) -> dict[str, str]:
        """Return the headers of all requests in a version; do not modify them."""
        headers = self._headers.get(version)
        if headers is None:
            headers = {**version_headers(version), "User-Agent": self.user_agent}
            self._headers[version] = headers
        return headers

    @property
    def base_url(self) -> str:
        """Address of the API."""
        return self.transport.base_url

    @property
    def sandbox(self) -> str | None:
        """Description that a sandbox sent; None for any other server."""
        return self.transport.sandbox

    def check_usable(self) -> None:
        """Raise `SessionStateError` unless calls can be made in this event loop."""
        if self.closed:
            raise SessionStateError("the session is closed; open a new one")
        if self.loop is None:
            raise SessionStateError(
                "the session is not open; use `async with NexHealth(...) as nex:`, or await open()"
            )
        if self.pid != os.getpid():
            raise SessionStateError(
                "the session was opened before the process was forked; open one after the fork"
            )
        if asyncio.get_running_loop() is not self.loop:
            raise SessionStateError(
                "the session belongs to another event loop; open one session in each loop"
            )

    def retire(self, task: asyncio.Task[ParsedList]) -> None:
        """Remove a finished page task."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so asyncio does not report it after an abandoned walk

    def codec(self) -> Codec:
        """Return the codec, created at the first call."""
        if self._codec is None:
            from nexhealth_async.codec import Codec

            self._codec = Codec()
        return self._codec
