"""Contents of a target, read without the target's own code."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import duckdb
import zstandard

from tests.export.postgres_server import connected

__all__ = ["Contents", "pulls_in", "read_back", "read_rejected"]

Contents: TypeAlias = "dict[tuple[str, str], list[str]]"
"""Rows by resource and practice as sorted text, without what differs between two pulls."""

_Rows: TypeAlias = "Iterable[Mapping[str, object]]"
_Found: TypeAlias = dict[tuple[str, str], list[Mapping[str, object]]]
_OURS = ("_pull", "_practice", "_shard")


async def read_rejected(kind: str, place: str) -> Contents:
    """Return the rejected records of a target, without the pull they came in."""
    if kind == "duckdb":
        rows = await _duckdb(place, "_rejected")
    elif kind == "postgres":
        rows = await _postgres(place, "_rejected")
    else:
        lines = (Path(place) / "_rejected.jsonl").read_bytes().splitlines()
        rows = [json.loads(line) for line in lines]
    found: Contents = {}
    for row in rows:
        practice = row["_practice"] if "_practice" in row else row["practice"]
        record = row["record"]
        kept: Any = json.loads(record) if isinstance(record, str) else record
        path = str(row["path"])
        # Single reads show more of a record than lists do, so only these fields are compared.
        sent = {name: kept[name] for name in ("id", "updated_at", path)}
        what = {"key": row["key"], "path": path, "record": sent}
        found.setdefault((str(row["resource"]), str(practice)), []).append(
            json.dumps(what, sort_keys=True)
        )
    return {key: sorted(rows) for key, rows in found.items()}


async def read_back(kind: str, place: str, resources: Iterable[str]) -> Contents:
    """Return the contents of a target, without the rejected records."""
    if kind in ("duckdb", "postgres"):
        read = _duckdb if kind == "duckdb" else _postgres
        found = _Found()
        for resource in resources:
            for row in await read(place, resource):
                found.setdefault((resource, str(row["_practice"])), []).append(row)
    else:
        found = _files(kind, Path(place))
    return {key: sorted(map(_text, rows)) for key, rows in found.items()}


async def pulls_in(kind: str, place: str, resources: Iterable[str]) -> set[str]:
    """Return the pulls that the rows of a database came with."""
    read = _duckdb if kind == "duckdb" else _postgres
    return {str(row["_pull"]) for resource in resources for row in await read(place, resource)} - {
        ""
    }


def _files(kind: str, folder: Path) -> _Found:
    found = _Found()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and len(inside) == 3:
            assert not path.name.startswith("."), "something unfinished was left"
            practice = inside[1].removeprefix("practice=")
            found.setdefault((inside[0], practice), []).extend(_file(kind, path))
    return found


def _text(row: Mapping[str, object]) -> str:
    kept = {name: value for name, value in row.items() if name not in _OURS}
    return json.dumps(kept, sort_keys=True, default=str)


def _file(kind: str, path: Path) -> _Rows:
    if kind == "parquet":
        return _select(duckdb.connect(), f"read_parquet('{path}', hive_partitioning = false)")
    content = path.read_bytes()
    if kind == "gzip":
        content = gzip.decompress(content)
    if kind == "zstd":
        reader = zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(content), read_across_frames=True
        )
        content = reader.read()
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


async def _duckdb(place: str, resource: str) -> _Rows:
    return _select(duckdb.connect(place, read_only=True), f'"{resource}"')


def _select(db: duckdb.DuckDBPyConnection, source: str) -> _Rows:
    with db:
        found = db.execute(f"select * from {source}")  # noqa: S608 - our own words
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


async def _postgres(place: str, resource: str) -> _Rows:
    async with connected(place) as db:
        rows = await db.fetch(f'select * from "{resource}"')  # noqa: S608 - our own name
        return [dict(cast("Mapping[str, object]", row)) for row in rows]
