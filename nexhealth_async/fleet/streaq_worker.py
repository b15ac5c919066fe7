"""streaq worker that drops messages which this library did not queue."""

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

_FOREIGN_MESSAGE: Final = "this message is not of a fleet"
_CONNECTION_ERRORS: Final = (ConnectionError, AuthenticationError, OSError)
"""Errors of the connection, which end a worker."""


class _Message(msgspec.Struct):
    """Task data of the messages of `nexhealth_async.fleet.queue.QueueClient.enqueue`."""

    f: str
    a: tuple[str]
    t: int


def message_from(data: str | bytes) -> dict[str, object]:
    """Decode the data of a task; `msgspec.MsgspecError` unless it is of a fleet.

    All other options of a task are dropped, above all those that pass its result to another task.
    """
    message = msgspec.json.decode(data, type=_Message)
    return {"f": message.f, "a": list(message.a), "k": {}, "t": message.t}


class GuardedWorker(Worker[None]):
    """Worker that runs the messages of a fleet and drops invalid ones.

    streaq trusts the content of Redis; without this class one invalid message ends the worker, and
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
        """Schedule nothing: a fleet has no cron jobs, whatever Redis holds."""

    async def _abandon(self, msg: StreamMessage) -> None:
        try:
            await self.finish_failed_task(msg, StreaqError(_FOREIGN_MESSAGE), 1, 0, ttl=RESULT_TTL)
        except Exception as error:
            if _is_lost(error):
                raise
            # Its keys are not strings; remove the rest of the message.
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
        """Return entries of the streams; remove those without a task."""
        while True:
            entries = cast("Mapping[str, tuple[Any, ...]]", await read() or {})
            valid_entries = dict[str, tuple[Any, ...]]()
            for stream, messages in entries.items():
                valid = tuple(message for message in messages if _names_task(message[1]))
                foreign = [message[0] for message in messages if not _names_task(message[1])]
                if foreign:
                    await self._remove(stream, foreign)
                if valid:
                    valid_entries[stream] = valid
            if valid_entries or not entries:
                return valid_entries


def _names_task(fields: Mapping[str, str] | None) -> bool:
    if fields is None or not fields.get("task_id"):
        return False
    try:
        int(fields.get("enqueue_time", "0"))
    except ValueError:
        return False
    return True


def _is_lost(error: Exception) -> bool:
    return any(isinstance(leaf, _CONNECTION_ERRORS) for leaf in iter_leaves(error))
