"""Rate limits that all processes with one API key keep together, on a Redis."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.resources import files
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import msgspec

from nexhealth_async._client.redis_commands import run_command
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Rates
from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.stores.hand import LEASE, NAMES, Hand, Reply

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from nexhealth_async._protocol.rate_limits import Permit

__all__ = ["RedisRates"]

_LOG = logging.getLogger("nexhealth_async")
_SCRIPT: Final = files("nexhealth_async.stores").joinpath("redis_rates.lua").read_text("utf-8")
_LONGEST_RETREAT = 2.0
_SHORTEST_PAUSE = LEASE / 10


class RedisRates:
    """The limits of an API key, kept by all processes together: ``rates=RedisRates(url)``.

    Places within the limits are handed out by one script on the server's clock, several at a time,
    so that a busy process asks a few times a second and not once a request. No process gets less
    than its fair part while it wants more, and what some do not want goes to the others. A 429 that
    one process meets holds up the class for all, the others for a minute at most: they learn of it
    when they next ask.

    Whatever Redis holds or answers, no process sends more than the limits by itself. What no
    process can have written there is deleted, and all tell again what left lately.

    **Without Redis** each process goes on, after at most ``patience``, with an equal part of the
    limits: one of as many as shared them lately, or of ``processes`` if it never learned how many.
    Redis is tried again within two seconds, at a moment of each process's own. What left meanwhile
    is counted there, and if Redis was away for all, or has lost its memory, each keeps to its part
    for one more window. In the window in which Redis goes away, at most ``2 - 1 / processes`` times
    a limit may leave: that is the case when one process had used all of it and the others none.
    While only some are cut off, the rest use all of it, and those their parts on top.

    **A process that dies** takes its places along until they expire: half a second and a quarter
    after it might have used them, and the limit's window.

    Args:
        redis: A client of redis-py's ``redis.asyncio`` (extra ``redis``), opened and closed by you
            and of one event loop; or an address such as ``redis://localhost/0``: then each session
            makes a client of its own and closes it.
        rates: The limits of the key, the same in every process; by default the documented ones.
        processes: How many processes to reckon with where Redis was never reached.
        patience: Seconds that Redis may take to answer before it counts as away.
        prefix: What the names of the keys begin with; to keep apart what shares a Redis.

    Redis must not evict what has not expired (``maxmemory-policy noeviction``). Its keys are named
    by a fingerprint of the API key, and hold times and numbers only.
    """

    @strip_traceback  # An address may hold a password, which no traceback is to show.
    def __init__(
        self,
        redis: Redis | str,
        rates: Rates | None = None,
        *,
        processes: int = 8,
        patience: float = 0.5,
        prefix: str = "nexhealth:rates:",
    ) -> None:
        if processes < 1 or patience <= 0:
            raise InvalidArgumentError("processes must be at least 1, and patience above zero")
        self._rates = rates or Rates()
        self._processes = processes
        self._patience = patience
        self._prefix = prefix
        self._lent: Redis | None = None if isinstance(redis, str) else redis
        self._make = _maker(redis, patience) if isinstance(redis, str) else None

    def __repr__(self) -> str:
        return f"<RedisRates {self._rates!r}>"

    @property
    def rates(self) -> Rates:
        """The limits of the API key."""
        return self._rates

    def join(
        self, account: str, *, waiting: Callable[[RateClass], int], wake: Callable[[], None]
    ) -> _Member:
        """Return a session's part in the limits; see `SharedRates`."""
        name = f"{self._prefix}{{{account}}}:"
        kinds = ("state", "held", "pending", "seen", *NAMES)
        hand = Hand(self._rates, uuid4().hex[:16], self._processes)
        return _Member(
            hand,
            _Line([name + kind for kind in kinds], self._make, self._lent, self._patience),
            waiting,
            wake,
        )


class _Line:
    """The connection of one session, made when it is first needed."""

    def __init__(
        self,
        keys: list[str],
        make: Callable[[], Redis] | None,
        lent: Redis | None,
        patience: float,
    ) -> None:
        self._keys = keys
        self._make = make
        self._redis = lent
        self._patience = patience
        self._script: Callable[..., Awaitable[bytes | str]] | None = None

    async def turn(self, message: dict[str, object]) -> Reply:
        """Tell and ask; raises what the connection fails with, or `TimeoutError`."""
        if self._redis is None and self._make is not None:
            self._redis = self._make()
        script = self._script
        if script is None:
            made = cast("Any", self._redis).register_script(_SCRIPT)
            script = self._script = cast("Callable[..., Awaitable[bytes | str]]", made)
        command = script(keys=self._keys, args=[msgspec.json.encode(message)])
        raw = await run_command(command, self._patience)
        return msgspec.json.decode(raw, type=Reply)

    async def aclose(self) -> None:
        """Close a client that was made here."""
        if self._make is not None and self._redis is not None:
            with suppress(Exception):
                await run_command(self._redis.aclose(), self._patience)


