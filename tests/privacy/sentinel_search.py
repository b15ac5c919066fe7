"""The scanner: receives everything that may be seen, and finds the sentinels in it."""

from __future__ import annotations

import traceback
from collections import Counter
from typing import TYPE_CHECKING, cast

import attrs
from attrs import Factory, define

from nexhealth_async.models import Record
from tests.privacy.frames import chained, frames, name_of, variables

if TYPE_CHECKING:
    from tests.privacy.sentinels import Kind, Sentinels

__all__ = ["SentinelScanner"]

_HOLD_ARGUMENTS = (
    "_protocol/requests.py:check_base_url",
    "_protocol/requests.py:check_subdomain",
    "_protocol/requests.py:version_name",
    "_client/options.py:",
    "scopes.py:",
    "session.py:__init__",
    "session.py:with_options",
    "_client/transport.py:__init__",
    "_client/transport.py:_host_of",
    "pagination/walk.py:check_config",
    "pagination/walk.py:make_plan",
)
"""Frames that hold a session's, scope's or walk's settings: addresses, versions, sizes."""


@define(eq=False)
class SentinelScanner:
    """Everything that was scanned, and the findings."""

    marks: Sentinels
    doing: str = "nothing"
    found: set[str] = Factory(set[str])
    behind: set[str] = Factory(set[str])
    """Not printed, but attached to an error as its suppressed context."""
    arguments: set[str] = Factory(set[str])
    """Frames that hold the caller's arguments; see `_HOLD_ARGUMENTS`."""
    looked_at: Counter[str] = Factory(Counter[str])
    handed: set[str] = Factory(set[str])
    """The server's sentinels that reached the caller as data, where they belong."""

    def text(self, where: str, text: str, *, printed: bool = True) -> None:
        """Scan one text."""
        self.looked_at[where] += 1
        for _, what in self.marks.found(text):
            place = self.found if printed else self.behind
            place.add(f"{self.doing}: {what} in {where}: {_around(text)}")

    def thing(self, thing: object) -> None:
        """Scan a returned value, and all records inside it."""
        for one in _parts(thing):
            kind = f"repr of {type(one).__name__}"
            for text in (repr(one), str(one), f"{one}", ascii(one)):
                self.text(kind, text)
            self.looked_at["objects"] += 1
        self.handed |= {what for kind, what in _held(thing, self.marks) if kind == "sent"}

    def error(self, error: BaseException, *, foreign: bool = False) -> None:
        """Scan an error and all it is chained to, each frame with its variables.

        ``foreign`` marks an error of the caller, whose text belongs to the caller too.
        """
        for one, printed in chained(error):
            self.looked_at["errors"] += 1
            if not (foreign and one is error):
                self.text("text of an error", str(one), printed=printed)
                self.text("repr of an error", f"{one!r} {one.args!r}", printed=printed)
                line = "".join(traceback.format_exception_only(one))
                self.text("exception line", line, printed=printed)
            for frame in frames(one):
                self.looked_at["frames"] += 1
                for name, shown in variables(frame).items():
                    self._variable(name_of(frame), name, shown, printed=printed)

    def _variable(self, frame: str, name: str, shown: str, *, printed: bool) -> None:
        self.looked_at["variables"] += 1
        for kind, what in self.marks.found(shown):
            if kind == "given" and frame.startswith(_HOLD_ARGUMENTS):
                self.arguments.add(f"{frame}: {name}")
            else:
                place = self.found if printed else self.behind
                place.add(f"{self.doing}: {what} in frame {frame}: {name} = {_around(shown)}")

    def clean(self) -> None:
        """Fail with all findings."""
        assert not self.found, "\n".join(sorted(self.found))


def _around(text: str) -> str:
    return text if len(text) < 240 else f"{text[:160]} ... {text[-70:]}"


def _parts(thing: object) -> list[object]:
    """Return a value and, at any depth, the records inside it."""
    if isinstance(thing, (list, tuple)):
        return [part for one in cast("list[object]", thing) for part in _parts(one)]
    if isinstance(thing, (bytes, str, dict)):
        return []  # the data themselves, as `raw` and `request` give them
    found = [thing]
    if isinstance(thing, Record) and attrs.has(type(thing)):
        for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", type(thing))):
            value: object = getattr(thing, attribute.name)
            if isinstance(value, (Record, tuple)):
                records = cast("object", value)
                found += [one for one in _parts(records) if isinstance(one, Record)]
    return found


def _held(thing: object, marks: Sentinels) -> set[tuple[Kind, str]]:
    """Return the sentinels in a record's fields."""
    found: set[tuple[Kind, str]] = set()
    for part in _parts(thing):
        if isinstance(part, Record):
            names = attrs.fields_dict(cast("type[attrs.AttrsInstance]", type(part)))
            found |= marks.found(" ".join(str(getattr(part, name)) for name in names))
    return found
