"""The queue: with `nexhealth_async.fleet.streaq_worker` what knows streaq.

streaq hands each message to a worker, renews its claim while it runs, and lets others take over
what a dead worker had, on an idle queue too. Messages are JSON; it would pickle by default.
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
"""Messages told to Redis at once."""
_SCHEMES: Final = ("redis", "rediss", "unix")
_INVALID_URL: Final = "this is no address of a Redis; it should be such as redis://host:6379/0"
_FUNCTION: Final = "read_shard"
_CONNECT_SECONDS: Final = 5.0
_MAX_REASON_LENGTH: Final = 1000
_FAR_FUTURE: Final = 15.0
"""Seconds to wait for an answer beyond those for which a read may block."""


class RetryTaskError(Exception):
    """The message is to be handed out once more, after so many seconds."""

    def __init__(self, reason: str, *, after: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = after


class TaskAbandonedError(Exception):
    """The message is not to be handed out again, and why."""


class _TaskResult(msgspec.Struct):
    """How a message has ended, as streaq keeps it."""

    s: bool
    """True if it was worked off."""
    r: str | None = None
    """Why not."""


@frozen(kw_only=True)
class FleetQueue:
    """Where the shards of pulls wait, in Redis, and how they are handed out.

    All workers of a queue must have the same ``takeover``. The names of its keys begin with
    ``streaq:`` and its ``name``.
    """

    url: str = field(repr=False)
    """Such as ``redis://host/0``; a password in it is shown nowhere."""
    name: str = "nexhealth"
    concurrency: int = 4
    """Shards that one process reads at a time."""
    takeover: float = 30.0
    """Seconds without a sign of life after which a worker's shards are given to others."""
    max_attempts: int = 20
    """How often a shard is begun at the most, by workers that died with it too."""
    grace: float = 20.0
    """Seconds that the shards under way have to end once a worker is told to stop."""

    def __attrs_post_init__(self) -> None:
        """Refuse what no queue can be."""
        if not _redis_address(self.url):
            raise InvalidArgumentError(_INVALID_URL)
        if self.concurrency < 1 or self.max_attempts < 1:
            raise InvalidArgumentError("concurrency and tries must be whole numbers of at least 1")
        if self.takeover < 1 or self.grace < 0:
            raise InvalidArgumentError("takeover must be at least a second, and grace not below 0")

    @classmethod
    def of(cls, redis: str | FleetQueue) -> FleetQueue:
        """Return the queue that is meant by an address."""
        return cls(url=redis) if isinstance(redis, str) else redis

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[QueueClient]:
        """Connect, to put messages in and to ask after them. Raises `TargetError`."""
        worker = self._worker("-")

        async def never(_: str) -> None: ...

        task = self._registered(worker, never)
        with _translate_errors(self.url):
            async with worker:
                yield QueueClient(worker, task)

    async def serve(self, read: Read, *, until_empty: bool = False) -> None:
        """Hand messages out to ``read`` until SIGINT or SIGTERM. Raises `TargetError`."""
        from streaq import StreaqRetry

        owner = f"{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"
        worker = self._worker(owner)
        worker.burst = until_empty

        async def run(text: str) -> None:
            tries = task.context.tries
            try:
                await read(text, TaskContext(owner=owner, attempt=tries, queue=line))
            except RetryTaskError as again:
                if tries >= self.max_attempts:
                    raise TaskAbandonedError(again.reason) from None
                raise StreaqRetry(delay=timedelta(seconds=again.delay)) from None

        task = self._registered(worker, run)
        line = QueueClient(worker, task)
        with _translate_errors(self.url):
            await worker.run_async()

    def _registered(self, worker: Worker, act: Callable[[str], Awaitable[None]]) -> _Task:
        async def run(text: str) -> None:
            await act(text)

        # Silent: its log lines would hold whole messages and tracebacks.
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
                    "stream_timeout": self.takeover + _FAR_FUTURE,
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
    """A connection to a queue."""

    def __init__(self, worker: Worker, task: _Task) -> None:
        self._worker = worker
        self._task = task

    async def enqueue(self, messages: Mapping[str, str]) -> None:
        """Queue messages by their ids; one that is queued or under way stays as it is."""
        for part in _chunks(messages.items()):
            tasks = [self._task.enqueue(text) for _, text in part]
            for task, (id, _) in zip(tasks, part, strict=True):
                task.id = id
            await self._worker.enqueue_many(tasks)

    async def abandoned_tasks(self, ids: Iterable[str]) -> dict[str, str | None]:
        """Return which messages are no longer queued, and why they were given up if they were."""
        gone: dict[str, str | None] = {}
        worker = self._worker
        for part in _chunks(ids):
            async with worker.redis.pipeline(transaction=False) as pipe:
                queued = [pipe.exists([worker.task_key + id]) for id in part]
                ends = [pipe.get(worker.results_key + id) for id in part]
            for id, is_queued, end in zip(part, queued, ends, strict=True):
                if not await is_queued:
                    gone[id] = _reason(await end)
        return gone

    async def size(self) -> int:
        """Return how many messages are queued, under way or to be tried again later."""
        return await self._worker.queue_size()

    async def alive(self, owner: str) -> bool:
        """Tell whether a worker has given a sign of life within the time for taking over.

        One that does not end by then is no worker's.
        """
        worker = self._worker
        left = await worker.redis.pttl(f"{worker.prefix}:health:{owner}")
        return 0 < left <= worker.idle_timeout


