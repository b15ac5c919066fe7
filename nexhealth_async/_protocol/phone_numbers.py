"""North American phone numbers in the form that the API stores and searches."""

from __future__ import annotations

import re

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.errors import InvalidArgumentError

__all__ = ["digits_of", "normalize_phone"]

_PHONE_SEPARATORS = re.compile(r"[\s().\-/\u2010-\u2015]+")
_PHONE = re.compile(r"(?:\+?1)?([0-9]{10})")


@strip_traceback
def normalize_phone(text: str) -> str:
    """Return a North American number as the API wants it: ten digits.

    ``"+1 (212) 555-0133"`` becomes ``"2125550133"``. The API cuts longer text off after ten
    characters and looks numbers up by exact match, so do this both before writing and before
    searching. Raises `InvalidArgumentError`, a ValueError, for what is no such number.
    """
    digits = digits_of(text)
    if digits is None:
        raise InvalidArgumentError("not a North American phone number of ten digits")
    return digits


def digits_of(text: str) -> str | None:
    """Return the ten digits of a North American number, or None for other text."""
    match = _PHONE.fullmatch(_PHONE_SEPARATORS.sub("", text))
    return None if match is None else match[1]
