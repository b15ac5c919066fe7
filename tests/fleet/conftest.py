"""The servers that fleets need."""

from __future__ import annotations

from tests.export.postgres_server import database, postgres_server
from tests.redis_server import redis_url

__all__ = ["database", "postgres_server", "redis_url"]
