"""What ``--to`` names."""

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
_Packing: TypeAlias = Literal["gzip", "zstd"]

VARIABLE = "NEXHEALTH_PULL_TO"
_DUCKDB = (".duckdb", ".ddb", ".db")
_POSTGRES = ("postgresql://", "postgres://")
_FILES = (".jsonl", ".json", ".parquet", ".csv", ".gz", ".zst")


@frozen(kw_only=True)
class Destination:
    """Where a bulk pull goes."""

    target: Target = field(repr=False)
    label: str
    """How it is called; without a user and a password."""
    rejected: str
    """Where it keeps the records that could not be read."""
    path: Path | None = None
    """The file or directory; None for a server."""

    def is_missing(self) -> bool:
        """Tell whether it is a file or directory that is not there yet."""
        return self.path is not None and not self.path.exists()


def may_exist(to: str | None, *, databases: bool = True) -> bool:
    """Tell whether something was copied to this place before, or may have been.

    Whether a database server holds anything is not looked up; ``databases`` is the answer then.
    """
    where = to or _configured()
    if where.startswith(_POSTGRES):
        return databases
    return bool(where) and Path(where).exists()


def is_set() -> bool:
    """Tell whether the environment says where to pull to."""
    return bool(_configured())


def _configured() -> str:
    return os.environ.get(VARIABLE, "").strip()


def destination(
    to: str | None,
    *,
    kind: _Files | None,
    compress: _Packing | None,
    schema: str | None,
) -> Destination:
    """Return the target that ``--to`` names.

    Nothing is opened or made yet. Raises `CliError` for what cannot be, and `UsageError` if an
    extra is missing.
    """
    where = to or _configured()
    if not where:
        raise CliError(
            "Say where to: --to practice.duckdb, --to out/ or --to postgresql://user@host/database."
        )
    is_database = where.startswith(_POSTGRES)
    if schema is not None and not is_database:
        raise CliError("--schema belongs to PostgreSQL: leave it out.")
    if is_database:
        _check_file_options(kind, compress)
        return _postgres(where, schema, typed=to is not None)
    if "://" in where:
        raise CliError("--to takes a DuckDB file, a directory or postgresql://user@host/database.")
    path = Path(where)
    if path.suffix in _DUCKDB and not path.is_dir():
        _check_file_options(kind, compress)
        return _duckdb(path)
    return _folder(where, path, kind, compress)


def _duckdb(path: Path) -> Destination:
    from nexhealth_async.export import DuckDBTarget

    return Destination(
        target=DuckDBTarget(path),
        label=str(path),
        rejected="the table _rejected",
        path=path,
    )


def _postgres(url: str, schema: str | None, *, typed: bool) -> Destination:
    from nexhealth_async.export import PostgresTarget

    if typed and holds_password(url):
        raise CliError(
            "A password does not belong on the command line, where others can read it: put it in "
            f"PGPASSWORD or a password file, or the whole address in {VARIABLE}."
        )
    schema = schema or "public"
    target = PostgresTarget(url, schema=schema)
    return Destination(
        target=target,
        label=f"PostgreSQL, {target.address}, schema {schema}",
        rejected="the table _rejected",
    )


def _folder(
    to: str,
    path: Path,
    kind: _Files | None,
    compress: _Packing | None,
) -> Destination:
    is_named_so = to.endswith(("/", os.sep))
    if path.suffix in _FILES and not is_named_so:
        raise CliError(
            f"--to takes a directory for files, such as {path.stem}/, since each list has its own."
        )
    if path.exists() and not path.is_dir():
        raise CliError(
            f"{path} is a file whose name does not end in {' or '.join(_DUCKDB)}: "
            "name a DuckDB file or a directory."
        )
    if path.suffix and not path.exists() and not is_named_so:
        raise CliError(
            f"{path} could be a file of a kind there is not: name a DuckDB file "
            f"({path.stem}.duckdb), or end the name of a directory in a slash."
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


def _existing_format(path: Path) -> tuple[_Files | None, _Packing | None]:
    """Return in which form a directory holds a pull already, so that resuming need not say it."""
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
    """Tell whether a password stands in an address: behind the user, or among the options."""
    try:
        parts = urlsplit(url)
        names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        return "@" in url
    return parts.password is not None or any(name.endswith("password") for name in names)
