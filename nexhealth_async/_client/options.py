"""Options of sessions and their copies, and their validation."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from attrs import field, frozen

from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async._protocol.requests import check_subdomain, version_name
from nexhealth_async._version import __version__
from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from nexhealth_async._protocol.retry import RetryPolicy

__all__ = [
    "VERSION_VARIABLE",
    "OnIgnored",
    "Options",
    "SecretValue",
    "build_user_agent",
    "resolve_version",
    "validate_key",
    "validate_options",
]

VERSION_VARIABLE = "NEXHEALTH_API_VERSION"

OnIgnored: TypeAlias = Literal["raise", "warn"]
"""Reaction to filters that the server ignored: raise an error or warn."""


@frozen(kw_only=True)
class Options:
    """Options in which copies of a session may differ."""

    version: str
    """A literal version, or ``"auto"``."""
    subdomain: str | None
    location_id: int | None
    timeout: float | None
    timeout_chosen: bool
    """False for the default timeout; prefetched pages then wait for the rate limit without one."""
    retry: RetryPolicy
    on_ignored: OnIgnored


@frozen
class SecretValue:
    """A text that ``repr`` hides, also in tracebacks with local variables."""

    value: str = field(repr=False)


def resolve_version(version: str | None, variable: str | None = None) -> str:
    """Return a literal version or ``"auto"``, from the argument or else from the variable."""
    if version is None and variable and variable.strip():
        try:
            return resolve_version(variable.strip())
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{VERSION_VARIABLE}: {error.message}") from None
    if version is None or version == AUTO:
        return AUTO
    try:
        return version_name(version)
    except InvalidArgumentError:
        raise InvalidArgumentError(
            'version must be "auto", "v2", "v3" or a literal version such as "v3.1.0"'
        ) from None


def validate_key(api_key: SecretValue | None) -> SecretValue:
    """Return the stripped key; raise if it cannot be one, without showing it."""
    if api_key is None or not api_key.value.strip():
        raise InvalidArgumentError("the API key is missing; pass one or set NEXHEALTH_API_KEY")
    if not _may_be_key(api_key.value.strip()):
        raise InvalidArgumentError(
            "the API key has invalid characters (spaces, line breaks, a Bearer prefix?); "
            "pass it exactly as the developer portal shows it"
        )
    return SecretValue(api_key.value.strip())


def _may_be_key(text: str) -> bool:
    return text.isascii() and text.isprintable() and text.split() == [text]


def validate_options(options: Options) -> Options:
    """Return the options; raise if one of them is invalid."""
    if options.subdomain is not None:
        check_subdomain(options.subdomain)
    location = cast("object", options.location_id)
    if location is not None and (isinstance(location, bool) or not isinstance(location, int)):
        advice = "; convert it with int()" if isinstance(location, str) else ""
        raise InvalidArgumentError(
            f"location_id must be a whole number, not {type(location).__name__}{advice}"
        )
    seconds = cast("object", options.timeout)
    if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
        raise InvalidArgumentError(
            "timeout must be a number of seconds, more than 0, or None for no limit"
        )
    if options.on_ignored not in ("raise", "warn"):
        raise InvalidArgumentError('on_ignored must be "raise" or "warn"')
    return options


def build_user_agent(application: str | None) -> str:
    """Return the User-Agent: the application's name, then the library's."""
    own = f"nexhealth_async/{__version__} (Python {platform.python_version()})"
    if application is None:
        return own
    if not application.isascii() or not application.isprintable() or not application.strip():
        raise InvalidArgumentError("user_agent must be one line of plain ASCII")
    return f"{application.strip()} {own}"
