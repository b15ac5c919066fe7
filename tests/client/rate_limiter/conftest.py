"""Simulated time for all tests of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.client.rate_limiter.helpers import simulated_time

if TYPE_CHECKING:
    from tests.conftest import MovableLoop


@pytest.fixture(autouse=True)
def simulated(loop: MovableLoop) -> MovableLoop:
    simulated_time(loop)
    return loop
