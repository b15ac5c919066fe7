"""The servers that shared stores need."""

from __future__ import annotations

from tests.redis_server import redis_url

__all__ = ["redis_url"]
