"""What a route is: a row of data that says whom to ask, and what may be asked.

The lists of rows are beside the handlers. A row names the versions that have it and how each pages
it, so that another version is other rows, not other code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from attrs import field, frozen

from nexhealth_async.sandbox.json_format import NO_ACCESS, JsonRow, RequestRejectedError, row
from nexhealth_async.sandbox.query_params import ParamKind, Params

if TYPE_CHECKING:
    from nexhealth_async.sandbox.practice import Practice
    from nexhealth_async.sandbox.state import World

__all__ = [
    "BOTH",
    "V2",
    "V3",
    "FileResult",
    "Handler",
    "HandlerResult",
    "ListResult",
    "RateName",
    "Route",
    "SandboxCall",
    "SortOrder",
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
class HandlerResult:
    """A finished reply: status, ``data`` and the rest of its envelope."""

    data: object
    status: int = 200
    count: int | None = None
    description: str | None = None
    omit_count: bool = False
    """Whether ignored parameters go unmentioned."""


@frozen(kw_only=True)
class FileResult:
    """The bytes of a file, instead of an envelope."""

    filename: str
    type: str
    content: bytes


@frozen
class SortOrder:
    """What a listing is sorted by: names of fields, each rising or falling; ties go by id."""

    fields: Sequence[tuple[str, bool]]
    """Each field, and whether it falls."""
    row: Callable[[int], JsonRow]

    def values(self, id: int) -> list[str]:
        """What a row is sorted by."""
        found = self.row(id)
        return [
            "" if found.get(name) is None else _sortable(found[name]) for name, _ in self.fields
        ]

    def compare(self, first_id: tuple[list[str], int], second_id: tuple[list[str], int]) -> int:
        """Below 0 when one comes before two, above when behind, 0 when they are the same."""
        for (_, falls), left, right in zip(self.fields, first_id[0], second_id[0], strict=True):
            if left != right:
                return -1 if (left < right) is not falls else 1
        falls = bool(self.fields) and self.fields[-1][1]
        if first_id[1] == second_id[1]:
            return 0
        return -1 if (first_id[1] < second_id[1]) is not falls else 1

    def sorted(self, ids: Sequence[int]) -> list[int]:
        """The ids in this order."""
        known = {id: self.values(id) for id in ids}

        def compare(one: int, two: int) -> int:
            return self.compare((known[one], one), (known[two], two))

        return sorted(ids, key=cmp_to_key(compare))


def _sortable(value: object) -> str:
    return f"{value:020d}" if isinstance(value, int) else str(value)


@frozen(kw_only=True)
class ListResult:
    """Rows to be cut into pages (or not) by the server, in the order of ``ids``."""

    ids: Sequence[int]
    show: Callable[[int], JsonRow]
    under: str | None = None
    """The key in ``data`` that holds the list; ``None`` when ``data`` is the list."""
    order: SortOrder | None = None
    """What ``ids`` are sorted by, when not by the table's own order."""


@frozen(kw_only=True)
class SandboxCall:
    """One request as a handler sees it."""

    world: World
    version: Version
    ids: tuple[int, ...]
    params: Params
    body: JsonRow
    scope: Practice | None
    now: float
    path_word: str = ""
    """The part of the path that names a record without being a number."""
    raw: bytes = b""
    content_type: str = ""

    @property
    def practice(self) -> Practice:
        """The practice named by ``subdomain``."""
        if self.scope is None:
            raise RequestRejectedError(403, NO_ACCESS)
        return self.scope

    def wrapped(self, name: str) -> JsonRow:
        """The record inside the body, under its singular name.

        Raises:
            Refusal: 400 ``Missing parameter <name>`` (observed for unwrapped bodies).
        """
        found = row(self.body.get(name))
        if found is None:
            raise RequestRejectedError(400, f"Missing parameter {name}")
        return found


_PAGED: Final[Mapping[Paging, str]] = {
    "numbered": " page:int per_page:int",
    "cursor": " start_cursor end_cursor per_page:int",
    "whole": "",
}
Handler: TypeAlias = Callable[[SandboxCall], "HandlerResult | ListResult"]


def _read_path(spelling: str) -> Mapping[str, ParamKind]:
    known: dict[str, ParamKind] = {}
    for word in spelling.replace("!", "").split():
        name, _, kind = word.partition(":")
        known[name] = cast("ParamKind", kind or "text")
    return known


@frozen(kw_only=True)
class Route:
    """One operation.

    ``takes`` spells its query: ``name`` or ``name:kind``, a ``!`` behind what is required.
    """

    method: str
    path: str
    handler: Handler
    filters: str = ""
    versions: tuple[Version, ...] = V2
    paging: Paging = "whole"
    rate: RateName = "other"
    financial: bool = False
    """Whether the key must have been let into financial records."""
    media: Literal["vendor", "json", ""] = ""
    """What v3's replies are typed as; unless told, plain JSON where v3 has its own row."""
    no_404: bool = False
    """Whether v3's document knows no 404 here."""
    known: Mapping[str, ParamKind] = field(init=False)
    required: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "known", _read_path(self.filters + _PAGED[self.paging]))
        names = tuple(
            word.replace("!", "").partition(":")[0]
            for word in self.filters.split()
            if word.endswith("!")
        )
        object.__setattr__(self, "required", names)

    @property
    def is_plain(self) -> bool:
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
            filters=v2,
            paging="numbered",
            rate=rate,
            financial=financial,
        ),
        Route(
            method="GET",
            path=path,
            handler=handler,
            filters=v3,
            versions=V3,
            paging="cursor",
            rate=rate,
            financial=financial,
            no_404=no_404,
        ),
    )
