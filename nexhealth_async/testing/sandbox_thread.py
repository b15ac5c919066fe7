"""A sandbox in its own thread, for applications with their own event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from threading import current_thread
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple, overload

from anyio.from_thread import BlockingPortal, start_blocking_portal

from nexhealth_async.sandbox import Sandbox

__all__ = ["SandboxThread"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def _name_thread() -> None:
    current_thread().name = "nexhealth-sandbox"


class SandboxThread:
    """Runs a sandbox in a thread, for tests without an event loop.

    .. code-block:: python

        with SandboxThread(Sandbox(patients=50)) as thread:
            app = make_app(NexHealth(thread.sandbox.api_key, base_url=thread.sandbox.url))
            with TestClient(app) as client:
                thread.sandbox.fail_next(503)
                assert client.get("/patients").status_code == 200

    The test's thread may read and change the sandbox's tables, clock and options, inject faults,
    and read recorded requests. Use `call` for functions that must run in the server's thread, such
    as ``sandbox.clear()`` while a response hangs.
    """

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self.sandbox: Sandbox = sandbox or Sandbox()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None

    def __enter__(self) -> Self:
        """Start the thread and its sandbox."""
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            portal.call(_name_thread)
            stack.enter_context(portal.wrap_async_context_manager(self.sandbox))
            self._portal, self._stack = portal, stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the sandbox and its thread."""
        self._portal = None
        self._stack.close()

    @overload
    def call(self, work: Callable[[*Ts], Coroutine[object, object, T]], *arguments: *Ts) -> T: ...
    @overload
    def call(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T: ...
    def call(self, work: Callable[[*Ts], object], *arguments: *Ts) -> object:
        """Run a function or coroutine function in the server's thread; return its result."""
        if self._portal is None:
            raise RuntimeError(
                "the sandbox thread is not running; use `with SandboxThread() as thread:`"
            )
        return self._portal.call(work, *arguments)
