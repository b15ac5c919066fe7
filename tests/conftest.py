"""An event loop whose time tests may move, the aioresponses shim, and no complaint of asyncio's."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import selectors
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aioresponses import aioresponses

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

# Tests that are not about versions count requests and logins, so they pin one. Those that are pass
# version="auto" or take the variable away.
os.environ["NEXHEALTH_API_VERSION"] = "v2"


class _SkippingSelector(selectors.DefaultSelector):
    """Instead of waiting for nothing, move the loop's time on by what would have been waited."""

    loop: MovableLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        if loop is None or not loop.skip_waits or not timeout or timeout < 0:
            return super().select(timeout)
        events = super().select(min(timeout, loop.io_wait))
        if not events:
            loop.shift(timeout)
        return events


class MovableLoop(asyncio.SelectorEventLoop):
    """A loop whose clock tests move by hand, or that skips every wait by itself."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.skip_waits = False
        self.io_wait = 0.0
        """Real seconds to give sockets before a wait is skipped."""
        selector = _SkippingSelector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return super().time() + self.offset

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """End the threads in real time: they know no other."""
        self.skip_waits = False
        await super().shutdown_default_executor(*args, **kwargs)

    def shift(self, seconds: float) -> None:
        """Let this much time have passed."""
        self.offset += seconds


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"movable": MovableLoop}


def pytest_collection_finish() -> None:
    """Keep the collector from walking through all tests, which holds up a busy machine a second."""
    gc.collect()
    gc.freeze()


class _AsyncioErrors(logging.Handler):
    """What asyncio only logs: tasks destroyed while pending, errors that nobody asked for."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


_ASYNCIO_ERRORS = _AsyncioErrors()
logging.getLogger("asyncio").addHandler(_ASYNCIO_ERRORS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test, its loop closed by now, that left asyncio something to complain of."""
    result = yield
    texts, _ASYNCIO_ERRORS.texts = _ASYNCIO_ERRORS.texts, []
    if texts:
        pytest.fail("asyncio complained: " + "; ".join(texts), pytrace=False)
    return result


@pytest.fixture
async def loop() -> MovableLoop:
    """The running loop, to move its time."""
    running = asyncio.get_running_loop()
    assert isinstance(running, MovableLoop)
    return running


class _MockedResponse(aiohttp.ClientResponse):
    """What aioresponses builds, completed for aiohttp releases that ask for one argument more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        writer: Any = SimpleNamespace(output_size=0)
        try:
            super().__init__(*args, stream_writer=writer, **kwargs)
        except TypeError:
            super().__init__(*args, **kwargs)


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Replies at aiohttp's edge."""
    monkeypatch.setattr("aioresponses.core.ClientResponse", _MockedResponse)
    with aioresponses() as replies:
        yield replies