class _Member:
    """One session among those that share the limits: asks when places are short, and reports."""

    def __init__(
        self,
        hand: Hand,
        line: _Line,
        waiting: Callable[[RateClass], int],
        wake: Callable[[], None],
    ) -> None:
        self.hand = hand
        self._turns = 0
        self._line = line
        self._waiting = waiting
        self._wake = wake
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._looking = False
        self._last_turn = -inf
        self._not_before = -inf
        """When Redis may be tried again, after it was away."""
        self._failures = 0
        self._over = False

    # What the gates ask

    @property
    def turns(self) -> int:
        """How often Redis was asked."""
        return self._turns

    def earliest(self, rate: RateClass, now: float) -> float:
        """Return when the next may leave; asks Redis for places if none is in hand."""
        moment = self.hand.earliest(rate, now)
        if moment > now:
            self._look_soon()
        return moment

    def not_before(self, rate: RateClass, moment: float, ahead: int) -> float:
        """Return a time before which nobody can leave who has so many ahead."""
        del moment  # The hand knows more.
        return self.hand.not_before(rate, asyncio.get_running_loop().time(), ahead)

    def acquire(self, rate: RateClass, now: float) -> Permit:
        """Use a place."""
        departure = self.hand.acquire(rate, now)
        if not self._looking and (self._timer is None or self.hand.in_hand(rate) < _FEW):
            self._look_soon()
        return departure

    def close(self, rate: RateClass, until: float) -> None:
        """Let nothing of this class leave before a moment, in no process."""
        self.hand.close(rate, until)
        self._look_soon()

    async def aclose(self) -> None:
        """Give back what is in hand, if Redis answers, and close the client if it is ours."""
        if self._over:
            return
        self._over = True
        self._set_timer(None)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        try:
            if self._last_turn > -inf and self.hand.alone is None:
                now = asyncio.get_running_loop().time()
                await self._line.turn(self.hand.message(now, {}, leaving=True))
        except Exception as error:  # noqa: BLE001 - what is not given back expires
            _LOG.debug("places were not given back: %s", type(error).__name__)
        finally:
            await self._line.aclose()

    # When to ask

    def _look_soon(self) -> None:
        """Look, when those who run now have said what they want, whether to ask."""
        if not self._looking and not self._over:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        if self._over or self._task is not None:
            return  # It looks again when the turn under way is over.
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = self._due(now)
        if due <= now:
            self._set_timer(None)
            self._task = loop.create_task(self._turn(), name="nexhealth_async rates")
        elif due < inf:
            self._set_timer(loop.call_at(due, self._look))
        else:
            self._set_timer(None)

    def _due(self, now: float) -> float:
        """Return when the next turn is due."""
        hand = self.hand
        if hand.alone is not None:
            return max(now, self._not_before)
        due = hand.due_at(self._last_turn)
        for rate in RateClass:
            if not hand.limited(rate):
                continue
            if self._waiting(rate) > hand.in_hand(rate):
                due = min(due, hand.again.get(rate, now))
            elif hand.in_hand(rate) < hand.stock(rate, now) / 3:
                due = min(due, hand.again.get(rate, self._last_turn + _SHORTEST_PAUSE))
        return due

    def _set_timer(self, timer: asyncio.Handle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    # One turn

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        hand, asked_at = self.hand, loop.time()
        self._turns += 1
        try:
            reply = await self._line.turn(hand.message(asked_at, self._wants()))
            hand.take(reply, asked_at, loop.time())
        except asyncio.CancelledError:
            self._task = None
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails, requests go on with the share
            self._lose(error, loop.time())
        else:
            self._regain()
        self._last_turn = loop.time()
        self._task = None
        if not self._over:
            self._wake()
            self._look_soon()

    def _wants(self) -> dict[RateClass, int]:
        hand = self.hand
        return {
            rate: max(0, self._waiting(rate) - hand.in_hand(rate))
            for rate in random.sample([*RateClass], k=len(RateClass))
            if hand.limited(rate)
        }

    def _lose(self, error: Exception, now: float) -> None:
        if self.hand.alone is None:
            _LOG.warning(
                "Redis is away (%s): going on with 1/%d of the rate limits",
                type(error).__name__,
                self.hand.fleet,
            )
        self.hand.lose(now)
        self._failures += 1
        longest = min(_LONGEST_RETREAT, 0.25 * 2**self._failures)
        self._not_before = now + random.uniform(longest / 4, longest)  # noqa: S311 - jitter

    def _regain(self) -> None:
        if self._failures:
            _LOG.info("Redis is back: the rate limits are shared again")
        self._failures = 0


_FEW = 8
"""With fewer places in hand, it is looked whether more will be needed."""


def _maker(url: str, patience: float) -> Callable[[], Redis]:
    """Return what makes a client; raises `InvalidArgumentError` for what is no address."""
    try:
        from redis import asyncio as aio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise InvalidArgumentError(
            'RedisRates needs redis-py: python -m pip install "nexhealth-async[redis]"'
        ) from None

    def make() -> Redis:
        client = cast("Any", aio.Redis)
        made: Redis = client.from_url(
            url,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            retry=cast("Any", Retry)(cast("Any", NoBackoff)(), 1),
        )
        return made

    with suppress(ValueError):
        make()  # Connects to nothing yet.
        return make
    raise InvalidArgumentError("this is no address of a Redis; it is such as redis://host:6379/0")
