"""One server with a location for a test, and its scanner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.privacy.sentinel_search import SentinelScanner
from tests.privacy.sentinel_server import PrivacyServer
from tests.privacy.sentinels import Sentinels

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def privacy_server() -> Generator[PrivacyServer]:
    with PrivacyServer.opened(Sentinels()) as served:
        yield served


@pytest.fixture
def watch(privacy_server: PrivacyServer) -> SentinelScanner:
    return SentinelScanner(privacy_server.marks)
