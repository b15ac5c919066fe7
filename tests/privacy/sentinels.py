"""Sentinels: unique words, each standing for one value that must not be seen."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, TypeAlias

from attrs import Factory, define

__all__ = ["BORN", "PHONE", "STEM", "Kind", "Sentinels"]

STEM = "zq7f"
"""Prefix of every sentinel, so that a part of one is found too."""
PHONE = "2125550177"
BORN = date(1961, 7, 13)
_LEAST = 8
"""Minimum length of a part of a credential; a shorter one may appear by chance."""

Kind: TypeAlias = Literal["given", "sent", "secret"]
"""Sent by the caller, by the server, or a credential."""

_MARK = re.compile(rf"{STEM}(\d{{4}}[gs])?", re.IGNORECASE)


@define
class Sentinels:
    """All sentinels of one test, and their meanings."""

    _known: dict[str, tuple[Kind, str]] = Factory(dict[str, tuple[Kind, str]])
    _minted: dict[tuple[Kind, str], str] = Factory(dict[tuple[Kind, str], str])

    def __attrs_post_init__(self) -> None:
        self.know("given", "telephone", PHONE)
        for spelling in (BORN.isoformat(), repr(BORN)):
            self.know("given", "birth date", spelling)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<{len(self)} marks>"

    def of(self, kind: Kind, what: str) -> str:
        """Return the sentinel for this meaning, the same each time."""
        if (kind, what) not in self._minted:
            mark = self._minted[kind, what] = f"{STEM}{len(self._minted):04}{kind[0]}"
            self.know(kind, what, mark)
        return self._minted[kind, what]

    def given(self, what: str) -> str:
        return self.of("given", what)

    def sent(self, what: str) -> str:
        return self.of("sent", what)

    def know(self, kind: Kind, what: str, spelling: str) -> None:
        """Search for this value too, which was not made here."""
        self._known[spelling] = kind, what

    def know_token(self, token: str) -> None:
        """Search for a token, and for each of its parts."""
        self.know("secret", "token", token)
        for part in token.split("."):
            if len(part) >= _LEAST:
                self.know("secret", "part of a token", part)

    def found(self, text: str) -> set[tuple[Kind, str]]:
        """Return the values in a text that it must not show."""
        known = tuple(self._known.items())  # another thread may add to it meanwhile
        seen = {what for one, what in known if one in text}
        if STEM in text.lower():
            seen |= {
                self._known.get(one.lower(), ("sent", "part of a mark"))
                for one in map(str, map(re.Match[str].group, _MARK.finditer(text)))
            }
        return seen
