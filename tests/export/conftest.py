"""Databases for the tests of targets."""

from __future__ import annotations

from tests.export.database_helpers import stage
from tests.export.postgres_server import database, postgres_server

__all__ = ["database", "postgres_server", "stage"]
