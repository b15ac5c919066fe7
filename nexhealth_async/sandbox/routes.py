"""What a route is: a row of data that says whom to ask, and what may be asked.

The lists of rows are beside the handlers. A row names the versions that have it and how each pages
it, so that another version is other rows, not other code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from attrs import field, frozen

from nexhealth_async.sandbox.json_format import NO_ACCESS, Refusal, Row, row
from nexhealth_async.sandbox.query_params import Kind, Params

if TYPE_CHECKING:
    from nexhealth_async.sandbox.practice import Practice
    from nexhealth_async.sandbox.state import World

__all__ = [
    "BOTH",
    "V2",
    "V3",
    "Answer",
    "Call",
    "Download",
    "Handler",
    "Listing",
    "Order",
    "RateName",
    "Route",
    "Version",
    "paged_in_both",
]

Version: TypeAlias = Literal["v2", "v3"]
Paging: TypeAlias = Literal["numbered", "cursor", "whole"]
RateName: TypeAlias = Literal["slow", "people", "other"]

V2: Final[tuple[Version, ...]] = ("v2",)
V3: Final[tuple[Version, ...]] = ("v3",)
BOTH: Final[tuple[Version, ...]] = ("v2", "v3")
"""Operations the vendor never re-versioned: the same in v2 and v3."""


@frozen(kw_only=True)
class Answer:
    """A finished reply: status, ``data`` and the rest of its envelope."""

    data: object
    status: int = 200
    count: int | None = None
    description: str | None = None
    quiet: bool = False
    """Whether ignored parameters go unmentioned."""


@frozen(kw_only=True)
class Download:
    """The bytes of a file, instead of an envelope."""

    filename: str
    type: str
    content: bytes


@frozen
class Order:
    """What a listing is sorted by: names of fields, each rising or falling; ties go by id."""

    fields: Sequence[tuple[str, bool]]
    """Each field, and whether it falls."""
    row: Callable[[int], Row]

    def values(self, id: int) -> list[str]:
        """What a row is sorted by."""
        found = self.row(id)
        return [
            "" if found.get(name) is None else _sortable(found[name]) for name, _ in self.fields
        ]

    def compare(self, one: tuple[list[str], int], two: tuple[list[str], int]) -> int:
        """Below 0 when one comes before two, above when behind, 0 when they are the same."""
        for (_, falls), left, right in zip(self.fields, one[0], two[0], strict=True):
            if left != right:
                return -1 if (left < right) is not falls else 1
        falls = bool(self.fields) and self.fields[-1][1]
        if one[1] == two[1]:
            return 0
        return -1 if (one[1] < two[1]) is not falls else 1

    def sorted(self, ids: Sequence[int]) -> list[int]:
        """The ids in this order."""
        known = {id: self.values(id) for id in ids}

        def compare(one: int, two: int) -> int:
            return self.compare((known[one], one), (known[two], two))

        return sorted(ids, key=cmp_to_key(compare))


def _sortable(value: object) -> str:
    return f"{value:020d}" if isinstance(value, int) else str(value)


@frozen(kw_only=True)
class Listing:
    """Rows to be cut into pages (or not) by the server, in the order of ``ids``."""

    ids: Sequence[int]
    show: Callable[[int], Row]
    under: str | None = None
    """The key in ``data`` that holds the list; ``None`` when ``data`` is the list."""
    order: Order | None = None
    """What ``ids`` are sorted by, when not by the table's own order."""


@frozen(kw_only=True)
class Call:
    """One request as a handler sees it."""

    world: World
    version: Version
    ids: tuple[int, ...]
    params: Params
    body: Row
    scope: Practice | None
    now: float
    word: str = ""
    """The part of the path that names a record without being a number."""
    raw: bytes = b""
    content_type: str = ""

    @property
    def practice(self) -> Practice:
        """The practice named by ``subdomain``."""
        if self.scope is None:
            raise Refusal(403, NO_ACCESS)
        return self.scope

    def wrapped(self, name: str) -> Row:
        """The record inside the body, under its singular name.

        Raises:
            Refusal: 400 ``Missing parameter <name>`` (observed for unwrapped bodies).
        """
        found = row(self.body.get(name))
        if found is None:
            raise Refusal(400, f"Missing parameter {name}")
        return found


_PAGED: Final[Mapping[Paging, str]] = {
    "numbered": " page:int per_page:int",
    "cursor": " start_cursor end_cursor per_page:int",
    "whole": "",
}
Handler: TypeAlias = Callable[[Call], "Answer | Listing"]


def _read(spelling: str) -> Mapping[str, Kind]:
    known: dict[str, Kind] = {}
    for word in spelling.replace("!", "").split():
        name, _, kind = word.partition(":")
        known[name] = cast("Kind", kind or "text")
    return known


@frozen(kw_only=True)
class Route:
    """One operation.

    ``takes`` spells its query: ``name`` or ``name:kind``, a ``!`` behind what is required.
    """

    method: str
    path: str
    handler: Handler
    takes: str = ""
    versions: tuple[Version, ...] = V2
    paging: Paging = "whole"
    rate: RateName = "other"
    financial: bool = False
    """Whether the key must have been let into financial records."""
    media: Literal["vendor", "json", ""] = ""
    """What v3's replies are typed as; unless told, plain JSON where v3 has its own row."""
    no_404: bool = False
    """Whether v3's document knows no 404 here."""
    known: Mapping[str, Kind] = field(init=False)
    required: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "known", _read(self.takes + _PAGED[self.paging]))
        names = tuple(
            word.replace("!", "").partition(":")[0]
            for word in self.takes.split()
            if word.endswith("!")
        )
        object.__setattr__(self, "required", names)

    @property
    def plain(self) -> bool:
        """Whether v3 types its replies ``application/json``."""
        return self.media == "json" if self.media else self.versions == V3


def paged_in_both(
    path: str,
    handler: Handler,
    *,
    v2: str,
    v3: str,
    rate: RateName = "other",
    financial: bool = False,
    no_404: bool = False,
) -> tuple[Route, Route]:
    """A listing numbered in v2 and walked by cursor in v3, with what each of them takes."""
    return (
        Route(
            method="GET",
            path=path,
            handler=handler,
            takes=v2,
            paging="numbered",
            rate=rate,
            financial=financial,
        ),
        Route(
            method="GET",
            path=path,
            handler=handler,
            takes=v3,
            versions=V3,
            paging="cursor",
            rate=rate,
            financial=financial,
            no_404=no_404,
        ),
    )
