"""Targets of bulk pulls: files, databases and Arrow tables in memory.

Most targets need an optional extra; the error for a missing one names it. The modules are loaded on
first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexhealth_async.export.arrow import schema_of, table_of, tables_of, to_arrow
    from nexhealth_async.export.duckdb import DuckDBTarget
    from nexhealth_async.export.jsonl import JsonLinesTarget
    from nexhealth_async.export.parquet import ParquetTarget
    from nexhealth_async.export.postgres import PostgresTarget

__all__ = [
    "DuckDBTarget",
    "JsonLinesTarget",
    "ParquetTarget",
    "PostgresTarget",
    "schema_of",
    "table_of",
    "tables_of",
    "to_arrow",
]

_HOME = {
    "DuckDBTarget": "duckdb",
    "JsonLinesTarget": "jsonl",
    "ParquetTarget": "parquet",
    "PostgresTarget": "postgres",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME.get(name, 'arrow')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
