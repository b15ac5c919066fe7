"""Pages by cursor: opaque, signed, and good for one listing only."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import msgspec
from attrs import frozen

from nexhealth_async.sandbox.json_format import JsonRow, RequestRejectedError

if TYPE_CHECKING:
    from nexhealth_async.sandbox.routes import ListResult, SandboxCall, SortOrder

__all__ = ["CursorPage", "Cursors"]


@frozen(kw_only=True)
class CursorPage:
    """A cut of a listing."""

    ids: Sequence[int]
    start: int
    """How many rows are before it."""
    info: JsonRow


class Cursors:
    """Makes and reads cursors.

    A cursor names the row at a page's edge with the values it was sorted by, so that what is
    inserted or deleted meanwhile neither repeats nor hides other rows. It is bound to path, filters
    and sort of the listing it came from.
    """

    def __init__(self, seed: int) -> None:
        self._secret = f"cursors of seed {seed}".encode()

    def page(self, call: SandboxCall, path: str, listing: ListResult, per_page: int) -> CursorPage:
        """The page asked for.

        Raises:
            Refusal: 400 for a cursor that is broken, or of another listing, or for two of them.
        """
        bound = self._bound(call, path)
        forward, backward = call.params.text("end_cursor"), call.params.text("start_cursor")
        if forward and backward:
            raise RequestRejectedError(400, "Only one of start_cursor and end_cursor may be given")
        ids, total = listing.ids, len(listing.ids)
        start = 0
        end = min(per_page, total)
        if forward:
            start = _find_position(listing, self._read(forward, bound), after=True)
            end = min(start + per_page, total)
        elif backward:
            end = _find_position(listing, self._read(backward, bound), after=False)
            start = max(0, end - per_page)
        chosen = ids[start:end]

        def cursor(at: int) -> str | None:
            return self._write(listing, at, bound) if chosen else None

        info: JsonRow = {
            "has_previous_page": start > 0,
            "has_next_page": end < total,
            "start_cursor": cursor(start),
            "end_cursor": cursor(end - 1),
        }
        return CursorPage(ids=chosen, start=start, info=info)

    def _bound(self, call: SandboxCall, path: str) -> str:
        named = repr((path, call.params.key, call.scope and call.scope.number))
        return hashlib.sha256(named.encode()).hexdigest()[:16]

    def _write(self, listing: ListResult, at: int, bound: str) -> str:
        id = listing.ids[at]
        values = listing.order.values(id) if listing.order else None
        inside = msgspec.json.encode([bound, at, id, values])
        return base64.urlsafe_b64encode(self._sign(inside) + inside).rstrip(b"=").decode()

    def _read(self, cursor: str, bound: str) -> tuple[int, int, list[str] | None]:
        try:
            whole = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError:
            raise RequestRejectedError(400, "Cursor is invalid") from None
        signature, inside = whole[:12], whole[12:]
        if not hmac.compare_digest(signature, self._sign(inside)):
            raise RequestRejectedError(400, "Cursor is invalid")
        was_bound, at, id, values = cast(
            "tuple[str, int, int, list[str] | None]", msgspec.json.decode(inside)
        )
        if was_bound != bound:
            raise RequestRejectedError(400, "Cursor does not belong to these parameters")
        return at, id, values

    def _sign(self, inside: bytes) -> bytes:
        return hmac.new(self._secret, inside, hashlib.sha256).digest()[:12]


def _find_position(
    listing: ListResult, edge: tuple[int, int, list[str] | None], *, after: bool
) -> int:
    """How many rows are before the edge; with ``after`` the edge's own row is among them."""
    at, id, values = edge
    ids = listing.ids
    if listing.order is not None and values is not None:
        return _first(ids, _is_after(listing.order, (values, id), after=after))
    if at < len(ids) and ids[at] == id:
        return at + after
    try:
        return ids.index(id) + after
    except ValueError:
        ascending = all(one < two for one, two in pairwise(ids))
        return _first(ids, lambda other: other > id) if ascending else min(at, len(ids))


def _is_after(
    order: SortOrder, edge: tuple[list[str], int], *, after: bool
) -> Callable[[int], bool]:
    def behind(id: int) -> bool:
        compared = order.compare((order.values(id), id), edge)
        return compared > 0 if after else compared >= 0

    return behind


def _first(ids: Sequence[int], holds: Callable[[int], bool]) -> int:
    """The first index from which on ``holds`` is true, by halving."""
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        if holds(ids[middle]):
            high = middle
        else:
            low = middle + 1
    return low
