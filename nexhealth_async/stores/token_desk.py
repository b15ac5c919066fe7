"""What Redis does for shared tokens: each act is one script, so that nothing comes in between.

Four keys for each API key and environment, in one slot of a cluster:

- the token: a hash of its ``generation``, the sealed ``box`` and when it was ``asked`` for (Redis'
  own time in microseconds). It ends with the token. Without its box it is the mark of a dead one.
- the ``lock``, which holds its owner and the fence of this turn, and ends with the lease; after a
  refused login it holds that refusal for a while instead.
- the ``fence``, a counter: each turn to log in takes the next number, which becomes the number of
  the token that is stored. It never goes back: a counter that was lost begins with the time.
- the ``failures`` in a row, a counter.

Whatever else stands there is deleted by whoever asks next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from attrs import field, frozen
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["Answer", "Busy", "Found", "Quiet", "TokenDesk", "Turn"]

_CLEAN: Final = """
local time = redis.call('time')
local now = time[1] .. string.format('%06d', time[2])
local highest = tonumber(now) + 86400000000
local function number(text, most)
  if type(text) ~= 'string' or #text > 16 then return false end
  local value = string.match(text, '^[1-9]?%d*$') and tonumber(text)
  return value and value <= most and (value > 0 or text == '0') and value
end
local function clean(key, kind, most)
  local is = redis.call('type', key).ok
  if is == 'none' then return end
  local left = redis.call('pttl', key)
  if is ~= kind or left < 0 or left > most then redis.call('del', key) end
end
local function counter(key, highest, most)
  clean(key, 'string', most)
  if redis.call('exists', key) == 0 then return end
  if redis.call('strlen', key) > 16 or not number(redis.call('get', key), highest) then
    redis.call('del', key)
  end
end
local function lock_of(key, lease, longest)
  local is = redis.call('type', key).ok
  if is == 'none' then return false end
  if is ~= 'string' or redis.call('strlen', key) > 1000 then
    redis.call('del', key)
    return false
  end
  local lock, left = redis.call('get', key), redis.call('pttl', key)
  if string.sub(lock, 1, 6) == 'quiet ' then
    if left >= 0 and left <= longest then return lock end
    redis.call('del', key)
    return false
  end
  if left < 0 or left > lease then redis.call('pexpire', key, lease) end
  return lock
end
"""
"""What scripts begin with. A value that no script of ours can have left is deleted: one of another
type, no number where there is one, a number or a moment beyond what there can be by now, a key that
outlives what it is for. So nothing that stands in Redis holds anybody up for longer than a value of
ours could."""
_ASK: Final = (
    _CLEAN
    + """
clean(KEYS[1], 'hash', tonumber(ARGV[8]))
if redis.call('hstrlen', KEYS[1], 'box') > 20000 then redis.call('del', KEYS[1]) end
local stored = redis.call('hmget', KEYS[1], 'generation', 'box', 'asked')
local generation, box = number(stored[1], highest), stored[2]
local asked = number(stored[3], highest)
if stored[1] and not generation or box and not (asked and string.match(box, '^[%w%p ]+$')) then
  redis.call('del', KEYS[1])
  generation, box = false, false
end
if not generation then box = false end
local known, refused = tonumber(ARGV[3]), tonumber(ARGV[4])
if known > highest then known = 0 end
if box and generation == refused then
  redis.call('hdel', KEYS[1], 'box')
  redis.call('publish', ARGV[6], 'dead ' .. stored[1])
  box = false
end
if box and generation > known then return {'found', stored[1], box, stored[3], now} end
if ARGV[7] ~= '' and redis.call('type', KEYS[2]).ok == 'string'
    and redis.call('get', KEYS[2]) == 'quiet ' .. ARGV[7] then
  redis.call('del', KEYS[2])
end
local lock = lock_of(KEYS[2], tonumber(ARGV[2]), tonumber(ARGV[9]))
if lock then
  local left = redis.call('pttl', KEYS[2])
  if string.sub(lock, 1, 6) == 'quiet ' then return {'quiet', string.sub(lock, 7), left, now} end
  return {'busy', left}
end
counter(KEYS[3], highest, tonumber(ARGV[5]))
counter(KEYS[4], 1000, tonumber(ARGV[10]))
local fence = redis.call('incr', KEYS[3])
if fence == 1 then redis.call('set', KEYS[3], now) end
if fence > 1 and fence <= known then
  redis.call('set', KEYS[3], string.format('%.0f', known + 1))
end
fence = redis.call('get', KEYS[3])
redis.call('pexpire', KEYS[3], ARGV[5])
redis.call('set', KEYS[2], ARGV[1] .. ' ' .. fence, 'px', ARGV[2])
return {'turn', fence, now, redis.call('get', KEYS[4]) or '0'}
"""
)
_KEEP: Final = """
if redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[2], ARGV[2])
"""
_STORE: Final = """
if redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1], KEYS[2], KEYS[4])
redis.call('hset', KEYS[1], 'generation', ARGV[2], 'box', ARGV[3], 'asked', ARGV[4])
redis.call('pexpire', KEYS[1], ARGV[5])
redis.call('publish', ARGV[6], 'live ' .. ARGV[2])
return 1
"""
_LEAVE: Final = (
    _CLEAN
    + """
if redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('del', KEYS[2])
else
  redis.call('set', KEYS[2], 'quiet ' .. ARGV[2], 'px', ARGV[3])
  counter(KEYS[4], 1000, tonumber(ARGV[4]))
  redis.call('incr', KEYS[4])
  redis.call('pexpire', KEYS[4], ARGV[4])
