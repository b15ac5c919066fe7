"""The command ``nexhealth`` as a whole: its commands and its help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, MissingArgumentError, UnusedCliTokensError

from nexhealth_async._version import __version__
from nexhealth_async.cli import terminal
from nexhealth_async.cli.check import check
from nexhealth_async.cli.completion import completion
from nexhealth_async.cli.endpoints import endpoints
from nexhealth_async.cli.exit_status import MISUSED, run_supervised
from nexhealth_async.cli.fleet import fleet
from nexhealth_async.cli.help_text import EVERY, epilogue
from nexhealth_async.cli.practices import practices
from nexhealth_async.cli.pull import pull
from nexhealth_async.cli.sandbox import sandbox
from nexhealth_async.cli.webhooks import webhooks

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build_app", "run"]

_HELP = """The NexHealth Synchronizer API from the command line.

The API key is read from NEXHEALTH_API_KEY in the environment, or asked for;
it is never an argument, because other users of the machine can see those.
NEXHEALTH_BASE_URL names another server than the vendor's. The version of the
API is found out, unless --api-version or NEXHEALTH_API_VERSION names one.
"""


def build_app() -> App:
    """Make the command with all its commands."""
    app = App(
        name="nexhealth",
        help=_HELP,
        help_epilogue=EVERY,
        help_format="plaintext",
        version=__version__,
        version_format="plaintext",
        suppress_keyboard_interrupt=False,
        console=terminal.help_console(),
    )
    for command in (check, practices, pull, endpoints, sandbox, completion):
        app.command(command, help_epilogue=epilogue(command.__name__))
    for group, names in ((webhooks, ("list", "ensure")), (fleet, ("pull", "work", "status"))):
        app.command(group)
        group.help_epilogue = epilogue(group.name[0])
        for name in names:
            group[name].help_epilogue = epilogue(group.name[0], name)
    return app


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line and return its exit status."""
    return run_supervised(lambda: _execute(arguments))


def _execute(arguments: Sequence[str]) -> int:
    if "--version" in arguments[1:] and arguments[0] != "endpoints":
        terminal.print_error("--version stands alone; --api-version names the version of the API.")
        return MISUSED
    app = build_app()
    try:
        command, bound, unparsed = app.parse_args(
            list(arguments), exit_on_error=False, print_error=False
        )
    except CycloptsError as error:
        terminal.print_error(_usage_error_text(error, arguments))
        return MISUSED
    if "app" in unparsed:
        bound.arguments["app"] = app
    status = command(*bound.args, **bound.kwargs)
    return status if isinstance(status, int) else 0


_KEYS = frozenset({"--api-key", "--apikey", "--key", "--token", "--nexhealth-api-key"})


def _usage_error_text(error: CycloptsError, arguments: Sequence[str]) -> str:
    if _KEYS.intersection(word.partition("=")[0].lower() for word in arguments):
        return (
            "The API key is no argument, since other users of the machine can see those: set "
            "NEXHEALTH_API_KEY in the environment, or leave it out to be asked for it."
        )
    text = str(error)
    if isinstance(error, MissingArgumentError):
        text = _missing(error, arguments)
    elif isinstance(error, UnusedCliTokensError):
        text = f"Nothing is known of {', '.join(error.unused_tokens or ())} here; see --help."
    for word in sorted(filter(str.strip, arguments), key=len, reverse=True):
        text = text.replace(word, terminal.shell_quote(word))
    return " ".join(terminal.escape_controls(text).split())


def _missing(error: MissingArgumentError, arguments: Sequence[str]) -> str:
    """Name what is missing, and say what it is."""
    argument = error.argument
    if argument is None or not argument.parameter.help:
        return str(error)
    given = [name for name in argument.names if name in arguments]
    # What stands on its own has an option's name, too, but is called by its place.
    is_placed = argument.field_info.is_positional
    name = argument.name.lstrip("-").upper().replace("-", "_") if is_placed else argument.name
    what = f"{given[0]} needs a value" if given else f"{name} is missing"
    choices = argument.get_choices(force=True)
    offered = f" ({', '.join(choices)})" if choices else ""
    return f"{what}{offered}: {argument.parameter.help}"
