"""A streaq worker that no message can end: what this library did not queue is dropped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from coredis.exceptions import AuthenticationError, ConnectionError, RedisError  # noqa: A004
from streaq import StreaqError, Worker
from streaq.constants import REDIS_GROUP

from nexhealth_async.fleet.queue_limits import RESULT_TTL, iter_leaves

if TYPE_CHECKING:
    from streaq.types import StreamMessage

__all__ = ["GuardedWorker", "message_from"]

_FOREIGN_MESSAGE: Final = "this message is none of a fleet"
_CONNECTION_ERRORS: Final = (ConnectionError, AuthenticationError, OSError)
"""Errors of the connection, which end a worker."""


class _Message(msgspec.Struct):
    """The task data that `nexhealth_async.fleet.queue.Line.put` leads to."""

    f: str
    a: tuple[str]
    t: int


def message_from(data: str | bytes) -> dict[str, object]:
    """Read the data of a task; `msgspec.MsgspecError` unless it is one of a fleet.

    All other options of a task are left out: those that name another task whose result or failure
    it is to be given, above all.
    """
    found = msgspec.json.decode(data, type=_Message)
    return {"f": found.f, "a": list(found.a), "k": {}, "t": found.t}


class GuardedWorker(Worker[None]):
    """Runs what is queued for a fleet, and drops what it cannot read.

    streaq trusts what is in Redis; without this, one message that is no task ends the worker, and
    then each worker that takes it over.
    """

    async def run_task(self, msg: StreamMessage) -> None:
        """Run the task of a message, or give the message up."""
        try:
            await super().run_task(msg)
        except Exception as error:
            if _is_lost(error):
                raise
            await self._abandon(msg)

    async def schedule_cron_jobs(self, ready: tuple[str, ...]) -> None:
        """Schedule nothing: a fleet has no cron jobs, whatever Redis says."""

    async def _abandon(self, msg: StreamMessage) -> None:
        try:
            await self.finish_failed_task(msg, StreaqError(_FOREIGN_MESSAGE), 1, 0, ttl=RESULT_TTL)
        except Exception as error:
            if _is_lost(error):
                raise
            # Its keys are no strings; what is left of the message is not handed out again.
            with suppress(RedisError):
                await self._remove(self.stream_key + msg.priority, [msg.message_id])

    async def _remove(self, stream: str, ids: list[str]) -> None:
        await self.redis.xack(stream, REDIS_GROUP, ids)
        await self.redis.xdel(stream, ids)

    async def _read_streams_legacy(self, count: int, block: bool = False) -> Any:  # noqa: FBT001, FBT002 - streaq's
        read = super()._read_streams_legacy
        return await self._readable(lambda: read(count, block))

    async def _read_streams_max_count(self, count: int, block: bool = False) -> Any:  # noqa: FBT001, FBT002 - streaq's
        read = super()._read_streams_max_count
        return await self._readable(lambda: read(count, block))

    async def _readable(self, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return entries of the streams; remove those that name no task."""
        while True:
            entries = cast("Mapping[str, tuple[Any, ...]]", await read() or {})
            kept = dict[str, tuple[Any, ...]]()
            for stream, messages in entries.items():
                good = tuple(one for one in messages if _names_task(one[1]))
                foreign = [one[0] for one in messages if not _names_task(one[1])]
                if foreign:
                    await self._remove(stream, foreign)
                if good:
                    kept[stream] = good
            if kept or not entries:
                return kept


def _names_task(fields: Mapping[str, str] | None) -> bool:
    if fields is None or not fields.get("task_id"):
        return False
    try:
        int(fields.get("enqueue_time", "0"))
    except ValueError:
        return False
    return True


def _is_lost(error: Exception) -> bool:
    return any(isinstance(one, _CONNECTION_ERRORS) for one in iter_leaves(error))
