"""What a route is: a row of data that says whom to ask, and what may be asked.

The lists of rows are beside the handlers. A row names the versions that have it and how each pages
it, so that another version is other rows, not other code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from attrs import field, frozen

from nexhealth_async.sandbox.params import Kind, Params
from nexhealth_async.sandbox.wire import NO_ACCESS, Refusal, Row, row

if TYPE_CHECKING:
    from nexhealth_async.sandbox.practice import Practice
    from nexhealth_async.sandbox.world import World

__all__ = ["BOTH", "V2", "Answer", "Call", "Listing", "RateName", "Route", "Version"]

Version: TypeAlias = Literal["v2", "v3"]
Paging: TypeAlias = Literal["numbered", "whole"]
RateName: TypeAlias = Literal["slow", "people", "other"]

V2: Final[tuple[Version, ...]] = ("v2",)
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
class Listing:
    """Rows to be cut into pages (or not) by the server, in the order of ``ids``."""

    ids: Sequence[int]
    show: Callable[[int], Row]
    under: str | None = None
    """The key in ``data`` that holds the list; ``None`` when ``data`` is the list."""


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
    known: Mapping[str, Kind] = field(init=False)
    required: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        paged = " page:int per_page:int" if self.paging == "numbered" else ""
        object.__setattr__(self, "known", _read(self.takes + paged))
        names = tuple(
            word.replace("!", "").partition(":")[0]
            for word in self.takes.split()
            if word.endswith("!")
        )
        object.__setattr__(self, "required", names)
