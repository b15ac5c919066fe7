"""``nexhealth fleet``: spread one pull over many processes through a queue in Redis."""

from __future__ import annotations

from cyclopts import App

from nexhealth_async.cli.fleet_pull import pull
from nexhealth_async.cli.fleet_status import status
from nexhealth_async.cli.fleet_work import work

__all__ = ["fleet"]

fleet: App = App(
    name="fleet",
    help="Spread a pull over processes: one plans it, many work on it, any shows its status.",
    help_format="plaintext",
)
for _command in (pull, work, status):
    fleet.command(_command)
