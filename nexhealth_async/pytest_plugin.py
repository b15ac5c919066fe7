"""Pytest fixtures: an in-process API server, a session with it, a factory of fake data.

pytest loads this plugin automatically if the package is installed. The client and the server are
imported when a test uses a fixture.
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
    """Add the setting and the option for the API version of the fixtures."""
    help_text = (
        "API version of the fixture nexhealth: auto, v2, v3 or a literal one (default: auto)"
    )
    parser.addini("nexhealth_version", help_text)
    parser.getgroup("nexhealth_async").addoption("--nexhealth-version", help=help_text)


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
        "takes precedence over --nexhealth-version and the ini setting",
    )


def _version(request: pytest.FixtureRequest) -> str | None:
    """Return the version from the marker, the option or the setting, in this order."""
    marker = cast("pytest.Item", request.node).get_closest_marker("nexhealth_version")
    if marker is not None:
        if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], str):
            pytest.fail('Write @pytest.mark.nexhealth_version("v3").', pytrace=False)
        return marker.args[0]
    config = request.config
    version = config.getoption("--nexhealth-version") or config.getini("nexhealth_version")
    return str(version) if version else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail with advice if no plugin runs asynchronous fixtures and tests."""
    if not isinstance(item, pytest.Function) or _MARKER.isdisjoint(item.fixturenames):
        return
    has_asyncio = item.config.pluginmanager.hasplugin("asyncio")
    if not has_asyncio and "anyio_backend" not in item.fixturenames:
        pytest.fail(
            "The fixtures nexhealth_sandbox and nexhealth are asynchronous: install "
            "pytest-asyncio, or mark the test with pytest.mark.anyio.",
            pytrace=False,
        )
    has_runner = (
        item.get_closest_marker("asyncio") is not None or "anyio_backend" in item.fixturenames
    )
    if not has_runner and iscoroutinefunction(item.obj):
        pytest.fail(
            "No plugin runs this coroutine: set asyncio_mode = auto in pytest's settings, or mark "
            "it with pytest.mark.asyncio or pytest.mark.anyio.",
            pytrace=False,
        )


@_fixture
async def nexhealth_sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """A new sandbox for one test, with options of ``@pytest.mark.nexhealth_sandbox(patients=50)``.

    The marker takes the arguments of ``Sandbox``.
    """
    async with _make_sandbox(request) as sandbox:
        yield sandbox


def _make_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    from nexhealth_async.sandbox import Sandbox

    marker = cast("pytest.Item", request.node).get_closest_marker("nexhealth_sandbox")
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    try:
        return Sandbox(**options)
    except TypeError:
        parameters = signature(Sandbox).parameters
        unknown = ", ".join(sorted(options.keys() - parameters.keys()))
        if not unknown:
            raise
        pytest.fail(
            f"@pytest.mark.nexhealth_sandbox takes {', '.join(parameters)}, not {unknown}.",
            pytrace=False,
        )


@_fixture
async def nexhealth(
    request: pytest.FixtureRequest, nexhealth_sandbox: Sandbox
) -> AsyncIterator[NexHealth]:
    """An open session with the test's sandbox, closed after the test.

    Its API version comes from ``@pytest.mark.nexhealth_version("v3")``, the option
    ``--nexhealth-version`` or the setting ``nexhealth_version``, in this order.
    """
    from nexhealth_async import NexHealth

    sandbox, version = nexhealth_sandbox, _version(request)
    session = (
        NexHealth(sandbox.api_key, base_url=sandbox.url)
        if version is None
        else NexHealth(sandbox.api_key, base_url=sandbox.url, version=version)
    )
    async with session:
        yield session


@pytest.fixture
def nexhealth_thread(request: pytest.FixtureRequest) -> Iterator[SandboxThread]:
    """A new sandbox in a thread, for applications with their own event loop.

    ``nexhealth_thread.sandbox`` is the sandbox, with the options of the same marker. It is another
    server than ``nexhealth_sandbox``: use one of them.
    """
    from nexhealth_async.testing import SandboxThread

    with SandboxThread(_make_sandbox(request)) as thread:
        yield thread


@pytest.fixture
def nexhealth_url(nexhealth_thread: SandboxThread) -> str:
    """The address of the sandbox in a thread, for ``base_url``."""
    return nexhealth_thread.sandbox.url


@pytest.fixture
def nexhealth_env(
    request: pytest.FixtureRequest,
    nexhealth_thread: SandboxThread,
    monkeypatch: pytest.MonkeyPatch,
) -> SandboxThread:
    """The sandbox in a thread, which every ``NexHealth()`` of the test uses by default.

    Sets ``NEXHEALTH_API_KEY`` and ``NEXHEALTH_BASE_URL`` for the test, and
    ``NEXHEALTH_API_VERSION`` if a version is set as for ``nexhealth``.
    """
    if (version := _version(request)) is not None:
        monkeypatch.setenv("NEXHEALTH_API_VERSION", version)
    monkeypatch.setenv("NEXHEALTH_API_KEY", nexhealth_thread.sandbox.api_key)
    monkeypatch.setenv("NEXHEALTH_BASE_URL", nexhealth_thread.sandbox.url)
    return nexhealth_thread


@pytest.fixture
def nexhealth_factory() -> Factory:
    """A factory of fake records, whose ids start from 1 in each test."""
    from nexhealth_async.testing import Factory

    return Factory()


@pytest.fixture
def nexhealth_no_backoff() -> Iterator[None]:
    """Back-off turned off during the test; see ``nexhealth_async.testing.set_testing``."""
    from nexhealth_async.testing import set_testing

    with set_testing(True):
        yield
