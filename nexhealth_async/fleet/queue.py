"""Queue of shards in Redis; with `nexhealth_async.fleet.streaq_worker` the only streaq code.

streaq delivers each message to a worker, renews its claim while it runs, and lets other workers
take over the messages of a dead one, also in an idle queue. Messages are JSON; streaq pickles by
default.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from itertools import islice
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec
from attrs import field, frozen

from nexhealth_async._protocol.extras import extra_missing
from nexhealth_async.errors import InvalidArgumentError, NexHealthError, TargetError
from nexhealth_async.fleet.queue_limits import RESULT_TTL, iter_leaves

if TYPE_CHECKING:
    from streaq import Worker
    from streaq.task import AsyncRegisteredTask

    _Task: TypeAlias = AsyncRegisteredTask[[str], None]

__all__ = [
    "FleetQueue",
    "QueueClient",
    "Read",
    "RetryTaskError",
    "TaskAbandonedError",
    "TaskContext",
]

T = TypeVar("T")

_CHUNK_SIZE: Final = 1000
"""Messages per call to Redis."""
_SCHEMES: Final = ("redis", "rediss", "unix")
_INVALID_URL: Final = "invalid Redis URL; expected something like redis://host:6379/0"
_FUNCTION: Final = "read_shard"
_CONNECT_SECONDS: Final = 5.0
_MAX_REASON_LENGTH: Final = 1000
_RESPONSE_SECONDS: Final = 15.0
"""Seconds to wait for a response beyond the time that a read may block."""


class RetryTaskError(Exception):
    """Request to deliver the message again after some seconds."""

    def __init__(self, reason: str, *, after: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = after


class TaskAbandonedError(Exception):
    """Request not to deliver the message again, with the reason."""


class _TaskResult(msgspec.Struct):
    """Result of a message, as streaq stores it."""

    s: bool
    """True if it succeeded."""
    r: str | None = None
    """Reason of a failure."""


@frozen(kw_only=True)
class FleetQueue:
    """Queue in Redis for the shards of pulls.

    All workers of a queue need the same ``takeover``. Its keys begin with ``streaq:`` and its
    ``name``.
    """

    url: str = field(repr=False)
    """URL such as ``redis://host/0``; a password in it is never shown."""
    name: str = "nexhealth"
    concurrency: int = 4
    """Shards that one process reads concurrently."""
    takeover: float = 30.0
    """Seconds without a heartbeat after which others take over a worker's shards."""
    max_attempts: int = 20
    """Maximum attempts at a shard, including those of workers that died."""
    grace: float = 20.0
    """Seconds that shards in progress have to end once a worker is stopped."""

    def __attrs_post_init__(self) -> None:
        """Validate the options."""
        if not _redis_address(self.url):
            raise InvalidArgumentError(_INVALID_URL)
        if self.concurrency < 1 or self.max_attempts < 1:
            raise InvalidArgumentError(
                "concurrency and max_attempts must be whole numbers of at least 1"
            )
        if self.takeover < 1 or self.grace < 0:
            raise InvalidArgumentError("takeover must be at least 1 second and grace at least 0")

    @classmethod
    def of(cls, redis: str | FleetQueue) -> FleetQueue:
        """Return the queue of a URL, or the queue itself."""
        return cls(url=redis) if isinstance(redis, str) else redis

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[QueueClient]:
        """Connect, to enqueue and query messages. Raises `TargetError`."""
        worker = self._worker("-")

        async def never(_: str) -> None: ...

        task = self._registered(worker, never)
        with _translate_errors(self.url):
            async with worker:
                yield QueueClient(worker, task)

    async def serve(self, read: Read, *, until_empty: bool = False) -> None:
        """Pass messages to ``read`` until SIGINT or SIGTERM. Raises `TargetError`."""
        from streaq import StreaqRetry

        owner = f"{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"
        worker = self._worker(owner)
        worker.burst = until_empty

        async def run(text: str) -> None:
            attempt = task.context.tries
            try:
                await read(text, TaskContext(owner=owner, attempt=attempt, queue=client))
            except RetryTaskError as retry:
                if attempt >= self.max_attempts:
                    raise TaskAbandonedError(retry.reason) from None
                raise StreaqRetry(delay=timedelta(seconds=retry.delay)) from None

        task = self._registered(worker, run)
        client = QueueClient(worker, task)
        with _translate_errors(self.url):
            await worker.run_async()

    def _registered(self, worker: Worker, process: Callable[[str], Awaitable[None]]) -> _Task:
        async def run(text: str) -> None:
            await process(text)

        # Silent: streaq's log lines would hold whole messages and tracebacks.
        return worker.task(
            name=_FUNCTION, timeout=None, max_tries=self.max_attempts, ttl=RESULT_TTL, silent=True
        )(run)

    def _worker(self, owner: str) -> Worker:
        try:
            from nexhealth_async.fleet.streaq_worker import GuardedWorker, message_from
        except ModuleNotFoundError:
            raise extra_missing("a fleet", "streaq", "workers") from None
        try:
            return GuardedWorker(
                redis_url=self.url,
                redis_kwargs={
                    "connect_timeout": _CONNECT_SECONDS,
                    "stream_timeout": self.takeover + _RESPONSE_SECONDS,
                },
                queue_name=self.name,
                concurrency=self.concurrency,
                prefetch=1,
                serializer=_to_json,
                deserializer=message_from,
                idle_timeout=self.takeover,
                grace_period=round(self.grace),
                id=owner,
            )
        except (ValueError, TypeError, AttributeError):
            pass
        raise InvalidArgumentError(_INVALID_URL)


