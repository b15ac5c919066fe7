"""Marks: words found nowhere else, each standing for one thing that must not be seen."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, TypeAlias

from attrs import Factory, define

__all__ = ["BORN", "PHONE", "STEM", "Kind", "Sentinels"]

STEM = "zq7f"
"""What every mark begins with, so that a part of one is noticed too."""
PHONE = "2125550177"
BORN = date(1961, 7, 13)
_LEAST = 8
"""A shorter part of a credential may stand anywhere by chance."""

Kind: TypeAlias = Literal["given", "sent", "secret"]
"""By the caller, by the server, or a credential."""

_MARK = re.compile(rf"{STEM}(\d{{4}}[gs])?", re.IGNORECASE)


@define
class Sentinels:
    """All marks of one test, and what each stands for."""

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
        """Return the mark that stands for this, the same each time."""
        if (kind, what) not in self._minted:
            mark = self._minted[kind, what] = f"{STEM}{len(self._minted):04}{kind[0]}"
            self.know(kind, what, mark)
        return self._minted[kind, what]

    def given(self, what: str) -> str:
        return self.of("given", what)

    def sent(self, what: str) -> str:
        return self.of("sent", what)

    def know(self, kind: Kind, what: str, spelling: str) -> None:
        """Look for this too, which was not made here."""
        self._known[spelling] = kind, what

    def know_token(self, token: str) -> None:
        """Look for a token, and for each of its parts."""
        self.know("secret", "token", token)
        for part in token.split("."):
            if len(part) >= _LEAST:
                self.know("secret", "part of a token", part)

    def found(self, text: str) -> set[tuple[Kind, str]]:
        """Return what a text shows that it must not."""
        known = tuple(self._known.items())  # another thread may add to it meanwhile
        seen = {what for one, what in known if one in text}
        if STEM in text.lower():
            seen |= {
                self._known.get(one.lower(), ("sent", "part of a mark"))
                for one in map(str, map(re.Match[str].group, _MARK.finditer(text)))
            }
        return seen
