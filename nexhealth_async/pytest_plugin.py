"""Pytest fixtures: an in-process API server, a session opened against it, and tests' other needs.

Loaded by pytest on its own once the package is installed. Nothing of the client or the server is
imported until a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING or find_spec("pytest_asyncio") is not None:
    from pytest_asyncio import fixture as _fixture
else:
    _fixture = pytest.fixture

if TYPE_CHECKING:
    from nexhealth_async import NexHealth
    from nexhealth_async.sandbox import Sandbox
    from nexhealth_async.testing import Factory, SandboxThread

__all__ = [
    "nexhealth",
    "nexhealth_env",
    "nexhealth_factory",
    "nexhealth_no_backoff",
    "nexhealth_sandbox",
    "nexhealth_thread",
    "nexhealth_url",
]

_MARKER = frozenset({"nexhealth", "nexhealth_sandbox"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting and the option for the API version that the fixtures speak."""
    about = "API version of the fixture nexhealth: auto, v2, v3 or a literal one (default: auto)"
    parser.addini("nexhealth_version", about)
    parser.getgroup("nexhealth_async").addoption("--nexhealth-version", help=about)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers for the sandbox's options and the session's API version."""
    config.addinivalue_line(
        "markers",
        "nexhealth_sandbox(**options): options of Sandbox for the fixtures nexhealth_sandbox and "
        "nexhealth_thread, such as patients=50, seed=3",
    )
    config.addinivalue_line(
        "markers",
        "nexhealth_version(version): API version of the fixtures nexhealth and nexhealth_env; "
        "comes before --nexhealth-version and the ini setting",
    )


def _version(request: pytest.FixtureRequest) -> str | None:
    """Return the version that the marker, the option or the setting names, if any does."""
    marker = cast("pytest.Item", request.node).get_closest_marker("nexhealth_version")
    if marker is not None:
        if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], str):
            pytest.fail('Write @pytest.mark.nexhealth_version("v3").', pytrace=False)
        return marker.args[0]
    config = request.config
    named = config.getoption("--nexhealth-version") or config.getini("nexhealth_version")
    return str(named) if named else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say what is missing when nobody is there to run the fixtures of this module."""
    if not isinstance(item, pytest.Function) or _MARKER.isdisjoint(item.fixturenames):
        return
    asyncio_runs = item.config.pluginmanager.hasplugin("asyncio")
    if not asyncio_runs and "anyio_backend" not in item.fixturenames:
        pytest.fail(
            "The fixtures nexhealth_sandbox and nexhealth are asynchronous: install "
            "pytest-asyncio, or mark the test with pytest.mark.anyio.",
            pytrace=False,
        )
    nobody = item.get_closest_marker("asyncio") is None and "anyio_backend" not in item.fixturenames
    if nobody and iscoroutinefunction(item.obj):
        pytest.fail(
            "Nobody runs this coroutine: set asyncio_mode = auto in pytest's settings, or mark it "
            "with pytest.mark.asyncio or pytest.mark.anyio.",
            pytrace=False,
        )


@_fixture
async def nexhealth_sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """A fresh sandbox for one test; size it with ``@pytest.mark.nexhealth_sandbox(patients=50)``.

    Keywords of the marker are those of ``Sandbox``.
    """
    async with _make_sandbox(request) as box:
        yield box


def _make_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    from nexhealth_async.sandbox import Sandbox

    marker = cast("pytest.Item", request.node).get_closest_marker("nexhealth_sandbox")
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    try:
        return Sandbox(**options)
    except TypeError:
        known = signature(Sandbox).parameters
        wrong = ", ".join(sorted(options.keys() - known.keys()))
        if not wrong:
            raise
        pytest.fail(
            f"@pytest.mark.nexhealth_sandbox takes {', '.join(known)}, not {wrong}.", pytrace=False
        )


@_fixture
async def nexhealth(
    request: pytest.FixtureRequest, nexhealth_sandbox: Sandbox
) -> AsyncIterator[NexHealth]:
    """A session opened against the test's sandbox; closed after the test.

    Its API version is the one that ``@pytest.mark.nexhealth_version("v3")``, the option
    ``--nexhealth-version`` or the setting ``nexhealth_version`` names, in this order.
    """
    from nexhealth_async import NexHealth

    box, version = nexhealth_sandbox, _version(request)
    session = (
        NexHealth(box.api_key, base_url=box.url)
        if version is None
        else NexHealth(box.api_key, base_url=box.url, version=version)
    )
    async with session:
        yield session


@pytest.fixture
def nexhealth_thread(request: pytest.FixtureRequest) -> Iterator[SandboxThread]:
    """A fresh sandbox in a thread of its own, for applications that bring their own event loop.

    ``nexhealth_thread.sandbox`` is the sandbox, sized by the marker like ``nexhealth_sandbox``. The
    two are different servers: use one of them.
    """
    from nexhealth_async.testing import SandboxThread

    with SandboxThread(_make_sandbox(request)) as thread:
        yield thread


@pytest.fixture
def nexhealth_url(nexhealth_thread: SandboxThread) -> str:
    """The address of the sandbox in its thread, for ``base_url``."""
    return nexhealth_thread.sandbox.url


@pytest.fixture
def nexhealth_env(
    request: pytest.FixtureRequest,
    nexhealth_thread: SandboxThread,
    monkeypatch: pytest.MonkeyPatch,
) -> SandboxThread:
    """The sandbox in its thread, where every ``NexHealth()`` of the test leads.

    Sets ``NEXHEALTH_API_KEY`` and ``NEXHEALTH_BASE_URL`` for the test, and
    ``NEXHEALTH_API_VERSION`` where a version is named as for ``nexhealth``.
    """
    if (version := _version(request)) is not None:
        monkeypatch.setenv("NEXHEALTH_API_VERSION", version)
    monkeypatch.setenv("NEXHEALTH_API_KEY", nexhealth_thread.sandbox.api_key)
    monkeypatch.setenv("NEXHEALTH_BASE_URL", nexhealth_thread.sandbox.url)
    return nexhealth_thread


@pytest.fixture
def nexhealth_factory() -> Factory:
    """A maker of invented records, whose ids count from 1 in each test."""
    from nexhealth_async.testing import Factory

    return Factory()


@pytest.fixture
def nexhealth_no_backoff() -> Iterator[None]:
    """No back-off during the test; see ``nexhealth_async.testing.set_testing``."""
    from nexhealth_async.testing import set_testing

    with set_testing(True):
        yield
