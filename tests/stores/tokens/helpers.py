"""A Redis that can be killed and restarted, a connection that can be cut, and an issuer."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import define, field

from nexhealth_async._client.token_manager import TokenManager
from nexhealth_async.stores import RedisTokens
from tests.redis_server import _await

__all__ = [
    "CuttableNetwork",
    "FakeLogin",
    "RestartableRedis",
    "TokenFleet",
    "client_of",
    "eventually",
    "jwt",
]

API_KEY = "an-invented-key"
PLACE = "https://api.invented.example"


def jwt(number: int, lifetime: float) -> str:
    """An unsigned token with the claims that the library reads."""
    claims = msgspec.json.encode({"iat": 1_000_000, "exp": 1_000_000 + lifetime, "jti": number})
    return f"e30.{urlsafe_b64encode(claims).rstrip(b'=').decode()}.none"


def client_of(url: str) -> Any:
    from redis import asyncio as redis

    made: Any = redis.Redis
    return made.from_url(url, socket_timeout=5)


async def eventually(what: Any, seconds: float = 5.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


class RestartableRedis:
    """A server whose socket file stays the same after a restart."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = Path(folder, "redis.sock")
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    @property
    def path(self) -> Path:
        return self._path

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        self._path.unlink(missing_ok=True)
        self._server = subprocess.Popen(  # noqa: S603 - a tool of this machine
            [
                *(program, "--port", "0", "--unixsocket", str(self._path), "--dir", self._folder),
                *("--save", "", "--appendonly", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        _await(self._path, self._server)

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait(20)
            self._server = None

    async def pause(self, seconds: float) -> None:
        async with client_of(self.url) as client:
            await client.client_pause(int(seconds * 1000), all=True)


@asynccontextmanager
async def restartable_redis() -> AsyncGenerator[RestartableRedis]:
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        sandbox = RestartableRedis(folder)
        sandbox.start()
        try:
            yield sandbox
        finally:
            sandbox.kill()


class CuttableNetwork:
    """A network to Redis that can be cut, or swallow all data."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name("line.sock")
        self.is_silent = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._carry, self.path)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.path.unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await asyncio.open_unix_connection(self._target)
            await asyncio.gather(self._copy(reader, there), self._copy(back, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            if there is not None:
                there.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            while self.is_silent:
                await asyncio.sleep(0.01)
            sink.write(data)
            await sink.drain()
        raise OSError("closed")


@define(kw_only=True)
class FakeLogin:
    """The API's login without a network."""

    lifetime: float = 3600.0
    takes: float = 0.0
    failure: Exception | None = None
    logins: int = 0
    refused: int = 0

    async def log_in(self) -> str:
        await asyncio.sleep(self.takes)
        if self.failure is not None:
            self.refused += 1
            raise self.failure
        self.logins += 1
        return jwt(self.logins, self.lifetime)


@define
class TokenFleet:
    """Token managers that stand for processes, each with a separate client."""

    url: str
    stack: AsyncExitStack
    issuer: FakeLogin = field(factory=FakeLogin)
    keepers: list[TokenManager] = field(factory=list[TokenManager])

    def add(
        self,
        count: int = 1,
        *,
        url: str | None = None,
        api_key: str = API_KEY,
        environment: str = PLACE,
        issuer: FakeLogin | None = None,
        lease: float = 2.0,
    ) -> list[TokenManager]:
        made: list[TokenManager] = []
        for _ in range(count):
            keeper = TokenManager((issuer or self.issuer).log_in)
            tokens = RedisTokens(url or self.url, lease=timedelta(seconds=lease))
            keeper.link = tokens.link(keeper, api_key=api_key, environment=environment)
            self.stack.push_async_callback(_ended, keeper)
            made.append(keeper)
        self.keepers += made
        return made

    async def get(self) -> set[str]:
        """Let all ask concurrently; return their tokens."""
        found = await asyncio.gather(*(keeper.get(None) for keeper in self.keepers))
        return {token.value for token in found}

    def values(self) -> list[str | None]:
        now = asyncio.get_running_loop().time()
        tokens = [keeper.current(now) for keeper in self.keepers]
        return [None if token is None else token.value for token in tokens]

    async def listening(self) -> None:
        """Wait until each of them receives the notices of the others."""
        count = len(self.keepers)
        async with client_of(self.url) as client, asyncio.timeout(10):
            while True:
                channels = await client.pubsub_channels()
                heard: list[tuple[bytes, int]] = (
                    await client.pubsub_numsub(*channels) if channels else []
                )
                if sum(number for _, number in heard) >= count:
                    return
                await asyncio.sleep(0.01)


async def _ended(keeper: TokenManager) -> None:
    tasks = keeper.close()
    for task in tasks:
        task.cancel()
    if tasks:
        with suppress(asyncio.CancelledError):
            await asyncio.wait(tasks)
    await keeper.unlink()


@asynccontextmanager
async def fleet_on(url: str) -> AsyncGenerator[TokenFleet]:
    async with AsyncExitStack() as stack:
        yield TokenFleet(url, stack)


def wall_shift(seconds: float) -> Any:
    """Set a wall clock wrong by so much."""
    real = time.time
    return lambda: real() + seconds
