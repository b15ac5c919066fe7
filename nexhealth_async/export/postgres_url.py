"""Which database an address means, in words that hold neither the user nor the password."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from attrs import frozen

from nexhealth_async.errors import InvalidArgumentError

__all__ = ["DatabaseAddress", "parse_address"]

_SCHEMES: Final = ("postgresql", "postgres")
_PORT: Final = "5432"


@frozen(kw_only=True)
class DatabaseAddress:
    """A database as it is named to people."""

    hosts: str
    """Such as ``db.example:5432``."""
    database: str
    """Such as ``database clinic``."""
    has_password: bool
    """Whether the address, the environment or a password file may hold one."""

    @property
    def server(self) -> str:
        """Name the server, then the database, to begin a sentence with."""
        return f"PostgreSQL at {self.hosts} ({self.database})"

    @property
    def text(self) -> str:
        """Name the database, then the server."""
        return f"{self.database} at {self.hosts}"


def parse_address(url: str) -> DatabaseAddress:
    """Parse a URL as asyncpg does; `InvalidArgumentError` if it is not valid."""
    place = None
    with suppress(ValueError):
        place = _read(url)
    del url  # it may hold a password, which no traceback is to show
    if place is None:
        raise InvalidArgumentError(
            "this is no address of a PostgreSQL database; it is such as "
            "postgresql://user@host:5432/database, with special characters as in %40"
        )
    return place


def _read(url: str) -> DatabaseAddress:
    parts = urlsplit(url)
    found = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    options = {name: values[-1] for name, values in found.items()}
    named = bool(parts.netloc or parts.path.strip("/") or options)
    if parts.scheme not in _SCHEMES or not (named or _environment("PGHOST", "PGDATABASE")):
        raise ValueError
    # Where a mark in a password is not quoted, the rest of it would be taken for something else.
    cut = "@" in parts.query and "@" not in parts.netloc
    if parts.netloc.count("@") > 1 or "@" in parts.path or parts.fragment or cut:
        raise ValueError
    return DatabaseAddress(
        hosts=_hosts(parts, options),
        database=_database(parts, options),
        has_password=_has_password(parts, options),
    )


def _hosts(parts: SplitResult, options: Mapping[str, str]) -> str:
    port = options.get("port") or os.environ.get("PGPORT") or _PORT
    given = parts.netloc.rpartition("@")[2] or options.get("host") or os.environ.get("PGHOST")
    if given:
        return ", ".join(_host(unquote(one), port) for one in given.split(","))
    return "the host of its service" if _service(options) else f"this machine:{port}"


def _host(text: str, port: str) -> str:
    if text.startswith("/"):
        return text
    name, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, number = text, port
    if not name or not all(one.isdecimal() for one in number.split(",")):
        raise ValueError
    return f"{name}:{number}"


def _database(parts: SplitResult, options: Mapping[str, str]) -> str:
    given = unquote(parts.path.removeprefix("/"))
    name = given or options.get("dbname") or options.get("database") or os.environ.get("PGDATABASE")
    return f"database {name}" if name else "the user's own database"


def _has_password(parts: SplitResult, options: Mapping[str, str]) -> bool:
    if parts.password or options.get("password") or _environment("PGPASSWORD"):
        return True
    # Files are not read here: whoever has one is told that the password may be wrong.
    return bool(_service(options)) or any(map(_is_file, _password_files(options)))


def _is_file(path: Path) -> bool:
    with suppress(OSError):  # one that may not be looked at is as good as none
        return path.is_file()
    return False


def _password_files(options: Mapping[str, str]) -> Iterator[Path]:
    named = options.get("passfile") or os.environ.get("PGPASSFILE")
    if named:
        yield Path(named)
        return
    with suppress(RuntimeError):
        yield Path.home() / ".pgpass"
    if appdata := os.environ.get("APPDATA"):
        yield Path(appdata, "postgresql", "pgpass.conf")


def _service(options: Mapping[str, str]) -> str | None:
    return options.get("service") or os.environ.get("PGSERVICE")


def _environment(*names: str) -> bool:
    return any(os.environ.get(name) for name in names)
