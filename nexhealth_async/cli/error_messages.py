"""Errors in the words of the command line: options and variables instead of Python's arguments."""

from __future__ import annotations

from typing import Final

from nexhealth_async.errors import (
    BrokenBody,
    EdgeBlocked,
    Forbidden,
    IgnoredFilter,
    Invalid,
    KeyRefused,
    NexHealthError,
    NotFound,
    OriginError,
    RateLimited,
    StalledCursor,
    TimedOut,
    UndecodableRecord,
    UnfinishedPull,
    VersionRefused,
)

__all__ = ["advice", "happened", "sentence"]

_ADVICE: Final[dict[type[NexHealthError], str]] = {
    TimedOut: "try again later",
    BrokenBody: "check NEXHEALTH_BASE_URL; if it stays so, tell NexHealth's support",
    KeyRefused: "check that NEXHEALTH_API_KEY holds it whole, that it is not revoked, and that it "
    "is of the right environment",
    VersionRefused: "leave out --api-version and NEXHEALTH_API_VERSION, so that the version is "
    "found out, or ask NexHealth's support which one the account may use",
    EdgeBlocked: "check NEXHEALTH_BASE_URL if you set it, else ask NexHealth's support whether it "
    "lets your network through",
    Forbidden: "check the spelling of --practice, and that the key may read this list of it",
    NotFound: "`nexhealth practices` lists the practices and locations there are",
    Invalid: "NexHealth's support can say what it objects to",
    RateLimited: "another program may use the same key: try again once it is done",
    UndecodableRecord: "tell the makers of this program",
    IgnoredFilter: "tell NexHealth's support",
    StalledCursor: "try again later",
    UnfinishedPull: "let `nexhealth fleet work` end it (after --resume if that finds nothing of "
    "it), or give it up with --replace",
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


def happened(error: NexHealthError) -> str:
    """Describe what happened, without what to do about it."""
    return str(error).removesuffix(f"; {error.advice}")


def sentence(error: NexHealthError) -> str:
    """Describe what happened, and what to do about it in a shell."""
    return "; ".join(filter(None, (happened(error), advice(error))))
