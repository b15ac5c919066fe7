"""A sandbox in a thread, so that its work does not wait for the test's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nexhealth_async.sandbox import Sandbox
from nexhealth_async.testing import SandboxThread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def thread() -> Iterator[SandboxThread]:
    with SandboxThread(Sandbox(patients=60, seed=7)) as running:
        yield running


@pytest.fixture
def sandbox(thread: SandboxThread) -> Sandbox:
    return thread.sandbox
