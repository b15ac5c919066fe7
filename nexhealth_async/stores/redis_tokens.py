"""One token for all processes under a key, in Redis."""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from nexhealth_async._protocol.token_store import TokenHolder, TokenLink

__all__ = ["RedisTokens"]

_LEASE = timedelta(seconds=5)


class RedisTokens:
    """Lets all processes under one API key share its token: ``NexHealth(tokens=RedisTokens(url))``.

    One process logs in, and all use what it was given. One renews the token ahead of its end while
    the others go on with the present one. A 401 in any process ends the token for all of them, by a
    notice that reaches them within milliseconds.

    ``redis`` is an address such as ``redis://localhost/0``, for which each session makes and closes
    a client of its own; or a client of redis-py's ``redis.asyncio`` that you open and close, with
    time limits of its own, in the event loop of the session. ``prefix`` keeps applications apart.
    Tokens are sealed with a key derived from the API key, and stored under its fingerprint and the
    address of the API, so one value serves sessions of any keys; none meets another's token.

    The API version that was found out under ``version="auto"`` is stored with the token, and a
    session that is handed both asks no second time; one with a pinned version stores none.

    A process that dies while it logs in holds up the others for ``lease`` at most, the same in all
    processes; a slow login keeps its turn, for half a minute at most.

    **When Redis is away** every command is given up after a second, and the process logs in by
    itself, at most once for each token's life and each 401, with the usual pauses after a failure.
    With a good token at hand it waits for Redis until the token is nearly due, so that an outage
    shorter than that costs no login. It tries Redis again at least every five seconds, and then
    shares the token it has instead of asking for another. Nothing is raised for Redis' sake,
    whatever it holds or answers.

    Ages are measured by Redis' clock and each process' monotonic one, so it does not matter what
    the clocks on the wall say. A Redis that loses its memory, or whose clock is set, costs a login.

    Raises:
        InvalidArgumentError: redis-py or cryptography (extra ``redis``) is missing, the address is
            none, or ``lease`` is under a tenth of a second.
    """

    def __init__(
        self, redis: Redis | str, *, prefix: str = "nexhealth:token:", lease: timedelta = _LEASE
    ) -> None:
        known = not isinstance(redis, str) or redis.startswith(("redis://", "rediss://", "unix://"))
        self._redis = redis
        del redis  # an address may hold a password, which no traceback is to show
        if not known:
            raise InvalidArgumentError(
                "the address of Redis must begin with redis://, rediss:// or unix://"
            )
        if lease < timedelta(seconds=0.1):
            raise InvalidArgumentError("lease must be at least a tenth of a second")
        if find_spec("redis") is None or find_spec("cryptography") is None:
            raise InvalidArgumentError(
                "RedisTokens needs redis-py and cryptography: "
                'python -m pip install "nexhealth-async[redis]"'
            )
        self._prefix = prefix
        self._lease = lease.total_seconds()

    def __repr__(self) -> str:
        return "<RedisTokens>"

    def link(self, holder: TokenHolder, *, api_key: str, environment: str) -> TokenLink:
        """Return a session's link to the token of its key; sessions call it."""
        from nexhealth_async.stores.sealing import Seal
        from nexhealth_async.stores.token_link import RedisTokenLink

        return RedisTokenLink(
            holder,
            seal=Seal(api_key, environment),
            prefix=self._prefix,
            lease=self._lease,
            connect=self._client,
            ours=isinstance(self._redis, str),
        )

    def _client(self) -> Redis:
        if not isinstance(self._redis, str):
            return self._redis
        from redis import asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        client = cast("Any", asyncio.Redis)
        made: Redis = client.from_url(
            self._redis, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        return made
