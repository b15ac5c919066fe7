"""A sandbox in a thread of its own, for applications that bring their own event loop."""

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
    """Runs a sandbox in a thread, so that tests need no event loop of their own.

    .. code-block:: python

        with SandboxThread(Sandbox(patients=50)) as thread:
            app = make_app(NexHealth(thread.box.api_key, base_url=thread.box.url))
            with TestClient(app) as client:
                thread.box.fail_next(503)
                assert client.get("/patients").status_code == 200

    From the test's thread you may read and change the sandbox's tables, clock and switches, order
    faults, and look at what it saw. What must run where the server does, such as ``box.clear()``
    while an answer hangs, goes through `call`.
    """

    def __init__(self, box: Sandbox | None = None) -> None:
        self.sandbox: Sandbox = box or Sandbox()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None

    def __enter__(self) -> Self:
        """Start the thread and the sandbox in it."""
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
        """Stop the sandbox, and its thread."""
        self._portal = None
        self._stack.close()

    @overload
    def call(self, work: Callable[[*Ts], Coroutine[object, object, T]], *arguments: *Ts) -> T: ...
    @overload
    def call(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T: ...
    def call(self, work: Callable[[*Ts], object], *arguments: *Ts) -> object:
        """Run a function or coroutine function in the server's thread; return what it does."""
        if self._portal is None:
            raise RuntimeError("Start the thread first: with SandboxThread() as thread.")
        return self._portal.call(work, *arguments)
