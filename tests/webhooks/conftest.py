"""Stores of every kind, each empty."""

from __future__ import annotations

from tests.redis_server import redis_url

__all__ = ["redis_url"]
