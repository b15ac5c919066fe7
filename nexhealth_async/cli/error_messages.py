"""Errors in the words of the command line: options and variables instead of Python's arguments."""

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
    MalformedBodyError: "check NEXHEALTH_BASE_URL; if it stays so, tell NexHealth's support",
    InvalidAPIKeyError: "check that NEXHEALTH_API_KEY holds all of it, that it is "
    "not revoked, and that it is of the right environment",
    VersionNotEnabledError: "leave out --api-version and NEXHEALTH_API_VERSION, so that "
    "the version is found out, or ask NexHealth's support which one the account may use",
    FirewallBlockedError: "check NEXHEALTH_BASE_URL if you set it, else ask "
    "NexHealth's support whether it lets your network through",
    PermissionDeniedError: "check the spelling of --practice, and that the key may "
    "read this list of it",
    NotFoundError: "`nexhealth practices` lists the practices and locations there are",
    InvalidRequestError: "NexHealth's support can say what it objects to",
    RateLimitError: "another program may use the same key: try again once it is done",
    UndecodableRecordError: "tell the makers of this program",
    IgnoredFilterError: "tell NexHealth's support",
    StalledCursorError: "try again later",
    UnfinishedPullError: "let `nexhealth fleet work` end it (after --resume if that "
    "finds nothing of it), or give it up with --replace",
}
"""Replaces the library's advice where that names arguments and attributes of Python."""

_ORIGIN_ADVICE: Final = {
    "adopt": "add --adopt if they are of this account, or copy to another target",
    "recopy": "add --recopy to replace all of them, or copy to another target",
}

_OPTIONS: Final = {
    "base_url": "NEXHEALTH_BASE_URL",
    "trust the CA": "name by NEXHEALTH_CA_FILE the CA",
    "version": "--api-version",
}
"""Arguments of Python, and what stands for them in a shell."""


def advice(error: NexHealthError) -> str:
    """Return what to do about an error in a shell; empty where the message itself says it."""
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
    """Describe what happened, without what to do about it."""
    return str(error).removesuffix(f"; {error.advice}")


def as_sentence(error: NexHealthError) -> str:
    """Describe what happened, and what to do about it in a shell."""
    return "; ".join(filter(None, (describe_error(error), advice(error))))
