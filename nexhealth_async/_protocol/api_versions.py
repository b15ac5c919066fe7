"""API versions: the session's version, and responses that refuse one.

Reference: v2 1.2 and v3 1.2: accounts created since v3 became the stable version answer v2 with a
403. Only one wording of that refusal is known, so it is recognised by keywords.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AUTO", "V2", "V3", "VersionState", "is_v2", "refuses_version"]

AUTO: Final = "auto"
"""Use v2, and switch to v3 if the account refuses v2."""
V2: Final = "v2"
V3: Final = "v3.0.0"

_MENTIONS_VERSION = re.compile(
    r"api[\s_-]*version|version\W{0,3}(of|for)\W{1,3}(the|this|our)?\W{0,3}api"
    r"|\bversion\W{0,4}v?(2|3)(\.[0-9]+)*\b(?!\W{0,3}(of|for)\b(?!\W{0,3}(the|this|our)?\W{0,3}api))|\bversion\W{0,4}v20[0-9]{6}\b"
    r"|\bv(2|3)(\.[0-9]+)*\b.{0,40}\bversion\b|\bv2(\.[0-9]+)*\b.{0,40}\b(api|endpoints?)\b"
    r"|\bapi\b.{0,20}\bv2\b",
    re.IGNORECASE | re.DOTALL,
)
_REFUSAL_WORDS = re.compile(
    r"below|minimum|at least|too old|outdated|obsolete|older"
    r"|\b(not|no longer|isn't|is not|cannot|can't|must not)\b"
    r"|deprecated|retired|removed|sunset|discontinued|disabled|closed|ended|end[- ]of[- ]life"
    r"|unsupported|unavailable|unknown|invalid|denied|forbidden|refused|restricted"
    r"|upgrade|migrate|required?\b",
    re.IGNORECASE,
)
_NOT_ABOUT_VERSIONS = frozenset({408, 429})


def is_v2(version: str) -> bool:
    """Return whether a literal version is a v2 version."""
    return version == V2 or version.startswith("v2.")


def refuses_version(status: int, texts: Iterable[str]) -> bool:
    """Return whether a response refuses the API version, by its status and texts.

    A text about the practice's software ("not supported by this version of Dentrix") does not
    count.
    """
    if status >= 500 or status in _NOT_ABOUT_VERSIONS:  # noqa: PLR2004 - HTTP's server errors
        return False
    return any(_MENTIONS_VERSION.search(text) and _REFUSAL_WORDS.search(text) for text in texts)


@define
class VersionState:
    """API version that sessions share under `AUTO`.

    The login determines it. It may change until a first call has succeeded, since an account may
    accept a login in a version whose reads it refuses. Afterwards it is final.
    """

    current: str | None = None
    """None while undetermined."""
    is_final: bool = False

    def adopt(self, version: str) -> None:
        """Use this version unless one is set already."""
        if self.current is None:
            self.current = version

    def confirm(self, version: str) -> None:
        """Make this version final, since a call in it succeeded."""
        if self.current == version:
            self.is_final = True

    def fall_back(self, refused: str) -> bool:
        """Record a refused version; return whether another one can be tried."""
        if self.current not in (None, refused):
            return True  # another call has switched meanwhile
        if self.is_final or not is_v2(refused):
            return False
        self.current = V3
        return True