class QueueClient:
    """Connection to a queue."""

    def __init__(self, worker: Worker, task: _Task) -> None:
        self._worker = worker
        self._task = task

    async def enqueue(self, messages: Mapping[str, str]) -> None:
        """Queue messages by id; queued or running ones are unchanged."""
        for chunk in _chunks(messages.items()):
            tasks = [self._task.enqueue(text) for _, text in chunk]
            for task, (id, _) in zip(tasks, chunk, strict=True):
                task.id = id
            await self._worker.enqueue_many(tasks)

    async def abandoned_tasks(self, ids: Iterable[str]) -> dict[str, str | None]:
        """Return the ids that are no longer queued, with the reason if they were given up."""
        abandoned: dict[str, str | None] = {}
        worker = self._worker
        for chunk in _chunks(ids):
            async with worker.redis.pipeline(transaction=False) as pipe:
                queued = [pipe.exists([worker.task_key + id]) for id in chunk]
                results = [pipe.get(worker.results_key + id) for id in chunk]
            for id, is_queued, result in zip(chunk, queued, results, strict=True):
                if not await is_queued:
                    abandoned[id] = _reason(await result)
        return abandoned

    async def size(self) -> int:
        """Return the number of messages queued, running or waiting for a retry."""
        return await self._worker.queue_size()

    async def alive(self, owner: str) -> bool:
        """Return whether a worker sent a heartbeat within the takeover time.

        A key that expires later than that is not of a worker.
        """
        worker = self._worker
        remaining = await worker.redis.pttl(f"{worker.prefix}:health:{owner}")
        return 0 < remaining <= worker.idle_timeout


@frozen(kw_only=True)
class TaskContext:
    """Context of one delivery of a message."""

    owner: str
    """Name of the worker."""
    attempt: int
    """Number of deliveries, including this one."""
    queue: QueueClient
    """Queue of the message."""


Read: TypeAlias = Callable[[str, TaskContext], Awaitable[None]]
"""Function that processes a message; raises `RetryTaskError` to get it again."""


def _to_json(value: object) -> str:
    return json.dumps(value, default=_error_text)


def _error_text(value: object) -> str:
    from streaq import StreaqError

    known = isinstance(value, (TaskAbandonedError, StreaqError))
    return str(value) if known else type(value).__name__


def _reason(result: str | bytes | None) -> str | None:
    if result is None:
        return None
    try:
        task_result = msgspec.json.decode(result, type=_TaskResult)
    except (msgspec.MsgspecError, UnicodeError):
        return "the queue holds no reason"
    return None if task_result.s else (task_result.r or "")[:_MAX_REASON_LENGTH]


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK_SIZE)):
        yield chunk


@contextmanager
def _translate_errors(url: str) -> Generator[None]:
    """Translate errors of the Redis client, whose text may hold the password."""
    from coredis.exceptions import RedisError

    try:
        yield
    except (NexHealthError, RetryTaskError):
        raise
    except (RedisError, OSError) as error:
        translated: Exception = _connection_error(error, url)
    except ExceptionGroup as group:
        errors = list(iter_leaves(group))
        own_errors = [error for error in errors if isinstance(error, NexHealthError)]
        if not own_errors and not all(isinstance(error, (RedisError, OSError)) for error in errors):
            raise
        translated = own_errors[0] if own_errors else _connection_error(errors[0], url)
    else:
        return
    raise translated.with_traceback(None)


def _connection_error(error: Exception, url: str) -> TargetError:
    from coredis import exceptions as redis

    queue = f"the queue in Redis at {_redis_address(url)}"
    match error:
        case redis.AuthenticationError():
            return TargetError(f"{queue} rejected the login; check the user and the password")
        case redis.ConnectionError() | OSError():
            return TargetError(
                f"{queue} cannot be reached; check the URL and that Redis is running"
            )
        case _:
            return TargetError(
                f"{queue} failed ({type(error).__name__}); check that the URL is of a Redis server"
            )


def _redis_address(url: str) -> str:
    """Return host and port, or the socket path, without credentials; empty if invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        return ""
    # An unquoted mark in a password would make its rest part of the path or query.
    is_split = "@" in parts.query and "@" not in parts.netloc
    if parts.scheme not in _SCHEMES or "@" in parts.path or parts.fragment or is_split:
        return ""
    if not url[len(parts.scheme) :].startswith("://"):
        return ""
    return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{port}"
