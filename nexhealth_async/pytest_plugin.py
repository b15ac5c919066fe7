"""Pytest fixtures: an in-process API server, and a session opened against it.

Loaded by pytest on its own once the package is installed. Nothing of the client or the server is
imported until a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING or find_spec("pytest_asyncio") is not None:
    from pytest_asyncio import fixture as _fixture
else:
    _fixture = pytest.fixture

if TYPE_CHECKING:
    from nexhealth_async import NexHealth
    from nexhealth_async.sandbox import Sandbox

__all__ = ["nexhealth", "nexhealth_sandbox", "pytest_configure", "pytest_runtest_setup"]

_OURS = frozenset({"nexhealth", "nexhealth_sandbox"})


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that says how large the sandbox shall be."""
    config.addinivalue_line(
        "markers",
        "nexhealth_sandbox(**options): options of Sandbox for the fixture nexhealth_sandbox, "
        "such as patients=50, seed=3",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say what is missing when nobody is there to run the fixtures of this module."""
    if not isinstance(item, pytest.Function) or _OURS.isdisjoint(item.fixturenames):
        return
    asyncio_runs = item.config.pluginmanager.hasplugin("asyncio")
    if not asyncio_runs and "anyio_backend" not in item.fixturenames:
        pytest.fail(
            "The fixtures nexhealth_sandbox and nexhealth are asynchronous: install "
            "pytest-asyncio, or mark the test with pytest.mark.anyio.",
            pytrace=False,
        )


@_fixture
async def nexhealth_sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """A fresh sandbox for one test; size it with ``@pytest.mark.nexhealth_sandbox(patients=50)``.

    Keywords of the marker are those of ``Sandbox``.
    """
    from nexhealth_async.sandbox import Sandbox

    marker = cast("pytest.Item", request.node).get_closest_marker("nexhealth_sandbox")
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    async with Sandbox(**options) as box:
        yield box


@_fixture
async def nexhealth(nexhealth_sandbox: Sandbox) -> AsyncIterator[NexHealth]:
    """A session opened against the test's sandbox; closed after the test."""
    from nexhealth_async import NexHealth

    async with NexHealth(nexhealth_sandbox.api_key, base_url=nexhealth_sandbox.url) as session:
        yield session
