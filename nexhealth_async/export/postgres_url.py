"""PostgreSQL URLs, and the names of their databases without user and password."""

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
    """The name of a database for messages."""

    hosts: str
    """Hosts with ports, such as ``db.example:5432``."""
    database: str
    """Name such as ``database clinic``."""
    has_password: bool
    """True if the URL, the environment or a password file may hold a password."""

    @property
    def server(self) -> str:
        """The server, then the database, for the start of a sentence."""
        return f"PostgreSQL at {self.hosts} ({self.database})"

    @property
    def text(self) -> str:
        """The database, then the server."""
        return f"{self.database} at {self.hosts}"


def parse_address(url: str) -> DatabaseAddress:
    """Parse a URL as asyncpg does.

    Raises:
        InvalidArgumentError: The URL is not valid.
    """
    address = None
    with suppress(ValueError):
        address = _read(url)
    del url  # tracebacks must not show a password
    if address is None:
        raise InvalidArgumentError(
            "invalid PostgreSQL URL; expected something like "
            "postgresql://user@host:5432/database, with special characters percent-encoded"
        )
    return address


def _read(url: str) -> DatabaseAddress:
    parts = urlsplit(url)
    query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    options = {name: values[-1] for name, values in query.items()}
    is_named = bool(parts.netloc or parts.path.strip("/") or options)
    if parts.scheme not in _SCHEMES or not (is_named or _environment("PGHOST", "PGDATABASE")):
        raise ValueError
    # A special character in a password that is not encoded would end it early.
    is_cut = "@" in parts.query and "@" not in parts.netloc
    if parts.netloc.count("@") > 1 or "@" in parts.path or parts.fragment or is_cut:
        raise ValueError
    return DatabaseAddress(
        hosts=_hosts(parts, options),
        database=_database(parts, options),
        has_password=_has_password(parts, options),
    )


def _hosts(parts: SplitResult, options: Mapping[str, str]) -> str:
    port = options.get("port") or os.environ.get("PGPORT") or _PORT
    hosts = parts.netloc.rpartition("@")[2] or options.get("host") or os.environ.get("PGHOST")
    if hosts:
        return ", ".join(_host(unquote(host), port) for host in hosts.split(","))
    return "the host of its service" if _service(options) else f"this machine:{port}"


def _host(text: str, port: str) -> str:
    if text.startswith("/"):
        return text
    name, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, number = text, port
    if not name or not all(part.isdecimal() for part in number.split(",")):
        raise ValueError
    return f"{name}:{number}"


def _database(parts: SplitResult, options: Mapping[str, str]) -> str:
    path = unquote(parts.path.removeprefix("/"))
    name = path or options.get("dbname") or options.get("database") or os.environ.get("PGDATABASE")
    return f"database {name}" if name else "the user's own database"


def _has_password(parts: SplitResult, options: Mapping[str, str]) -> bool:
    if parts.password or options.get("password") or _environment("PGPASSWORD"):
        return True
    # Password files are not read: a message then says that the password may be wrong.
    return bool(_service(options)) or any(map(_is_file, _password_files(options)))


def _is_file(path: Path) -> bool:
    with suppress(OSError):  # an unreadable path counts as missing
        return path.is_file()
    return False


def _password_files(options: Mapping[str, str]) -> Iterator[Path]:
    passfile = options.get("passfile") or os.environ.get("PGPASSFILE")
    if passfile:
        yield Path(passfile)
        return
    with suppress(RuntimeError):
        yield Path.home() / ".pgpass"
    if appdata := os.environ.get("APPDATA"):
        yield Path(appdata, "postgresql", "pgpass.conf")


def _service(options: Mapping[str, str]) -> str | None:
    return options.get("service") or os.environ.get("PGSERVICE")


def _environment(*names: str) -> bool:
    return any(os.environ.get(name) for name in names)
