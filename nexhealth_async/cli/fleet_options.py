"""Options that the commands of ``nexhealth fleet`` share: the database and the queue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from attrs import frozen
from cyclopts import Group, Parameter

from nexhealth_async.cli.exit_status import CliError
from nexhealth_async.cli.target_option import destination, holds_password

if TYPE_CHECKING:
    from nexhealth_async.bulk import Target
    from nexhealth_async.cli.open_session import ConnectionOptions
    from nexhealth_async.fleet import FleetQueue

__all__ = ["DEFAULT_LOCATION", "REDIS_VARIABLE", "FleetLocation", "refuse_sandbox"]

REDIS_VARIABLE: Final = "NEXHEALTH_REDIS"
_WHERE = Group("Target and queue", sort_key=0)


@Parameter(name="*")
@frozen(kw_only=True)
class FleetLocation:
    """The database and the queue that the processes of a fleet share."""

    to: Annotated[
        str | None,
        Parameter(
            group=_WHERE,
            help="The PostgreSQL database (postgresql://user@host/database); by default "
            "NEXHEALTH_PULL_TO. The password is read from PGPASSWORD.",
        ),
    ] = None
    schema: Annotated[
        str | None, Parameter(group=_WHERE, help="Schema of the database (public).")
    ] = None
    redis: Annotated[
        str | None,
        Parameter(
            group=_WHERE,
            help="Redis URL of the queue (redis://host:6379/0); by default NEXHEALTH_REDIS. "
            "A URL with a password must be in NEXHEALTH_REDIS.",
        ),
    ] = None
    queue: Annotated[
        str, Parameter(group=_WHERE, help="Name of the queue (nexhealth), if there are several.")
    ] = "nexhealth"

    def target(self) -> Target:
        """Return the database; raise `CliError` for a target that processes cannot share."""
        resolved = destination(self.to, kind=None, compress=None, schema=self.schema)
        if not resolved.label.startswith("PostgreSQL"):
            raise CliError(
                "Processes cannot share files or a DuckDB file: use --to "
                "postgresql://user@host/database, or `nexhealth pull` in one process."
            )
        return resolved.target

    def task_queue(self) -> FleetQueue:
        """Return the queue; raise `CliError` if none is configured."""
        queue = self.task_queue_or_none()
        if queue is None:
            raise CliError(
                f"No queue is configured: add --redis redis://host:6379/0, or set {REDIS_VARIABLE}."
            )
        return queue

    def task_queue_or_none(self) -> FleetQueue | None:
        """Return the queue, or None if none is configured."""
        from nexhealth_async.fleet import FleetQueue

        url = self.redis or os.environ.get(REDIS_VARIABLE, "").strip()
        if not url:
            return None
        queue = FleetQueue(url=url, name=self.queue)
        if self.redis is not None and ("@" in urlsplit(url).netloc or holds_password(url)):
            raise CliError(
                "--redis cannot contain a password, because other users can read command lines: "
                f"set {REDIS_VARIABLE} instead."
            )
        return queue


DEFAULT_LOCATION: Final = FleetLocation()


def refuse_sandbox(entry: ConnectionOptions) -> None:
    """Raise `CliError` for ``--sandbox``, which other processes cannot reach."""
    if entry.sandbox:
        raise CliError(
            "--sandbox ends with this command: start `nexhealth sandbox`, and set "
            "NEXHEALTH_BASE_URL to its address."
        )
