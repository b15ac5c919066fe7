"""The error for an optional dependency that is not installed."""

from __future__ import annotations

from nexhealth_async.errors import UsageError

__all__ = ["extra_missing"]


def extra_missing(feature: str, library: str, extra: str) -> UsageError:
    """Make the error for a library that is not installed.

    Args:
        feature: Feature that needs the library; the message starts with it.
        library: Name of the library.
        extra: Extra of this package that installs it.
    """
    return UsageError(
        f'{feature} needs {library}: python -m pip install "nexhealth-async[{extra}]"'
    )
