"""A sandbox whose list changes, with a record of the list at each response."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from attrs import define, evolve, field, frozen
from yarl import URL

from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.requests import plan
from nexhealth_async.resources import patients
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.server import RequestHandler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexhealth_async._protocol.requests import PlannedCall

__all__ = [
    "KINDS",
    "DriftRecorder",
    "DriftingList",
    "Kind",
    "ListChanges",
    "ListKind",
    "Paging",
    "Sort",
]

Paging: TypeAlias = Literal["numbered", "cursor"]
Sort: TypeAlias = Literal["", "id", "updated_at", "-updated_at"]
Kind: TypeAlias = Literal["insert", "delete", "leave", "enter", "touch", "move", "shuffle", "swap"]
KINDS: tuple[Kind, ...] = (
    "insert",
    "delete",
    "leave",
    "enter",
    "touch",
    "move",
    "shuffle",
    "swap",
)
_VERSIONS: Mapping[Paging, str] = {"numbered": "v2", "cursor": "v3.0.0"}
_NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@frozen(kw_only=True)
class ListKind:
    """The list to walk: its version decides how it is paged."""

    paging: Paging = "numbered"
    sort: Sort = ""
    """Without a sort, v2 lists rows in table order."""
    active_only: bool = False

    @property
    def filters(self) -> dict[str, object]:
        chosen: dict[str, object] = {"sort": self.sort} if self.sort else {}
        return {**chosen, "inactive": False} if self.active_only else chosen

    @property
    def by_time(self) -> bool:
        return self.sort.endswith("updated_at")


@define
class ListChanges:
    """The changes made to the list so far."""

    entered: int = 0
    left: int = 0
    moved: int = 0
    """Rows whose position may have changed."""

    def since(self, earlier: ListChanges) -> ListChanges:
        return ListChanges(
            entered=self.entered - earlier.entered,
            left=self.left - earlier.left,
            moved=self.moved - earlier.moved,
        )

    def __bool__(self) -> bool:
        return bool(self.entered or self.left or self.moved)


@define
class DriftRecorder:
    """Records the list at every response, independently of the client."""

    ever: set[int] = field(factory=set[int])
    """All rows that were listed at some response."""
    throughout: set[int] | None = None
    """All rows that were listed at every response."""
    opening: set[int] = field(factory=set[int])
    """Rows of the list when page 1 was last answered."""
    openings: int = 0
    counts: list[int] = field(factory=list[int])
    began: ListChanges = field(factory=ListChanges)
    ended: ListChanges = field(factory=ListChanges)
    touched: set[int] = field(factory=set[int])
    """Rows whose sort key changed between responses."""
    backdated: bool = False
    """True if a row was given a time other than the present one."""

    def see(self, changing_list: DriftingList, page: int | None) -> None:
        """Record a computed response."""
        now = set(changing_list.listed)
        if self.throughout is None:
            self.throughout = now
            self.began = evolve(changing_list.changes)
            self.touched.clear()
            self.backdated = False
            changing_list.witness = self
        self.throughout &= now
        self.ever |= now
        self.counts.append(len(now))
        self.ended = evolve(changing_list.changes)
        if page == 1:
            self.opening = now
            self.openings += 1

    @property
    def changes(self) -> ListChanges:
        """The events between the first response and the last."""
        return self.ended.since(self.began)


class DriftingList:
    """Patients of a sandbox with changes to them; keeps an independent record of the list.

    The record is the oracle: it is written by the changes, never read from a response.
    """

    def __init__(self, listed: ListKind, rows: int, *, cap: int = 300) -> None:
        self.chosen = listed
        self.sandbox = sandbox = Sandbox(patients=0, appointments=0, procedures=0)
        sandbox.page_cap = sandbox.cursor_page_cap = cap
        self.listed: set[int] = set()
        self.outside: list[int] = []
        """Hidden rows that were never listed."""
        self.stamps: dict[int, str] = {}
        self.changes = ListChanges()
        self.witness: DriftRecorder | None = None
        self._clock = 0
        self._server = RequestHandler(sandbox)
        self._headers = {
            "Authorization": f"Bearer {sandbox.keys.login(sandbox.api_key)}",
            "Nex-Api-Version": _VERSIONS[listed.paging],
            "User-Agent": "nexhealth-async-tests",
        }
        for _ in range(rows):
            self._insert()
        if listed.active_only:
            for _ in range(3):
                self._insert(inactive=True)
        self.changes = ListChanges()

    # What stands in the list

    @property
    def order(self) -> list[int]:
        """The list according to this record."""
        if self.chosen.sort == "id":
            return sorted(self.listed)
        if self.chosen.by_time:
            falls = self.chosen.sort.startswith("-")
            return sorted(self.listed, key=lambda id: (self.stamps[id], id), reverse=falls)
        return [id for id in self.sandbox.patients.ids if id in self.listed]

    def call(self) -> PlannedCall:
        """The filters of the list, in the client's form."""
        return plan(
            patients.LIST,
            _VERSIONS[self.chosen.paging],
            subdomain=self.sandbox.subdomain,
            location_id=self.sandbox.location_id,
            arguments=self.chosen.filters,
        )

    async def answer(self, call: PlannedCall, pairs: tuple[tuple[str, str], ...]) -> Response:
        """Let the sandbox compute a response; nothing else runs meanwhile."""
        request = call.request(*pairs, headers=self._headers)
        url = URL(request.target, encoded=True)
        copied = _blank().clone(method=request.method, rel_url=url, headers=request.headers)
        response = await self._server.handle(copied)
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        return Response(status=response.status, body=response.body)

    # What people do

    def work(self, kind: Kind, first: int, second: int, *, page: int = 0) -> bool:
        """Make a change, near a page boundary if the page size is given.

        The numbers choose rows and positions, modulo their count. Returns False if nothing could be
        done.
        """
        order = self.order
        if kind == "insert":
            self._insert(_place(first, len(order) + 1, page), order)
            return True
        if kind == "enter":
            return self._enter(first)
        if not order or (kind == "leave" and not self.chosen.active_only):
            return False
        id, place = order[_place(first, len(order), page)], _place(second, len(order), page)
        match kind:
            case "delete":
                self.delete(id)
            case "leave":
                self.leave(id)
            case "swap":
                self.delete(id)
                self._insert(place, self.order)
            case "touch":
                self.touch(id)
            case "move":
                return self._move(id, place, order)
            case "shuffle":
                return self._shuffle(first, order)
        return True

    def leave(self, id: int) -> None:
        """Hide a row from the filtered list without deleting it."""
        self.sandbox.patients.update(id, inactive=True)
        self._left(id)

    def delete(self, id: int) -> None:
        """Delete a row."""
        self.sandbox.patients.delete(id)
        self._left(id)

    def append(self) -> int:
        """Append a row."""
        self._insert()
        return max(self.listed)

    def move(self, id: int, place: int) -> None:
        """Move a row to another position of the table."""
        self.sandbox.patients.move(id, place)
        self._moved(id)

    def touch(self, id: int) -> None:
        """Update a row at the present time."""
        self._touch(id, None)

    def come_back(self, id: int) -> None:
        """Show a hidden row again, which the promise excludes."""
        self.sandbox.patients.update(id, inactive=False, updated_at=self.stamps[id])
        self.listed.add(id)
        self.changes.entered += 1

    def _insert(
        self, place: int | None = None, order: list[int] | None = None, *, inactive: bool = False
    ) -> None:
        stamp = self._now()
        position = None
        if order and place is not None and place < len(order):
            stamp = self.stamps[order[place]] if self.chosen.by_time else stamp
            position = self.sandbox.patients.ids.index(order[place])
        id = self.sandbox.patients.insert(
            position, updated_at=stamp, inactive=inactive, bio={"new_patient": False}
        )
        self.stamps[id] = stamp
        if inactive and self.chosen.active_only:
            self.outside.append(id)
            return
        self.listed.add(id)
        self.changes.entered += 1

    def _enter(self, first: int) -> bool:
        if not self.outside:
            return False
        id = self.outside.pop(first % len(self.outside))
        self.sandbox.patients.update(id, inactive=False, updated_at=self.stamps[id])
        self.listed.add(id)
        self.changes.entered += 1
        return True

    def _left(self, id: int) -> None:
        self.listed.discard(id)
        self.changes.left += 1

    def _touch(self, id: int, stamp: str | None) -> None:
        self.stamps[id] = self._now() if stamp is None else stamp
        self.sandbox.patients.update(id, updated_at=self.stamps[id])
        if self.chosen.by_time:
            self._moved(id, backdated=stamp is not None)

    def _move(self, id: int, place: int, order: list[int]) -> bool:
        if self.chosen.by_time:
            self._touch(id, self.stamps[order[place]])
            return True
        if self.chosen.sort:
            return False
        self.sandbox.patients.move(id, self.sandbox.patients.ids.index(order[place]))
        self._moved(id)
        return True

    def _shuffle(self, seed: int, order: list[int]) -> bool:
        moved = [self._move(id, hash((seed, id)) % len(order), order) for id in order]
        return any(moved)

    def _moved(self, id: int, *, backdated: bool = False) -> None:
        self.changes.moved += 1
        if self.witness is not None:
            self.witness.touched.add(id)
            self.witness.backdated |= backdated

    def _now(self) -> str:
        self._clock += 1
        moment = _NEW_YEAR + timedelta(milliseconds=self._clock)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _place(number: int, length: int, page: int) -> int:
    """A position in the list; near a page boundary if the page size is given."""
    if page:
        edge, beside = divmod(number, 3)
        number = max(0, edge * page % (length + 1) + beside - 1)
    return number % length


@cache
def _blank() -> web.Request:
    """A request to copy: creating one costs ten times as much as a response."""
    return make_mocked_request("GET", "/")
