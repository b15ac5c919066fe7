"""Pages by opaque, signed cursors, each valid for one listing only."""

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
    """A page of a listing."""

    ids: Sequence[int]
    start: int
    """Number of rows before the page."""
    info: JsonRow


class Cursors:
    """Creates and reads cursors.

    A cursor names the row at a page's edge and its sort values, so that rows inserted or deleted
    between two pages neither repeat nor hide other rows. It is bound to the path, filters and sort
    of its listing.
    """

    def __init__(self, seed: int) -> None:
        self._secret = f"cursors of seed {seed}".encode()

    def page(self, call: SandboxCall, path: str, listing: ListResult, per_page: int) -> CursorPage:
        """Return the requested page of a listing.

        Raises:
            RequestRejectedError: 400 for an invalid cursor, one of another listing, or two cursors.
        """
        digest = self._query_digest(call, path)
        forward, backward = call.params.text("end_cursor"), call.params.text("start_cursor")
        if forward and backward:
            raise RequestRejectedError(400, "Only one of start_cursor and end_cursor may be given")
        ids, total = listing.ids, len(listing.ids)
        start = 0
        end = min(per_page, total)
        if forward:
            start = _find_position(listing, self._read(forward, digest), after=True)
            end = min(start + per_page, total)
        elif backward:
            end = _find_position(listing, self._read(backward, digest), after=False)
            start = max(0, end - per_page)
        page_ids = ids[start:end]

        def cursor(index: int) -> str | None:
            return self._write(listing, index, digest) if page_ids else None

        info: JsonRow = {
            "has_previous_page": start > 0,
            "has_next_page": end < total,
            "start_cursor": cursor(start),
            "end_cursor": cursor(end - 1),
        }
        return CursorPage(ids=page_ids, start=start, info=info)

    def _query_digest(self, call: SandboxCall, path: str) -> str:
        """Return a hash of the listing's path, filters and practice."""
        listing = repr((path, call.params.key, call.scope and call.scope.number))
        return hashlib.sha256(listing.encode()).hexdigest()[:16]

    def _write(self, listing: ListResult, index: int, digest: str) -> str:
        id = listing.ids[index]
        values = listing.order.values(id) if listing.order else None
        payload = msgspec.json.encode([digest, index, id, values])
        return base64.urlsafe_b64encode(self._sign(payload) + payload).rstrip(b"=").decode()

    def _read(self, cursor: str, digest: str) -> tuple[int, int, list[str] | None]:
        try:
            data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError:
            raise RequestRejectedError(400, "Cursor is invalid") from None
        signature, payload = data[:12], data[12:]
        if not hmac.compare_digest(signature, self._sign(payload)):
            raise RequestRejectedError(400, "Cursor is invalid")
        cursor_digest, index, id, values = cast(
            "tuple[str, int, int, list[str] | None]", msgspec.json.decode(payload)
        )
        if cursor_digest != digest:
            raise RequestRejectedError(400, "Cursor does not belong to these parameters")
        return index, id, values

    def _sign(self, payload: bytes) -> bytes:
        return hmac.new(self._secret, payload, hashlib.sha256).digest()[:12]


def _find_position(
    listing: ListResult, edge: tuple[int, int, list[str] | None], *, after: bool
) -> int:
    """Return the number of rows before the edge, with ``after`` including the edge's own row."""
    index, id, values = edge
    ids = listing.ids
    if listing.order is not None and values is not None:
        return _first_index(ids, _is_after(listing.order, (values, id), after=after))
    if index < len(ids) and ids[index] == id:
        return index + after
    try:
        return ids.index(id) + after
    except ValueError:
        is_ascending = all(left < right for left, right in pairwise(ids))
        if is_ascending:
            return _first_index(ids, lambda other: other > id)
        return min(index, len(ids))


def _is_after(
    order: SortOrder, edge: tuple[list[str], int], *, after: bool
) -> Callable[[int], bool]:
    def is_after(id: int) -> bool:
        comparison = order.compare((order.values(id), id), edge)
        return comparison > 0 if after else comparison >= 0

    return is_after


def _first_index(ids: Sequence[int], predicate: Callable[[int], bool]) -> int:
    """Return the index of the first id for which ``predicate`` is true, by binary search."""
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        if predicate(ids[middle]):
            high = middle
        else:
            low = middle + 1
    return low
