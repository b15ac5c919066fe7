"""A session's link to the tokens in Redis: who logs in, who waits, what when Redis is away."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from uuid import uuid4

import anyio
from attrs import evolve

from nexhealth_async._client.redis_commands import end_task, run_command
from nexhealth_async._protocol.api_versions import V2, V3
from nexhealth_async._protocol.token_life import Token, lifetime_of, login_backoff
from nexhealth_async._protocol.token_store import LoginPaused
from nexhealth_async.errors import InvalidAPIKeyError, ServerError
from nexhealth_async.stores.sealing import Seal
from nexhealth_async.stores.token_desk import Answer, Busy, Found, Quiet, TokenDesk, Turn

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

    from nexhealth_async._protocol.token_store import TokenHolder

__all__ = ["RedisTokenLink"]

T = TypeVar("T")

_LOG = logging.getLogger("nexhealth_async")
_PATIENCE: Final = 1.0
"""Seconds a command may take."""
_LOOK_AGAIN: Final = 0.5
"""Seconds between two looks of one who waits and may have missed the notice."""
_HEARTBEAT: Final = 2.0
"""Seconds of silence after which the line for notices is tried, and given up if it stays silent."""
_LONGEST_AWAY: Final = 5.0
"""Seconds between two tries to reach a Redis that is away."""
_ALONE_FROM, _ALONE_TO = 0.3, 0.9
"""Which part of the time for a renewal passes before one is made without Redis."""
_LONGEST_TURN: Final = 30.0
"""Seconds to wait for logins of others; a login attempt takes no longer."""
_LONGEST_QUIET: Final = 300.0
"""Seconds of the longest pause after a refused login."""
_DRIFT: Final = 5.0
"""Seconds that a clock may be off between the writing of a refusal and its reading."""
_VERSIONS: Final = frozenset({V2, V3})
"""What sessions speak under ``version="auto"``."""
_LONGEST_NOTICE: Final = 100
_MOST_USELESS: Final = 3
"""Useless answers in a row after which Redis counts as away."""


class RedisTokenLink:
    """The way of a session to the token of its key; made by `RedisTokens`."""

    def __init__(
        self,
        holder: TokenHolder,
        *,
        seal: Seal,
        prefix: str,
        lease: float,
        connect: Callable[[], Redis],
        ours: bool,
    ) -> None:
        self._holder = holder
        self._seal = seal
        self._place = f"{prefix}{{{seal.name}}}"
        self._lease = lease
        self._connect = connect
        self._ours = ours
        """True if the client is made here, so that it is closed here."""
        self._redis: Redis | None = None
        self._desk: TokenDesk | None = None
        self._listener: asyncio.Task[None] | None = None
        self._stirred = asyncio.Event()
        self._last = 0
        """The number of the last token that was obtained here."""
        self._dead = 0
        """The last number that was said to be dead."""
        self._unusable = 0
        """The number of a token that is to be replaced whoever stored it."""
        self._useless = 0
        """How many answers in a row were of no use to the `obtain` under way."""
        self._void = ""
        """A refusal that nobody who has the API key wrote."""
        self._patient_until: float | None = None
        """Until when the `obtain` under way waits for the logins of others."""
        self._failures = 0
        self._away_until = 0.0
        self._alone_at = random.uniform(_ALONE_FROM, _ALONE_TO)  # noqa: S311 - spreads logins

    def __repr__(self) -> str:
        state = "away" if self._failures else "at hand"
        return f"<{type(self).__name__} {self._place}: Redis is {state}>"

    async def obtain(self) -> Token:
        """Return a token for the session; see `TokenLink`."""
        self._listen()
        self._useless, self._patient_until = 0, None
        while True:
            self._stirred.clear()
            away = asyncio.get_running_loop().time() < self._away_until
            token = await (self._without() if away else self._with())
            if token is None:
                continue
            if self._is_dead(token) and self._useless < _MOST_USELESS:
                self._useless += 1
                self._unusable = token.shared
                continue
            self._last = max(self._last, token.shared)
            return token

    def notify(self) -> None:
        """Let an `obtain` that waits look again."""
        self._stirred.set()

    async def aclose(self) -> None:
        """End the listening, and close the client if it was made here."""
        listener, self._listener = self._listener, None
        redis, self._redis, self._desk = self._redis, None, None
        if listener is not None:
            await end_task(listener)
        if redis is not None and self._ours:
            with suppress(Exception):
                await run_command(redis.aclose(), _PATIENCE)

    # With Redis

    async def _with(self) -> Token | None:
        """Ask Redis and do as it says; None to begin again."""
        asked_at = asyncio.get_running_loop().time()
        try:
            answer = await self._asked()
            if isinstance(answer, Busy):
                self._check_patience(asked_at)
        except Exception as error:  # noqa: BLE001 - nothing is raised for Redis' sake
            self._is_away(error)
            return None
        self._is_back()
        match answer:
            case Found():
                return self._unsealed(answer, asked_at)
            case Busy(seconds=seconds):
                await self._pause(min(seconds, _LOOK_AGAIN))
                return None
            case Quiet():
                if (paused := self._paused(answer)) is not None:
                    raise paused
                return None
            case Turn():
                return await self._take(answer, asked_at)

    async def _asked(self) -> Answer:
        if self._useless >= _MOST_USELESS:
            raise ValueError("Redis holds nothing that is of use")
        desk = self._opened_desk()
        try:
            return await self._bounded(
                desk.ask(beyond=self._known(), refused=self._refused(), void=self._void)
            )
        except asyncio.CancelledError:
            # Nobody knows whether Redis has given the turn; nobody is to wait for its lease.
            with anyio.CancelScope(shield=True), suppress(Exception):
                await self._bounded(desk.abandon())
            raise

    def _check_patience(self, now: float) -> None:
        """Raise `TimeoutError` where others have been logging in for longer than can be."""
        if self._patient_until is None:
            self._patient_until = now + max(_LONGEST_TURN, 2 * self._lease)
        if now >= self._patient_until:
            raise TimeoutError

    def _paused(self, quiet: Quiet) -> LoginPaused | None:
        """Read a refusal; None if nobody who has the API key wrote it for just this while."""
        text = self._seal.open(quiet.refusal, generation=0, asked=0)
        kind, _, until = (text or "").rpartition(" ")
        left = (int(until) - quiet.now) / 1e6 if until.isdecimal() else 0.0
        if not kind or not 0 < left < _LONGEST_QUIET + _DRIFT:
            self._void, self._useless = quiet.refusal, self._useless + 1
            return None
        return LoginPaused(_refusal_of(kind), min(quiet.seconds, left, _LONGEST_QUIET))

    def _known(self) -> int:
        """Return the highest number that is not wanted again."""
        held = self._holder.held
        return max(self._last if held is None else held.shared, self._refused())

    def _refused(self) -> int:
        refused = self._holder.refused
        return max(self._unusable, 0 if refused is None else refused.shared)

    def _is_dead(self, token: Token) -> bool:
        """Tell whether this is what a 401 came for, here or elsewhere, under whatever number."""
        refused = self._holder.refused
        if refused is not None and refused.value == token.value:
            return True
        return token.shared != 0 and token.shared == self._dead

    def _unsealed(self, found: Found, asked_at: float) -> Token | None:
        text = self._seal.open(found.box, generation=found.generation, asked=found.asked)
        if text is None:
            _LOG.warning("a shared token cannot be read and is replaced; did someone change it?")
            self._unusable, self._useless = found.generation, self._useless + 1
            return None
        version, _, value = text.rpartition(" ")
        age = max(0.0, (found.now - found.asked) / 1e6)
        token = Token(
            value=value,
            generation=0,
            shared=found.generation,
            requested_at=asked_at - age,
            requested_wall_time=time.time() - age,
            lifetime=lifetime_of(value),
            version=version if version in _VERSIONS else None,
        )
        if asyncio.get_running_loop().time() >= token.expires_at:  # it ended on the way here
            self._last = max(self._last, token.shared)
            return None
        return token

    async def _take(self, turn: Turn, asked_at: float) -> Token:
        """Store the token the session holds if that is good, else log in; end the turn."""
        held = self._holder.held
        now = asyncio.get_running_loop().time()
        try:
            if held is not None and now < held.refresh_at:
                token = held
                # Redis said its time a little earlier, so the token is not made younger.
                asked = turn.now - round((now - held.requested_at) * 1e6)
            else:
                token, asked = await self._logged_in(turn, asked_at), turn.now
        except Exception as error:
            await self._leave(turn, error, asked_at)
            raise
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._leave(turn, None, asked_at)
            raise
        stored = await self._store(turn, token, asked)
        return evolve(token, shared=turn.fence if stored else 0)

    async def _logged_in(self, turn: Turn, asked_at: float) -> Token:
        keeping = asyncio.create_task(self._keep(turn), name="nexhealth_async lease")
        try:
            return await self._own(asked_at)
        finally:
            keeping.cancel()
            await asyncio.wait((keeping,))

    async def _own(self, asked_at: float) -> Token:
        asked_wall = time.time()
        value = await self._holder.log_in()
        return Token(
            value=value,
            generation=0,
            requested_at=asked_at,
            requested_wall_time=asked_wall,
            lifetime=lifetime_of(value),
        )

    async def _keep(self, turn: Turn) -> None:
        """Renew the lease while the login takes its time."""
        ours = True
        while ours:
            await asyncio.sleep(self._lease / 3)
            with suppress(Exception):
                ours = await self._bounded(self._opened_desk().keep(turn))

    async def _store(self, turn: Turn, token: Token, asked: int) -> bool:
        # No token has a space in it, so the version needs no field of its own.
        version = self._holder.version
        text = token.value if version is None else f"{version} {token.value}"
        box = self._seal.close(text, generation=turn.fence, asked=asked)
        left = token.expires_at - asyncio.get_running_loop().time()
        desk = self._opened_desk()
        try:
            if left <= 0:
                await self._bounded(desk.leave(turn))
                return False
            return await self._bounded(desk.store(turn, box=box, asked=asked, seconds=left))
        except Exception as error:  # noqa: BLE001 - nothing is raised for Redis' sake
            self._is_away(error)
            return False

    async def _leave(self, turn: Turn, error: Exception | None, asked_at: float) -> None:
        """Let another have the turn, or nobody for a while if the server refused the key."""
        refusal = "" if error is None else _refusal_in(error)
        seconds = login_backoff(turn.failures + 1)
        if refusal:
            since = asyncio.get_running_loop().time() - asked_at
            until = turn.now + round((since + seconds) * 1e6)
            refusal = self._seal.close(f"{refusal} {until}", generation=0, asked=0)
        with suppress(Exception):
            await self._bounded(self._opened_desk().leave(turn, refusal=refusal, seconds=seconds))

    # Without Redis

    async def _without(self) -> Token | None:
        """Log in alone, but later than others would where the present token allows it."""
        held = self._holder.held
        now = asyncio.get_running_loop().time()
        if held is not None:
            if now < held.refresh_at:
                return held
            alone_at = held.refresh_at + (held.expires_at - held.refresh_at) * self._alone_at
            if now < alone_at:
                await self._pause(min(alone_at, self._away_until) - now)
                return None
        return await self._own(now)

    def _is_away(self, error: BaseException) -> None:
        if not self._failures:
            _LOG.warning(
                "Redis does not serve the shared token (%s); until it does, this process logs in "
                "by itself",
                type(error).__name__,
            )
        self._failures += 1
        self._away_until = asyncio.get_running_loop().time() + self._until_next_try()

    def _is_back(self) -> None:
        if self._failures:
            _LOG.info("Redis serves the shared token again")
        self._failures, self._away_until = 0, 0.0

    def _until_next_try(self) -> float:
        longest = min(_LONGEST_AWAY, 0.5 * 2.0 ** min(self._failures, 10))
        return random.uniform(longest / 2, longest)  # noqa: S311 - spreads those who come back

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, seconds)):
                await self._stirred.wait()

    # Notices

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = asyncio.create_task(self._hear(), name="nexhealth_async notices")

    async def _hear(self) -> None:
        """Follow what others say, for as long as the session is open."""
        while True:
            try:
                client = cast("Any", self._opened_redis())
                async with cast("PubSub", client.pubsub()) as line:
                    await self._bounded(line.subscribe(self._place))
                    await self._follow(line)
            except Exception as error:  # noqa: BLE001 - nothing is raised for Redis' sake
                self._is_away(error)
            await asyncio.sleep(self._until_next_try())

    async def _follow(self, line: PubSub) -> None:
        silent = False
        while True:
            message = await _next_of(line, _HEARTBEAT)
            if message is None and silent:
                raise TimeoutError
            silent = message is None
            if message is None:
                await self._bounded(cast("Any", line).ping())
                continue
            if message["type"] == "message":
                self._told(message["data"])
            if message["type"] == "subscribe" or self._is_alone():
                await self._catch_up()

    def _told(self, notice: object) -> None:
        text = notice.decode("ascii", "replace") if isinstance(notice, bytes) else str(notice)
        match text[:_LONGEST_NOTICE].split():
            case ["dead", number] if number.isdecimal():
                self._dead = int(number)
                self._holder.lose(self._dead)
            case ["live", _]:
                self._holder.clear_failure()
            case _:
                pass
        self._stirred.set()

    def _is_alone(self) -> bool:
        """Tell whether the session sends a token that nobody else has."""
        held = self._holder.held
        return held is not None and not held.shared

    async def _catch_up(self) -> None:
        """Learn what was said while nobody listened here, and share again what was lost there."""
        before = self._holder.held
        latest, good = await self._bounded(self._opened_desk().look())
        self._is_back()
        self._stirred.set()
        if latest and not good:
            self._dead = latest
            self._holder.lose(latest)
        held = self._holder.held
        # What came while Redis was looked into is younger than what was seen there.
        differs = held is not None and held is before and held.shared != latest
        is_behind = differs and (good or not latest)
        if is_behind or self._is_alone():
            self._holder.share()

    # Redis itself

    def _opened_redis(self) -> Redis:
        if self._redis is None:
            self._redis = self._connect()
        return self._redis

    def _opened_desk(self) -> TokenDesk:
        if self._desk is None:
            self._desk = TokenDesk(
                self._opened_redis(), place=self._place, owner=uuid4().hex, lease=self._lease
            )
        return self._desk

    async def _bounded(self, command: Awaitable[T]) -> T:
        return await run_command(command, _PATIENCE)


async def _next_of(line: PubSub, seconds: float) -> Mapping[str, object] | None:
    """Return what comes next, None if nothing does in time; redis-py types it by halves."""
    return cast("Mapping[str, object] | None", await cast("Any", line).get_message(timeout=seconds))


def _refusal_in(error: Exception) -> str:
    """Return what all who share the key should know of a failed login; other failures are local."""
    if isinstance(error, InvalidAPIKeyError):
        return f"key {error.status}"
    return f"server {error.status}" if isinstance(error, ServerError) else ""


def _refusal_of(text: str) -> Exception:
    kind, _, status = text.partition(" ")
    number = int(status) if status.isdecimal() else 0
    if kind == "key":
        return InvalidAPIKeyError(
            "the API key is not accepted, as another process that shares it was told",
            status=number or 401,
        )
    return ServerError(
        "another process that shares the key could not log in, since the server failed",
        status=number or 503,
    )
