"""North American phone numbers in the API's form."""

from __future__ import annotations

import re

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.errors import InvalidArgumentError

__all__ = ["digits_of", "normalize_phone"]

_PHONE_SEPARATORS = re.compile(r"[\s().\-/\u2010-\u2015]+")
_PHONE = re.compile(r"(?:\+?1)?([0-9]{10})")


@strip_traceback
def normalize_phone(text: str) -> str:
    """Return a North American phone number as the API expects it: ten digits.

    ``"+1 (212) 555-0133"`` becomes ``"2125550133"``. The API truncates longer text to ten
    characters and searches for exact matches, so normalize numbers before both writes and searches.

    Args:
        text: The number, with or without country code and separators.

    Raises:
        InvalidArgumentError: It is not a North American number. The class is a ValueError.
    """
    digits = digits_of(text)
    if digits is None:
        raise InvalidArgumentError("the text is not a North American phone number of ten digits")
    return digits


def digits_of(text: str) -> str | None:
    """Return the ten digits of a North American number, or None for other text."""
    match = _PHONE.fullmatch(_PHONE_SEPARATORS.sub("", text))
    return None if match is None else match[1]
