"""The accounts that the pages run for."""

from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING

import pytest

from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Collection


def accept_only(monkeypatch: pytest.MonkeyPatch, versions: Collection[str]) -> None:
    """Make each sandbox accept only these versions; unset the version variable."""
    monkeypatch.delenv("NEXHEALTH_API_VERSION", raising=False)
    limited = partialmethod(Sandbox.__init__, versions=set(versions))
    monkeypatch.setattr(Sandbox, "__init__", limited)


@pytest.fixture(params=["v2", "v3"])
def account(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only version that the test's account accepts."""
    version: str = request.param
    accept_only(monkeypatch, {version})
    return version
