"""An event loop whose time can be moved, the aioresponses shim, and a check of asyncio's log."""

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

from nexhealth_async import models

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

# Tests that are not about versions count requests and logins, so they pin one. Those that are pass
# version="auto" or take the variable away.
os.environ["NEXHEALTH_API_VERSION"] = "v2"


class _SkippingSelector(selectors.DefaultSelector):
    """Skips waits: moves the loop's time ahead instead."""

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
    """An event loop whose clock tests can move, or that skips every wait."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.skip_waits = False
        self.io_wait = 0.0
        """Real seconds to wait for sockets before a wait is skipped."""
        selector = _SkippingSelector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return super().time() + self.offset

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the threads in real time."""
        self.skip_waits = False
        await super().shutdown_default_executor(*args, **kwargs)

    def shift(self, seconds: float) -> None:
        """Move the loop's time ahead."""
        self.offset += seconds


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"movable": MovableLoop}


def pytest_collection_finish() -> None:
    """Keep the collector from scanning all tests, which takes a second on a busy machine."""
    # `pytester` takes modules that its runs import out of sys.modules again; models are imported
    # on first use, and one that was loaded there would be a class without its module.
    for name in models.__all__:
        getattr(models, name)
    gc.collect()
    gc.freeze()


class _AsyncioErrors(logging.Handler):
    """Collects asyncio's error log: destroyed pending tasks, exceptions never retrieved."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


_ASYNCIO_ERRORS = _AsyncioErrors()
logging.getLogger("asyncio").addHandler(_ASYNCIO_ERRORS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test, whose loop is closed by now, if asyncio logged an error."""
    result = yield
    texts, _ASYNCIO_ERRORS.texts = _ASYNCIO_ERRORS.texts, []
    if texts:
        pytest.fail("asyncio complained: " + "; ".join(texts), pytrace=False)
    return result


@pytest.fixture
async def loop() -> MovableLoop:
    """The running loop, whose time can be moved."""
    running = asyncio.get_running_loop()
    assert isinstance(running, MovableLoop)
    return running


class _MockedResponse(aiohttp.ClientResponse):
    """The response class for aioresponses with aiohttp releases that require another argument."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        writer: Any = SimpleNamespace(output_size=0)
        try:
            super().__init__(*args, stream_writer=writer, **kwargs)
        except TypeError:
            super().__init__(*args, **kwargs)


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Mocked responses of aiohttp."""
    monkeypatch.setattr("aioresponses.core.ClientResponse", _MockedResponse)
    with aioresponses() as replies:
        yield replies
