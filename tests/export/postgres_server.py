"""A PostgreSQL server for each worker, with a new database for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import pytest
from attrs import define, field

from nexhealth_async.export.postgres_connection import DatabaseLink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

    from nexhealth_async.export.postgres_connection import Connection

__all__ = [
    "PostgresServer",
    "connected",
    "database",
    "new_database",
    "postgres_server",
    "running_server",
]

_PLACES: Final = "/usr/lib/postgresql/*/bin"
_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "20",
    "shared_buffers": "32MB",
}


@define
class PostgresServer:
    """A server on a Unix socket that trusts every local user."""

    programs: Path
    folder: Path
    account: str | None
    """The user it runs as: PostgreSQL refuses to run as root."""
    process: subprocess.Popen[bytes] | None = None
    databases: int = field(default=0)

    def url(self, database: str) -> str:
        return f"postgresql://tester@/{database}?host={self.folder}"

    def make(self) -> None:
        self._run("initdb", "-D", self._data, "-U", "tester", "-A", "trust", "-E", "UTF8", "-N")

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - words of ours
                [self.programs / "postgres", "-D", self._data, "-k", str(self.folder), *settings],
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=log,
                user=self.account,
                group=self._group,
                extra_groups=None if self.account is None else [],
            )
        self._wait()

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)  # disconnects all clients
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @asynccontextmanager
    async def asking(self, user: str) -> AsyncGenerator[None]:
        """Add a user whose password is required and unknown."""
        rules = self.folder / "data" / "pg_hba.conf"
        before = rules.read_text()
        async with connected(self.url("postgres")) as db:
            await db.execute(f"create role {user} login password 'nobody-knows'")
            rules.write_text(f"local all {user} scram-sha-256\n{before}")
            await db.execute("select pg_reload_conf()")
            await asyncio.sleep(0.2)  # the server is told by a signal
            try:
                yield
            finally:
                rules.write_text(before)
                await db.execute("select pg_reload_conf()")
                await db.execute(f"drop role {user}")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def _group(self) -> int | None:
        return None if self.account is None else self.folder.stat().st_gid

    def _wait(self) -> None:
        until = time.monotonic() + 30
        pid = self.folder / "data" / "postmaster.pid"
        while time.monotonic() < until:
            with suppress(OSError):
                if pid.read_text().rstrip().endswith("ready"):
                    return
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        self.stop()
        raise AssertionError("the server did not start in half a minute")

    def _run(self, program: str, *words: str) -> None:
        made = subprocess.run(  # noqa: S603 - words of ours
            [self.programs / program, *words],
            cwd=self.folder,
            capture_output=True,
            check=False,
            user=self.account,
            group=self._group,
            extra_groups=None if self.account is None else [],
        )
        assert made.returncode == 0, made.stderr.decode()


@contextmanager
def running_server() -> Generator[PostgresServer]:
    """A server that is stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="nexpg"))  # a socket's path must be short
    try:
        server = PostgresServer(_programs(), folder, _account())
        if server.account is not None:
            shutil.chown(folder, server.account, _group_of(server.account))
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@asynccontextmanager
async def new_database(server: PostgresServer) -> AsyncGenerator[str]:
    """The address of an empty database."""
    server.databases += 1
    name = f"test_{server.databases}"
    async with connected(server.url("postgres")) as connection:
        await connection.execute(f"create database {name}")
    yield server.url(name)
    async with connected(server.url("postgres")) as connection:
        await connection.execute(f"drop database {name} with (force)")


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The address of an empty database, a new one for each test."""
    async with new_database(postgres_server) as url:
        yield url


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Connection]:
    """A connection to inspect a database, with asyncpg's own codecs."""
    connection = await DatabaseLink(url, "public")._library.connect(url)
    try:
        yield connection
    finally:
        await connection.close(timeout=5.0)


def _programs() -> Path:
    path = shutil.which("initdb")
    found = [Path(path).resolve().parent] if path else sorted(Path("/").glob(_PLACES[1:]))
    if not found or not (found[-1] / "postgres").exists():
        _absent("PostgreSQL's server programs are not installed (Debian: apt install postgresql)")
    return found[-1]


def _account() -> str | None:
    if os.name != "posix":
        _absent("the tests' PostgreSQL needs Unix sockets")
    if os.geteuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return _absent("PostgreSQL cannot run as root, and there is no other account to run it as")


def _group_of(account: str) -> int:
    import pwd

    return pwd.getpwnam(account).pw_gid


def _absent(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
