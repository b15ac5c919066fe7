"""The options that the commands of ``nexhealth fleet`` share: the database and the queue."""

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
_WHERE = Group("Where to", sort_key=0)


@Parameter(name="*")
@frozen(kw_only=True)
class FleetLocation:
    """The database and the queue that the processes of a fleet share."""

    to: Annotated[
        str | None,
        Parameter(
            group=_WHERE,
            help="The PostgreSQL database (postgresql://user@host/database). NEXHEALTH_PULL_TO "
            "may say it instead, and PGPASSWORD the password.",
        ),
    ] = None
    schema: Annotated[
        str | None, Parameter(group=_WHERE, help="Schema of the database (public).")
    ] = None
    redis: Annotated[
        str | None,
        Parameter(
            group=_WHERE,
            help="The Redis of the queue (redis://host:6379/0). NEXHEALTH_REDIS may say it "
            "instead, and has to if there is a password in it.",
        ),
    ] = None
    queue: Annotated[
        str, Parameter(group=_WHERE, help="Name of the queue (nexhealth), to keep several apart.")
    ] = "nexhealth"

    def target(self) -> Target:
        """Return the database; raises `CliError` for what processes cannot share."""
        where = destination(self.to, kind=None, compress=None, schema=self.schema)
        if not where.label.startswith("PostgreSQL"):
            raise CliError(
                "A fleet is many processes, and files belong to one (DuckDB's too): use --to "
                "postgresql://user@host/database, or `nexhealth pull` in one process."
            )
        return where.target

    def task_queue(self) -> FleetQueue:
        """Return the queue; raises `CliError` if none is named."""
        queue = self.task_queue_or_none()
        if queue is None:
            raise CliError(
                f"Say where the queue is: --redis redis://host:6379/0, or set {REDIS_VARIABLE}."
            )
        return queue

    def task_queue_or_none(self) -> FleetQueue | None:
        """Return the queue; None if none is named."""
        from nexhealth_async.fleet import FleetQueue

        url = self.redis or os.environ.get(REDIS_VARIABLE, "").strip()
        if not url:
            return None
        queue = FleetQueue(url=url, name=self.queue)
        if self.redis is not None and ("@" in urlsplit(url).netloc or holds_password(url)):
            raise CliError(
                "A password does not belong on the command line, where others can read it: put "
                f"the address in {REDIS_VARIABLE}."
            )
        return queue


DEFAULT_LOCATION: Final = FleetLocation()


def refuse_sandbox(entry: ConnectionOptions) -> None:
    """Raise `CliError` for a sandbox, which other processes could not reach."""
    if entry.sandbox:
        raise CliError("A sandbox ends with this command: a fleet needs a server that stays.")
