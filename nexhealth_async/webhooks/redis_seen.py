"""Seen events in Redis, for receivers on many machines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from nexhealth_async._client.redis_commands import run_command
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.webhooks.store_protocols import KEEP, LEASE, check_times

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from nexhealth_async.webhooks.store_protocols import Claim

__all__ = ["RedisSeen"]

_CLAIM: Final = """
local found = redis.call('get', KEYS[1])
if found then
    local answer, longest = 'busy', tonumber(ARGV[2])
    if found == 'seen' then answer, longest = 'seen', tonumber(ARGV[3]) end
    local left = redis.call('pttl', KEYS[1])
    if left >= 0 and left <= longest then return answer end
end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 'new'
"""
"""Script that claims a key. A key without expiry, or with a longer one, is not of this store."""
_SEEN: Final = b"seen"
_RELEASE: Final = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


class RedisSeen:
    """Store of seen events in Redis: one key with an expiry for each event.

    Redis must not evict unexpired keys (``maxmemory-policy noeviction``) nor lose its data at a
    restart, or events are handled again. Stores with the same ``prefix`` need the same ``keep`` and
    ``lease``: a key with a longer expiry is ignored. Errors of redis-py are not translated.

    Args:
        redis: A client of ``redis.asyncio`` (extra ``redis``) with its own timeouts, which you open
            and close; or a URL such as ``redis://localhost/0``, for which a client is created here
            and closed by `aclose`.
        prefix: Prefix of the keys, one for each application.
        keep: Time to keep each key.
        lease: Time that a claim lasts.
    """

    def __init__(
        self,
        redis: Redis | str,
        *,
        prefix: str = "nexhealth:seen:",
        keep: timedelta = KEEP,
        lease: timedelta = LEASE,
    ) -> None:
        self._owns_client = isinstance(redis, str)
        self._redis: Redis = _client(redis) if isinstance(redis, str) else redis
        self._prefix = prefix
        keep_for, lease_for = check_times(keep, lease)
        self._keep, self._lease = _milliseconds(keep_for), _milliseconds(lease_for)
        self._owner = uuid4().hex
        register = cast("Callable[..., Any]", self._redis.register_script)
        self._claim = cast("Callable[..., Awaitable[bytes | str]]", register(_CLAIM))
        self._release = cast("Callable[..., Awaitable[object]]", register(_RELEASE))

    def __repr__(self) -> str:
        return "<RedisSeen>"

    async def claim(self, key: str) -> Claim:
        """Claim a key; see `SeenStore`."""
        arguments = [self._owner, self._lease, self._keep]
        response = await run_command(self._claim(keys=[self._prefix + key], args=arguments))
        result = response.decode() if isinstance(response, bytes) else response
        return "new" if result == "new" else "seen" if result == "seen" else "busy"

    async def confirm(self, key: str) -> None:
        """Mark a claimed key as seen."""
        await run_command(self._redis.set(self._prefix + key, _SEEN, px=self._keep))

    async def release(self, key: str) -> None:
        """Release a claim of this store."""
        await run_command(self._release(keys=[self._prefix + key], args=[self._owner]))

    async def fail(self, key: str) -> int:
        """Release a claim of this store whose handling failed; return the number of failures."""
        await self.release(key)
        name = f"{self._prefix}failed:{key}"
        count = int(await run_command(self._redis.incr(name)))
        await run_command(self._redis.pexpire(name, self._keep))
        return count

    async def aclose(self) -> None:
        """Close the client if it was created here. Closing twice is allowed."""
        if self._owns_client:
            await run_command(self._redis.aclose())


def _client(url: str) -> Redis:
    try:
        from redis import asyncio
    except ImportError:
        raise InvalidArgumentError(
            'RedisSeen needs redis-py: python -m pip install "nexhealth-async[redis]"'
        ) from None
    client_class = cast("Any", asyncio.Redis)
    client: Redis = client_class.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    return client


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
