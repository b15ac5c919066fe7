"""The command ``nexhealth`` as a whole: its commands and its help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, UnusedCliTokensError

from nexhealth_async._version import __version__
from nexhealth_async.cli import screen
from nexhealth_async.cli.check import check
from nexhealth_async.cli.completion import completion
from nexhealth_async.cli.endpoints import endpoints
from nexhealth_async.cli.fleet import fleet
from nexhealth_async.cli.life import MISUSED, supervised
from nexhealth_async.cli.manual import EVERY, epilogue
from nexhealth_async.cli.practices import practices
from nexhealth_async.cli.pull import pull
from nexhealth_async.cli.serve import sandbox
from nexhealth_async.cli.webhooks import webhooks

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build", "run"]

_HELP = """The NexHealth Synchronizer API from the command line.

The API key is read from NEXHEALTH_API_KEY in the environment, or asked for;
it is never an argument, because other users of the machine can see those.
NEXHEALTH_BASE_URL names another server than the vendor's. The version of the
API is found out, unless --api-version or NEXHEALTH_API_VERSION names one.
"""


def build() -> App:
    """Make the command with all its commands."""
    app = App(
        name="nexhealth",
        help=_HELP,
        help_epilogue=EVERY,
        help_format="plaintext",
        version=__version__,
        version_format="plaintext",
        suppress_keyboard_interrupt=False,
        console=screen.help_console(),
    )
    for command in (check, practices, pull, endpoints, sandbox, completion):
        app.command(command, help_epilogue=epilogue(command.__name__))
    for group, names in ((webhooks, ("list", "ensure")), (fleet, ("pull", "work", "status"))):
        app.command(group)
        for name in names:
            group[name].help_epilogue = epilogue(group.name[0], name)
    return app


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line and return its exit status."""
    return supervised(lambda: _carry_out(arguments))


def _carry_out(arguments: Sequence[str]) -> int:
    if "--version" in arguments[1:]:
        screen.error("--version stands alone; --api-version names the version of the API.")
        return MISUSED
    app = build()
    try:
        command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        screen.error(_misuse(error, arguments))
        return MISUSED
    status = command(*bound.args, **bound.kwargs)
    return status if isinstance(status, int) else 0


def _misuse(error: CycloptsError, arguments: Sequence[str]) -> str:
    text = str(error)
    if isinstance(error, UnusedCliTokensError):
        text = f"Nothing is known of {', '.join(error.unused_tokens or ())} here; see --help."
    for word in sorted(filter(str.strip, arguments), key=len, reverse=True):
        text = text.replace(word, screen.repeatable(word))
    return " ".join(screen.clean(text).split())
