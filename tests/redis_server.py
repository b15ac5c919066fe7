"""A Redis server for tests, on a Unix socket, without persistence."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["redis_url", "running_redis"]

_PATIENCE = 20.0


@contextmanager
def running_redis() -> Generator[str]:
    """Run a server and give its address; skips where it is missing, but not under CI."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing, and CI must not skip what it proves")
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        path = Path(folder, "redis.sock")
        server = subprocess.Popen(  # noqa: S603 - a tool of this machine
            [
                *(program, "--port", "0", "--unixsocket", str(path), "--dir", folder),
                *("--save", "", "--appendonly", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            _await(path, server)
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(_PATIENCE)


def _await(path: Path, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server responds."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        assert server.poll() is None, "redis-server ended at once"
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.connect(str(path))
                line.sendall(b"PING\r\n")
                if line.recv(16).startswith(b"+PONG"):
                    return
            except OSError:
                time.sleep(0.02)
    pytest.fail("redis-server does not answer")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A server for all tests of a process; each test uses unique keys."""
    with running_redis() as url:
        yield url
