"""Helpers that run the real command, in pipes and on a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from attrs import frozen

from nexhealth_async.sandbox import Sandbox
from tests.event_loops import end_tasks

COMMAND = (sys.executable, "-m", "nexhealth_async")


@frozen
class CommandResult:
    """Result of a command."""

    status: int
    out: bytes
    err: str


def environment(sandbox: Sandbox | None = None, **more: str) -> dict[str, str]:
    """An environment without the developer's settings, and with the sandbox if there is one.

    Tests that are not about versions pin v2; those that are pass ``NEXHEALTH_API_VERSION=""``.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    if sandbox is not None:
        kept |= {"NEXHEALTH_BASE_URL": sandbox.url, "NEXHEALTH_API_KEY": sandbox.api_key}
    kept |= {"TERM": "xterm-256color", "PYTHONWARNINGS": "error", "NEXHEALTH_API_VERSION": "v2"}
    return kept | more


async def start(
    *arguments: str, env: Mapping[str, str], command: tuple[str, ...] = COMMAND
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, *arguments, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE
    )


async def nexhealth(
    *arguments: str,
    sandbox: Sandbox | None = None,
    command: tuple[str, ...] = COMMAND,
    **more: str,
) -> CommandResult:
    """Run a command until it exits."""
    process = await start(*arguments, env=environment(sandbox, **more), command=command)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return CommandResult(process.returncode, out, err.decode())


_ONE_BY_ONE = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from nexhealth_async.cli.app import run
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = run(arguments)
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
"""


async def one_by_one(*commands: tuple[str, ...], **more: str) -> list[CommandResult]:
    """Run commands that pull no data sequentially in one process, which saves time."""
    ran = await nexhealth(
        json.dumps(commands), sandbox=None, command=(sys.executable, "-c", _ONE_BY_ONE), **more
    )
    results = [json.loads(line) for line in ran.out.splitlines()]
    assert len(results) == len(commands), ran.err
    return [CommandResult(status, out.encode(), err) for status, out, err in results]


def listed(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


async def until(path: Path, pattern: str) -> None:
    """Wait for a file to appear."""
    for _ in range(400):
        if any(fnmatch(name, pattern) for name in listed(path)):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing like {pattern} appeared")


@contextmanager
def served(*, patients: int) -> Generator[Sandbox, None, None]:
    """Serve a sandbox from a thread, for tests that block."""
    loop = asyncio.new_event_loop()
    sandbox = Sandbox(patients=patients)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(10)
        try:
            yield sandbox
        finally:
            asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(end_tasks(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Terminal:
    """A command on a terminal; ``apart`` names streams that go to pipes or files instead."""

    def __init__(
        self, *arguments: str, env: Mapping[str, str], columns: int = 100, stdout: int | None = None
    ) -> None:
        import fcntl
        import pty
        import struct
        import termios

        pid, self._fd = pty.fork()
        if pid == 0:  # pragma: no cover - the child
            if stdout is not None:
                os.dup2(stdout, 1)
            os.execve(COMMAND[0], [*COMMAND, *arguments], dict(env))  # noqa: S606 - our own command
        self.pid = pid
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)
        self.shown = b""

    def see(self, text: bytes, seconds: float = 15) -> None:
        """Read until this text appears."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was not shown"
            if not self._read():
                raise AssertionError(f"it ended without {text!r}: {self.shown[-300:]!r}")

    def type(self, text: bytes) -> None:
        os.write(self._fd, text)

    def end(self) -> int:
        """Read the rest; return the exit status."""
        while self._read():
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.shown += data
        return bool(data)


INTERRUPT, TERMINATE = signal.SIGINT, signal.SIGTERM
