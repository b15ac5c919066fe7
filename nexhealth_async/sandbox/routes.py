"""Routes, requests and results of the sandbox's handlers.

Each module of handlers declares its routes. A route names its API versions and its paging, so
that a version differs by its routes, not by code.
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
"""Versions of operations that are the same in v2 and v3."""


@frozen(kw_only=True)
class HandlerResult:
    """A response: its status, ``data`` and the rest of its envelope."""

    data: object
    status: int = 200
    count: int | None = None
    description: str | None = None
    omit_count: bool = False
    """Whether the description does not name ignored parameters."""


@frozen(kw_only=True)
class FileResult:
    """A file, sent instead of an envelope."""

    filename: str
    type: str
    content: bytes


@frozen
class SortOrder:
    """The sort order of a listing: fields, each ascending or descending, then the id."""

    fields: Sequence[tuple[str, bool]]
    """Each field, and whether it is descending."""
    row: Callable[[int], JsonRow]

    def values(self, id: int) -> list[str]:
        """Return the sort values of a row."""
        record = self.row(id)
        return [
            "" if record.get(name) is None else _sortable(record[name]) for name, _ in self.fields
        ]

    def compare(self, left: tuple[list[str], int], right: tuple[list[str], int]) -> int:
        """Compare two rows, given as sort values and id, as `functools.cmp_to_key` needs it."""
        for (_, descends), left_value, right_value in zip(
            self.fields, left[0], right[0], strict=True
        ):
            if left_value != right_value:
                return -1 if (left_value < right_value) is not descends else 1
        descends = bool(self.fields) and self.fields[-1][1]
        if left[1] == right[1]:
            return 0
        return -1 if (left[1] < right[1]) is not descends else 1

    def sorted(self, ids: Sequence[int]) -> list[int]:
        """Return the ids in this order."""
        values = {id: self.values(id) for id in ids}

        def compare(left: int, right: int) -> int:
            return self.compare((values[left], left), (values[right], right))

        return sorted(ids, key=cmp_to_key(compare))


def _sortable(value: object) -> str:
    return f"{value:020d}" if isinstance(value, int) else str(value)


@frozen(kw_only=True)
class ListResult:
    """The rows of a listing, in the order of ``ids``; the server divides them into pages."""

    ids: Sequence[int]
    show: Callable[[int], JsonRow]
    """Returns the row of an id."""
    under: str | None = None
    """Key of ``data`` that has the list; None if ``data`` is the list."""
    order: SortOrder | None = None
    """Sort order of ``ids``; None if it is the table's own order."""


@frozen(kw_only=True)
class SandboxCall:
    """A parsed request, as handlers receive it."""

    world: World
    version: Version
    ids: tuple[int, ...]
    params: Params
    body: JsonRow
    scope: Practice | None
    now: float
    path_word: str = ""
    """Path parameter that is not a number."""
    raw: bytes = b""
    content_type: str = ""

    @property
    def practice(self) -> Practice:
        """Practice of ``subdomain``."""
        if self.scope is None:
            raise RequestRejectedError(403, NO_ACCESS)
        return self.scope

    def wrapped(self, name: str) -> JsonRow:
        """Return the record of the body, which is wrapped in its singular name.

        Raises:
            RequestRejectedError: 400 ``Missing parameter <name>`` (observed for unwrapped bodies).
        """
        record = row(self.body.get(name))
        if record is None:
            raise RequestRejectedError(400, f"Missing parameter {name}")
        return record


_PAGED: Final[Mapping[Paging, str]] = {
    "numbered": " page:int per_page:int",
    "cursor": " start_cursor end_cursor per_page:int",
    "whole": "",
}
Handler: TypeAlias = Callable[[SandboxCall], "HandlerResult | ListResult"]


def _parse_filters(filters: str) -> Mapping[str, ParamKind]:
    kinds: dict[str, ParamKind] = {}
    for word in filters.replace("!", "").split():
        name, _, kind = word.partition(":")
        kinds[name] = cast("ParamKind", kind or "text")
    return kinds


@frozen(kw_only=True)
class Route:
    """An operation of the API.

    ``filters`` lists the query parameters: ``name`` (a string) or ``name:kind``, and ``!`` after a
    required one.
    """

    method: str
    path: str
    handler: Handler
    filters: str = ""
    versions: tuple[Version, ...] = V2
    paging: Paging = "whole"
    rate: RateName = "other"
    financial: bool = False
    """Whether the key needs access to financial records."""
    media: Literal["vendor", "json", ""] = ""
    """Media type of v3's responses; by default JSON if the route is for v3 only."""
    no_404: bool = False
    """Whether v3's OpenAPI document has no 404 for it."""
    known: Mapping[str, ParamKind] = field(init=False)
    required: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "known", _parse_filters(self.filters + _PAGED[self.paging]))
        names = tuple(
            word.replace("!", "").partition(":")[0]
            for word in self.filters.split()
            if word.endswith("!")
        )
        object.__setattr__(self, "required", names)

    @property
    def is_plain(self) -> bool:
        """True if the media type of v3's responses is ``application/json``."""
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
    """Return the routes of a listing with numbered pages in v2 and cursors in v3.

    ``v2`` and ``v3`` are the filters of each version.
    """
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
