"""Error messages for the shell, which name options and variables instead of Python arguments."""

from __future__ import annotations

from typing import Final

from nexhealth_async.errors import (
    APITimeoutError,
    FirewallBlockedError,
    IgnoredFilterError,
    InvalidAPIKeyError,
    InvalidRequestError,
    MalformedBodyError,
    NexHealthError,
    NotFoundError,
    OriginError,
    PermissionDeniedError,
    RateLimitError,
    StalledCursorError,
    UndecodableRecordError,
    UnfinishedPullError,
    VersionNotEnabledError,
)

__all__ = ["advice", "as_sentence", "describe_error"]

_ADVICE: Final[dict[type[NexHealthError], str]] = {
    APITimeoutError: "try again later",
    MalformedBodyError: "check NEXHEALTH_BASE_URL; if the error persists, contact NexHealth "
    "support",
    InvalidAPIKeyError: "check that NEXHEALTH_API_KEY holds the complete key, that the key is "
    "not revoked, and that it belongs to this environment",
    VersionNotEnabledError: "leave out --api-version and NEXHEALTH_API_VERSION, so that "
    "the version is detected, or ask NexHealth support which versions the account may use",
    FirewallBlockedError: "check NEXHEALTH_BASE_URL if you set it, otherwise ask "
    "NexHealth support whether your network is allowed",
    PermissionDeniedError: "check the spelling of --practice, and that the key may "
    "read this list of it",
    NotFoundError: "`nexhealth practices` lists the practices and locations",
    InvalidRequestError: "ask NexHealth support for the reason",
    RateLimitError: "another program may use the same key: try again when it has finished",
    UndecodableRecordError: "report it to the maintainers of nexhealth-async",
    IgnoredFilterError: "report it to NexHealth support",
    StalledCursorError: "try again later",
    UnfinishedPullError: "finish it with `nexhealth fleet work` (run `nexhealth fleet pull "
    "--resume` first if its queue is empty), or discard it with --replace",
}
"""Advice that replaces the library's own, which names arguments and attributes of Python."""

_ORIGIN_ADVICE: Final = {
    "adopt": "add --adopt if they belong to this account, or copy to another target",
    "recopy": "add --recopy to replace all of them, or copy to another target",
}

_OPTIONS: Final = {
    "base_url": "NEXHEALTH_BASE_URL",
    "pass your network's CA as ssl=": "set NEXHEALTH_CA_FILE to your network's CA",
    "version": "--api-version",
}
"""Python arguments in the library's advice, and their counterparts in a shell."""


def advice(error: NexHealthError) -> str:
    """Return what to do about an error in a shell; empty if the message says it."""
    if isinstance(error, OriginError) and error.option is not None:
        return _ORIGIN_ADVICE[error.option]
    if "advice" not in vars(error):
        for kind in type(error).__mro__:
            if kind in _ADVICE:
                return _ADVICE[kind]
            if "advice" in vars(kind):
                break
    text = error.advice
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    return text


def describe_error(error: NexHealthError) -> str:
    """Return the error's message without advice."""
    return str(error).removesuffix(f"; {error.advice}")


def as_sentence(error: NexHealthError) -> str:
    """Return the error's message with advice for the shell."""
    return "; ".join(filter(None, (describe_error(error), advice(error))))
