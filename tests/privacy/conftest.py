"""One office for a test, and the watch over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.privacy.sentinel_search import Watch
from tests.privacy.sentinel_server import Office
from tests.privacy.sentinels import Marks

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def office() -> Generator[Office]:
    with Office.opened(Marks()) as served:
        yield served


@pytest.fixture
def watch(office: Office) -> Watch:
    return Watch(office.marks)
