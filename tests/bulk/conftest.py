"""A database server for the tests of pulls."""

from __future__ import annotations

from tests.export.postgres_server import database, postgres_server

__all__ = ["database", "postgres_server"]