@frozen(kw_only=True)
class TaskContext:
    """One handing out of a message."""

    owner: str
    """The worker's name."""
    attempt: int
    """How often it was handed out, this time included."""
    queue: QueueClient
    """The queue it came from."""


Read: TypeAlias = Callable[[str, TaskContext], Awaitable[None]]
"""What a worker does with a message; raises `Again` to be given it once more."""


def _to_json(value: object) -> str:
    return json.dumps(value, default=_error_text)


def _error_text(value: object) -> str:
    from streaq import StreaqError

    known = isinstance(value, (TaskAbandonedError, StreaqError))
    return str(value) if known else type(value).__name__


def _reason(end: str | bytes | None) -> str | None:
    if end is None:
        return None
    try:
        found = msgspec.json.decode(end, type=_TaskResult)
    except (msgspec.MsgspecError, UnicodeError):
        return "the queue does not say why"
    return None if found.s else (found.r or "")[:_MAX_REASON_LENGTH]


def _chunks(every: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(every)
    while part := list(islice(rest, _CHUNK_SIZE)):
        yield part


@contextmanager
def _translate_errors(url: str) -> Generator[None]:
    """Say what happened without the client's words, which may hold the password."""
    from coredis.exceptions import RedisError

    try:
        yield
    except (NexHealthError, RetryTaskError):
        raise
    except (RedisError, OSError) as error:
        failure: Exception = _connection_error(error, url)
    except ExceptionGroup as group:
        errors = list(iter_leaves(group))
        ours = [one for one in errors if isinstance(one, NexHealthError)]
        if not ours and not all(isinstance(one, (RedisError, OSError)) for one in errors):
            raise
        failure = ours[0] if ours else _connection_error(errors[0], url)
    else:
        return
    raise failure.with_traceback(None)


def _connection_error(error: Exception, url: str) -> TargetError:
    from coredis import exceptions as redis

    queue = f"the queue in Redis at {_redis_address(url)}"
    match error:
        case redis.AuthenticationError():
            return TargetError(f"{queue} refuses the login; check the user and the password")
        case redis.ConnectionError() | OSError():
            return TargetError(f"{queue} cannot be reached; check the address, and that it runs")
        case _:
            return TargetError(
                f"{queue} refuses to do this ({type(error).__name__}); check that it is a Redis"
            )


def _redis_address(url: str) -> str:
    """Return host and port, or the socket, without user and password; nothing for no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        return ""
    # Where a mark in a password is not quoted, the rest of it would be taken for something else.
    cut = "@" in parts.query and "@" not in parts.netloc
    if parts.scheme not in _SCHEMES or "@" in parts.path or parts.fragment or cut:
        return ""
    if not url[len(parts.scheme) :].startswith("://"):
        return ""
    return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{port}"
