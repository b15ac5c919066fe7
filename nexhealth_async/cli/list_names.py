"""Validation of the list names on the command line against the API version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async._protocol.api_versions import V2, V3
from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import CliError
from nexhealth_async.errors import InvalidArgumentError, NexHealthError, NotInVersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_names", "lists_of"]


def check_names(names: Sequence[str], version: str | None) -> None:
    """Check that lists can be pulled.

    Args:
        names: The lists.
        version: The API version; None while it is unknown, which rejects only lists that no
            version has.

    Raises:
        CliError: A list cannot be pulled; the message says which one can.
    """
    from nexhealth_async.bulk import facts

    for name in names:
        try:
            facts(name, version or V2)
        except (InvalidArgumentError, NotInVersionError) as error:
            other = _other_version(name, version or V2)
            if other is not None and version is None:
                continue
            if other is not None:
                raise CliError(
                    f"{name} cannot be pulled from {version}: add --api-version {other}."
                ) from None
            text = _unknown_name_text(error, name)
            if "." not in name:  # the lists of a single record resemble none of these
                text += f"\nThese can be pulled: {', '.join(lists_of(version))}."
            raise CliError(text) from None


def lists_of(version: str | None) -> Sequence[str]:
    """Return the lists that can be pulled; those of every version if ``version`` is None."""
    from nexhealth_async.bulk import resources

    if version is not None:
        return resources(version)
    return tuple(dict.fromkeys((*resources(V2), *resources(V3))))


def _other_version(name: str, version: str) -> str | None:
    """Return the other API version if it has the list, else None."""
    from nexhealth_async.bulk import facts

    other = "v3" if version.startswith("v2") else "v2"
    try:
        facts(name, other)
    except NexHealthError:
        return None
    return other


def _unknown_name_text(error: NexHealthError, name: str) -> str:
    """Describe an invalid list name, and suggest the nearest one."""
    from difflib import get_close_matches

    if error.message.startswith(f"{name} "):
        problem, _, solution = error.message.partition("; ")
        return f"{problem}; in Python, {solution}." if ".walk" in solution else f"{problem}."
    matches = get_close_matches(name, lists_of(None), 1, 0.7)
    hint = f"; did you mean {matches[0]}?" if matches else "."
    return f"{terminal.redact_argument(name)}: there is no such list{hint}"
