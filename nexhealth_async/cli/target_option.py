"""Targets named by ``--to`` or ``NEXHEALTH_PULL_TO``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from nexhealth_async.cli.exit_status import CliError

if TYPE_CHECKING:
    from nexhealth_async.bulk import Target

__all__ = ["VARIABLE", "Destination", "destination", "holds_password", "is_set", "may_exist"]

_Files: TypeAlias = Literal["jsonl", "parquet"]
_Compression: TypeAlias = Literal["gzip", "zstd"]

VARIABLE = "NEXHEALTH_PULL_TO"
_DUCKDB = (".duckdb", ".ddb", ".db")
_POSTGRES = ("postgresql://", "postgres://")
_FILES = (".jsonl", ".json", ".parquet", ".csv", ".gz", ".zst")


@frozen(kw_only=True)
class Destination:
    """The target of a bulk pull."""

    target: Target = field(repr=False)
    label: str
    """Name of the target for messages, without user and password."""
    rejected: str
    """Name of the table or file of the rejected records."""
    path: Path | None = None
    """The file or directory; None for a server."""

    def is_missing(self) -> bool:
        """Return whether it is a file or directory that does not exist."""
        return self.path is not None and not self.path.exists()


def may_exist(to: str | None, *, databases: bool = True) -> bool:
    """Return whether the target exists.

    Args:
        to: Value of ``--to``; None for the environment's target.
        databases: The result for a database server, which is not asked.
    """
    name = to or _configured()
    if name.startswith(_POSTGRES):
        return databases
    return bool(name) and Path(name).exists()


def is_set() -> bool:
    """Return whether the environment names a target."""
    return bool(_configured())


def _configured() -> str:
    return os.environ.get(VARIABLE, "").strip()


def destination(
    to: str | None,
    *,
    kind: _Files | None,
    compress: _Compression | None,
    schema: str | None,
) -> Destination:
    """Return the target that ``--to`` or the environment names, without opening or creating it.

    Raises:
        CliError: The target or its options are invalid.
        UsageError: An extra is missing.
    """
    name = to or _configured()
    if not name:
        raise CliError(
            "Add a target: --to practice.duckdb, --to out/ or --to postgresql://user@host/database."
        )
    is_database = name.startswith(_POSTGRES)
    if schema is not None and not is_database:
        raise CliError("--schema belongs to PostgreSQL: leave it out.")
    if is_database:
        _check_file_options(kind, compress)
        return _postgres(name, schema, on_command_line=to is not None)
    if "://" in name:
        raise CliError("--to takes a DuckDB file, a directory or postgresql://user@host/database.")
    path = Path(name)
    if path.suffix in _DUCKDB and not path.is_dir():
        _check_file_options(kind, compress)
        return _duckdb(path)
    return _directory(name, path, kind, compress)


def _duckdb(path: Path) -> Destination:
    from nexhealth_async.export import DuckDBTarget

    return Destination(
        target=DuckDBTarget(path),
        label=str(path),
        rejected="the table _rejected",
        path=path,
    )


def _postgres(url: str, schema: str | None, *, on_command_line: bool) -> Destination:
    from nexhealth_async.export import PostgresTarget

    if on_command_line and holds_password(url):
        raise CliError(
            "--to cannot contain a password, because other users can read command lines: put it in "
            f"PGPASSWORD or a password file, or the whole URL in {VARIABLE}."
        )
    schema = schema or "public"
    target = PostgresTarget(url, schema=schema)
    return Destination(
        target=target,
        label=f"PostgreSQL, {target.address}, schema {schema}",
        rejected="the table _rejected",
    )


def _directory(
    name: str,
    path: Path,
    kind: _Files | None,
    compress: _Compression | None,
) -> Destination:
    has_slash = name.endswith(("/", os.sep))
    if path.suffix in _FILES and not has_slash:
        raise CliError(
            f"--to takes a directory, such as {path.stem}/, in which each list has its own file."
        )
    if path.exists() and not path.is_dir():
        raise CliError(
            f"{path} is a file whose name does not end in {' or '.join(_DUCKDB)}: "
            "name a DuckDB file or a directory."
        )
    if path.suffix and not path.exists() and not has_slash:
        raise CliError(
            f"The suffix of {path} is unknown: name a DuckDB file ({path.stem}.duckdb), or add a "
            "slash to the name of a directory."
        )
    rejected = f"{path}/_rejected.jsonl"
    if kind is None and compress is None:
        kind, compress = _existing_format(path)
    if kind == "parquet":
        if compress is not None:
            raise CliError("Parquet files are compressed anyway: leave out --compress.")
        from nexhealth_async.export import ParquetTarget

        return Destination(
            target=ParquetTarget(path), label=f"{path}/", rejected=rejected, path=path
        )
    from nexhealth_async.export import JsonLinesTarget

    target = JsonLinesTarget(path, compression=compress)
    return Destination(target=target, label=f"{path}/", rejected=rejected, path=path)


def _existing_format(path: Path) -> tuple[_Files | None, _Compression | None]:
    """Return the file format and compression of an existing pull, so that resuming keeps them."""
    from nexhealth_async.export import JsonLinesTarget

    match JsonLinesTarget.saved_format(path):
        case "parquet":
            return "parquet", None
        case "jsonl.gz":
            return "jsonl", "gzip"
        case "jsonl.zst":
            return "jsonl", "zstd"
        case _:
            return None, None


def _check_file_options(kind: str | None, compress: str | None) -> None:
    if kind is not None or compress is not None:
        raise CliError(
            "--format and --compress belong to files, not to a database: leave them out."
        )


def holds_password(url: str) -> bool:
    """Return whether a URL has a password, after the user or in the query."""
    try:
        parts = urlsplit(url)
        names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        return "@" in url
    return parts.password is not None or any(name.endswith("password") for name in names)