end
redis.call('publish', ARGV[5], 'free')
return 1
"""
)
_ABANDON: Final = """
if redis.call('type', KEYS[2]).ok ~= 'string' then return 0 end
local lock = redis.call('get', KEYS[2])
if string.sub(lock, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return 0 end
redis.call('del', KEYS[2])
redis.call('publish', ARGV[2], 'free')
return 1
"""
_REMEMBERED: Final = 2 * 24 * 3600 * 1000
"""Milliseconds the counter outlives the last login; tokens live a day at most."""
_FAILURES_KEPT: Final = 600 * 1000
_LONGEST_LIFE: Final = 24 * 3600 * 1000
"""Milliseconds the longest token lives."""
_LONGEST_QUIET: Final = 300 * 1000
"""Milliseconds the longest pause after a refused login lasts."""
_MOST_DIGITS: Final = 16
_Script: TypeAlias = Callable[..., Awaitable[Any]]


@frozen(kw_only=True)
class Found:
    """There is a token."""

    generation: int
    box: str = field(repr=False)
    asked: int
    now: int


@frozen(kw_only=True)
class Busy:
    """Another process is logging in."""

    seconds: float


@frozen(kw_only=True)
class Quiet:
    """A process was refused a token; nobody asks for so many seconds."""

    refusal: str
    seconds: float
    now: int


@frozen(kw_only=True)
class Turn:
    """It is this process's turn to log in."""

    fence: int
    lock: str
    now: int
    failures: int
    """How many logins of the fleet failed in a row before."""


Answer: TypeAlias = Found | Busy | Quiet | Turn


class TokenDesk:
    """The scripts, for one key in one environment. Errors of redis-py pass through."""

    def __init__(self, redis: Redis, *, place: str, owner: str, lease: float) -> None:
        self._redis = redis
        self._owner = owner
        self._lease = _milliseconds(lease)
        self.channel: Final = place
        self._token = place
        self._keys: Final = [place, f"{place}:lock", f"{place}:fence", f"{place}:failures"]
        self._ask, self._keep, self._store, self._leave, self._abandon = (
            self._script(text) for text in (_ASK, _KEEP, _STORE, _LEAVE, _ABANDON)
        )

    def _script(self, text: str) -> _Script:
        return cast("_Script", cast("Any", self._redis).register_script(text))

    async def ask(self, *, beyond: int, refused: int, void: str = "") -> Answer:
        """Ask for a token with a number above ``beyond``, or for the turn to log in.

        The token with the number ``refused`` is dead from now on, which all are told; only the
        first who says so finds it alive. The refusal ``void`` is no refusal: it is deleted.
        """
        args = [
            *(self._owner, self._lease, beyond, refused, _REMEMBERED, self.channel, void),
            *(_LONGEST_LIFE, _LONGEST_QUIET, _FAILURES_KEPT),
        ]
        answer = cast("Sequence[object]", await self._ask(keys=self._keys, args=args))
        match [_text(part) for part in answer]:
            case ["found", generation, box, asked, now]:
                return Found(
                    generation=int(generation), box=box, asked=int(asked or 0), now=int(now)
                )
            case ["quiet", refusal, left, now]:
                return Quiet(refusal=refusal, seconds=_seconds(left), now=int(now))
            case ["busy", left]:
                return Busy(seconds=_seconds(left))
            case ["turn", fence, now, failures]:
                lock = f"{self._owner} {fence}"
                return Turn(fence=int(fence), lock=lock, now=int(now), failures=int(failures))
            case _:
                raise ValueError("Redis answered what no script of ours says")

    async def keep(self, turn: Turn) -> bool:
        """Begin the lease anew; False if the turn is another's by now."""
        return bool(await self._keep(keys=self._keys, args=[turn.lock, self._lease]))

    async def store(self, turn: Turn, *, box: str, asked: int, seconds: float) -> bool:
        """Store a token for so long, and end the turn; False if it is another's by now."""
        args = [turn.lock, turn.fence, box, asked, _milliseconds(seconds), self.channel]
        return bool(await self._store(keys=self._keys, args=args))

    async def leave(self, turn: Turn, *, refusal: str = "", seconds: float = 0.0) -> bool:
        """End the turn without a token, for a refusal with a pause for all."""
        args = [turn.lock, refusal, _milliseconds(seconds), _FAILURES_KEPT, self.channel]
        return bool(await self._leave(keys=self._keys, args=args))

    async def abandon(self) -> bool:
        """End whatever turn is this owner's, for one who cannot know whether there is one."""
        return bool(await self._abandon(keys=self._keys, args=[self._owner, self.channel]))

    async def look(self) -> tuple[int, bool]:
        """Return the number of the latest token, 0 if none is known, and whether it is good."""
        try:
            reading = cast("Any", self._redis).hmget(self._token, ["generation", "box"])
            generation, box = cast("Sequence[object]", await reading)
        except ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                return 0, False  # `ask` deletes it.
            raise
        number = _number(generation)
        return number, number > 0 and box is not None


def _text(part: object) -> str:
    """Return what Redis said as text, whether or not a lent client decodes it."""
    return part.decode() if isinstance(part, bytes) else "" if part is None else str(part)


def _number(part: object) -> int:
    """Return a number of a token, 0 for anything that is none."""
    found = part if isinstance(part, bytes) else str(part).encode()
    return int(found) if len(found) <= _MOST_DIGITS and found.isdigit() else 0


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _seconds(left: str) -> float:
    """Return what is left of a key; one without an end is no key of ours."""
    return max(0.0, int(left) / 1000)
