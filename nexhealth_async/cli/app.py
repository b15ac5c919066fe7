"""The command ``nexhealth``: its subcommands, its help and its usage errors."""

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

_HELP = """Use the NexHealth Synchronizer API from the command line.

The API key is read from NEXHEALTH_API_KEY, or prompted for. It is never an
argument, because other users of the machine can read command lines.
NEXHEALTH_BASE_URL selects a server other than the vendor's. The API version is
detected, unless --api-version or NEXHEALTH_API_VERSION sets it.
"""


def build_app() -> App:
    """Build the application with all commands."""
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
    """Run a command line and return its exit status."""
    return run_supervised(lambda: _execute(arguments))


def _execute(arguments: Sequence[str]) -> int:
    if "--version" in arguments[1:] and arguments[0] != "endpoints":
        terminal.print_error(
            "--version must be the only argument; --api-version sets the API version."
        )
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
            "The API key cannot be an argument, because other users of the machine can read it: "
            "set NEXHEALTH_API_KEY in the environment, or leave it unset to be prompted."
        )
    text = str(error)
    if isinstance(error, MissingArgumentError):
        text = _missing_argument_text(error, arguments)
    elif isinstance(error, UnusedCliTokensError):
        text = f"Unexpected arguments: {', '.join(error.unused_tokens or ())}; see --help."
    for word in sorted(filter(str.strip, arguments), key=len, reverse=True):
        text = text.replace(word, terminal.redact_argument(word))
    return " ".join(terminal.escape_controls(text).split())


def _missing_argument_text(error: MissingArgumentError, arguments: Sequence[str]) -> str:
    """Name the missing argument and quote its help."""
    argument = error.argument
    if argument is None or not argument.parameter.help:
        return str(error)
    used_names = [name for name in argument.names if name in arguments]
    # cyclopts gives positional arguments an option's name too, which users cannot type.
    is_positional = argument.field_info.is_positional
    name = argument.name.lstrip("-").upper().replace("-", "_") if is_positional else argument.name
    problem = f"{used_names[0]} needs a value" if used_names else f"{name} is missing"
    choices = argument.get_choices(force=True)
    choices_text = f" ({', '.join(choices)})" if choices else ""
    return f"{problem}{choices_text}: {argument.parameter.help}"
