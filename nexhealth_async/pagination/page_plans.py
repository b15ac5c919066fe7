"""Page plans: the requests of a walk, their order, and the end of the list.

A plan receives every page in order and decides which requests may be in flight and which records
are new. It holds no records and does no I/O. There is one plan for each kind of paging.
Reference: v2 1.7 pagination, v3 1.3. `Drift` describes lists that change during a walk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

from attrs import frozen

from nexhealth_async.errors import (
    DriftError,
    InvalidArgumentError,
    NexHealthError,
    StalledCursorError,
)
from nexhealth_async.pagination.record_ids import IdSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async._protocol.envelopes import ParsedList

__all__ = [
    "CursorPlan",
    "Drift",
    "NumberedPlan",
    "PagePlan",
    "PageRequest",
    "PageResult",
    "UnpagedPlan",
    "check_drift",
]

_MAX_REPEATS = 50
"""Maximum number of repeated pages in a pass: new records before the walk's position cause some."""
_UNCOUNTED_REPEATS = 3
"""Maximum number of repeated pages for a list without a count."""
_EMPTY_PAGES = 50
"""Maximum number of consecutive empty pages in a list with cursors."""
_MAX_GROWTH = 2
"""Factor by which a numbered list may grow while it is read, relative to its first page's count."""
_GROWTH_PAGES = 100
"""Number of pages by which it may grow in addition, for short lists."""
_LIST_CHANGED = -2
"""Value instead of the count in a resume value, if the walk saw the list change."""
_WRONG_COUNT = "the server's count is less than the records it sent; the walk ignores the count"
_MAX_RESUME_LENGTH = 4_000
_AT_CURSOR = re.compile("c:([1-9][0-9]{0,18}):([^\ud800-\udfff]+)")
_AT_NUMBER = re.compile("n:([1-9][0-9]{0,18}):([1-9][0-9]{0,18}):([0-9]{1,19}):(-[12]|[0-9]{1,19})")

Drift: TypeAlias = Literal["watch", "verify", "ignore"]
"""Treatment of a numbered list that changes during a walk; lists with cursors do not need it.

Offsets shift while a list changes: a record deleted before the walk's position moves an unread one
onto a page that was read already.

- ``"watch"`` reads the list once, drops repeated ids, and verifies if it detects a change (a
  different ``count``, a repeated id, a short page, a wrong total). It cannot detect that equal
  numbers of records entered and left the list between two responses.
- ``"verify"`` always verifies.
- ``"ignore"`` reads the list once.

To verify, the walk requests page 1 again after all earlier responses (the pivot, with count C),
then the other pages, and delivers the records that it has not delivered yet. An id of this pass
that was seen before the pivot, or is on the pivot's page, was in the list at the time of the pivot.
If there are C such ids, they are the whole list of that time, and the walk ends; otherwise it makes
another pass. This holds for any order and any prefetch, provided that the count and the records of
a response are one snapshot, and that no record leaves the filtered list and comes back during the
walk.

A walk with ``after=`` cannot read the earlier pages again. It raises `DriftError` if ``count`` has
changed (except under ``"ignore"``), but cannot detect changes that keep the count, or records that
changed places. Start from the beginning if that matters.
"""


def check_drift(drift: object) -> None:
    """Raise `InvalidArgumentError` unless the value is one of `Drift`."""
    if drift not in get_args(Drift):
        raise InvalidArgumentError('drift must be "watch", "verify" or "ignore"')


@frozen
class PageRequest:
    """Request of one page: its number, and the query parameters that select it."""

    number: int
    pairs: tuple[tuple[str, str], ...]


@frozen
class PageResult:
    """Result of accepting a page: its new records, and the position after it."""

    new_records: tuple[int, ...] | None
    """Indexes of the new records; None for all records."""
    resume: str | None
    """Position after the page, for ``after=``; None if a walk cannot resume there."""
    warnings: tuple[str, ...] = ()
    drop_rest: bool = False
    """True if pages that were requested beyond this one are past the end."""


class PagePlan(Protocol):
    """Plan of a walk. Pages are accepted in the order of their requests."""

    def next_request(self, outstanding: int) -> PageRequest | None:
        """Return the next request, None if it must wait or there is none.

        Args:
            outstanding: Number of requests whose pages are not accepted yet.
        """
        ...

    def accept(self, page: ParsedList, ids: Sequence[object]) -> PageResult:
        """Accept the next page; raises `DriftError` if the walk cannot be completed.

        Args:
            page: The page.
            ids: Ids of its records if `reads_ids` is True; empty otherwise.
        """
        ...

    @property
    def reads_ids(self) -> bool:
        """True if `accept` needs the records' ids, which take time to read."""
        ...

    @property
    def is_finished(self) -> bool:
        """True once the last page has been accepted."""
        ...

    @property
    def failure(self) -> NexHealthError | None:
        """Error to raise after the last page has been delivered."""
        ...


class UnpagedPlan:
    """Plan of a list that comes in one response."""

    failure = None
    reads_ids = False

    def __init__(self) -> None:
        self._requested = False
        self.is_finished: bool = False

    def next_request(self, outstanding: int) -> PageRequest | None:  # noqa: ARG002 - the protocol's signature
        """Return the only request, once."""
        if self._requested:
            return None
        self._requested = True
        return PageRequest(1, ())

    def accept(self, page: ParsedList, ids: Sequence[object]) -> PageResult:  # noqa: ARG002
        """Accept the list, with a warning if the server counts more records than it sent."""
        self.is_finished = True
        count, sent = page.count, len(page.records)
        if count is None or count <= sent:
            return PageResult(None, None)
        return PageResult(
            None,
            None,
            (f"the server counts {count} records but sent {sent}; the rest may be missing",),
        )


class CursorPlan:
    """Plan of a list with cursors (``end_cursor``), until ``has_next_page`` is false.

    A cursor is a position after a record, so records that enter or leave elsewhere shift nothing
    and there is no drift. Records that move can be affected: sorted by ``updated_at``, a record
    that is updated during the walk moves to the end and may come twice; with
    ``sort="-updated_at"`` it moves to the front and is missed if it was not read yet. An order that
    updates do not change, such as ``id``, avoids both.
    """

    reads_ids = False

    def __init__(self, *, per_page: int, after: str | None = None) -> None:
        self._per_page = str(per_page)
        self._cursor: str | None = None
        if after is not None:
            # Keep the page size: it is undocumented whether a cursor is valid with another one.
            self._per_page, self._cursor = _parse_resume(_AT_CURSOR, after)
        self._followed = {hash(self._cursor)}
        """Hashes of the cursors that were followed, to detect loops."""
        self._number = 0
        self._empty = 0
        """Number of consecutive empty pages."""
        self._requested = False
        self.is_finished: bool = False
        self.failure: StalledCursorError | None = None

    def next_request(self, outstanding: int) -> PageRequest | None:
        """Return the request of the page after the last cursor, once that is known."""
        if outstanding or self._requested or self.is_finished:
            return None
        self._requested = True
        pairs: tuple[tuple[str, str], ...] = (("per_page", self._per_page),)
        if self._cursor is not None:
            pairs = (("end_cursor", self._cursor), *pairs)
        return PageRequest(self._number + 1, pairs)

    def accept(self, page: ParsedList, ids: Sequence[object]) -> PageResult:  # noqa: ARG002
        """Accept a page and its cursor; the records are kept even if no page can follow."""
        self._requested = False
        self._number += 1
        info = page.page_info or {}
        cursor = info.get("end_cursor")
        has_next_page = info.get("has_next_page")
        if has_next_page is True:
            self._empty = 0 if page.records else self._empty + 1
            if not isinstance(cursor, str) or not cursor or hash(cursor) in self._followed:
                return self._stall("the server reports another page but sent no new cursor for it")
            if self._empty == _EMPTY_PAGES:
                return self._stall(
                    f"the server sent {_EMPTY_PAGES} consecutive empty pages and reports more, so "
                    "the end of the list cannot be found"
                )
            self._followed.add(hash(cursor))
            self._cursor = cursor
        elif has_next_page is False:
            self.is_finished = True
        elif page.records:
            return self._stall("the page does not state whether another page follows")
        else:
            self.is_finished = True
            text = "an empty page does not state whether another follows; it is treated as the last"
            return PageResult(None, None, (text,))
        resume = f"c:{self._per_page}:{cursor}"
        is_usable = isinstance(cursor, str) and cursor and len(resume) <= _MAX_RESUME_LENGTH
        return PageResult(None, resume if is_usable else None)

    def _stall(self, message: str) -> PageResult:
        """End the list with an error that is raised after its last page has been delivered."""
        self.is_finished = True
        self.failure = StalledCursorError(message)
        return PageResult(None, None)


class NumberedPlan:
    """Plan of a list with numbered pages, up to ``count``; see `Drift` for lists that change."""

    reads_ids = True

    def __init__(
        self,
        *,
        per_page: int,
        drift: Drift = "watch",
        passes: int = 4,
        after: str | None = None,
        eager: bool = False,
    ) -> None:
        self._per_page = per_page
        self._eager = eager and after is None
        """True while page 2 may be requested before page 1 has shown whether there is one."""
        self._drift = drift
        self._passes_left = passes
        self._verifying = False
        self._seen = None if drift == "ignore" else IdSet()
        self._pass_ids: IdSet | None = None
        """Ids of the current verifying pass."""
        self._first = 1
        self._size = 0
        self._count: int | None = None
        self._anonymous = 0
        """Number of records without an id."""
        self.is_finished: bool = False
        self.failure: DriftError | None = None
        self._changed = False
        """True once a change of the list was detected."""
        self._resumed = after is not None
        if after is not None:
            page, self._per_page, self._size, count = _numbered_start(after, drift=drift)
            self._first, self._count = page + 1, None if count == -1 else count
        self._begin_pass(self._first, last=2 if self._eager else self._first)

    def _begin_pass(self, page: int, *, last: int) -> None:
        self._next_page = page
        """Next page to request."""
        self._expected_page = page
        """Next page to accept."""
        self._last: int | None = last
        """Last page of the pass; None if only a short page can show it."""
        self._bound: int | None = None
        """Maximum page to request; None without a count."""
        self._outgrown = False
        """True while the list has more pages than may be requested."""
        self._at_first_page = True
        self._matched = 0
        self._reference_hash = 0
        """Hash of an earlier page of the pass, updated at pages 1, 2, 4, 8 and so on."""
        self._repeats = 0

    def next_request(self, outstanding: int) -> PageRequest | None:
        """Return the request of the next page.

        Page 1 of a pass, and each page of a list without a count, has no other request in flight.
        """
        if self.is_finished or (self._last is not None and self._next_page > self._last):
            return None
        if outstanding and (self._last is None or (self._at_first_page and not self._eager)):
            return None
        number = self._next_page
        self._next_page += 1
        return PageRequest(number, (("page", str(number)), ("per_page", str(self._per_page))))

    def accept(self, page: ParsedList, ids: Sequence[object]) -> PageResult:
        """Accept the next page; raises `DriftError`."""
        number, size = self._expected_page, len(ids)
        self._expected_page += 1
        warnings = (
            self._read_first_page(page, size)
            if self._at_first_page
            else self._read_next_page(page, size, number)
        )
        new_records = self._find_new(ids, pivot=self._verifying and number == 1)
        self._check_repeats(number, page, ids)
        if size == 0 or (self._last is None and size < self._size):
            self._last = number
            self._outgrown = False
        resume = None if self._verifying else self._resume(number)
        ends = self._last is not None and number >= self._last
        drop_rest = ends and self._next_page > number + 1
        if ends:
            self._end_pass()
        return PageResult(new_records, resume, warnings, drop_rest)

    def _resume(self, number: int) -> str:
        count = -1 if self._count is None else self._count
        if self._changed and self._drift != "ignore":
            # The walk that resumes here cannot detect the change by itself.
            count = _LIST_CHANGED
        return f"n:{number}:{self._per_page}:{self._size}:{count}"

    def _read_first_page(self, page: ParsedList, size: int) -> tuple[str, ...]:
        """Take page size and count from the first page of a pass; return warnings."""
        self._at_first_page = False
        count = page.count
        if self._resumed:
            return self._read_resumed_page(count, size)
        if self._verifying and count != self._count:
            self._changed = True
        self._size, self._count = size, count
        if count is None or count < size:
            self._count = self._last = None
            if count is None:
                return (
                    "the server sent no usable count; the walk reads up to the first short page",
                )
            return (_WRONG_COUNT,)
        if size == 0:
            if count and not self._verifying:
                raise DriftError(
                    f"page 1 is empty although the server counts {count} records; try again later",
                    at_most_missing=count,
                )
            self._last = 1
        else:
            self._last = max(1, -(-count // size))
            self._bound = _MAX_GROWTH * self._last + _GROWTH_PAGES
        return ()

    def _read_resumed_page(self, count: int | None, size: int) -> tuple[str, ...]:
        """Take the count from the first page of a resumed walk; earlier pages stay unverified."""
        if self._drift != "ignore" and count != self._count:
            raise DriftError(
                "the list changed since the walk was interrupted, so pages may have shifted; "
                "start from the beginning"
            )
        self._count = count
        self._last = None
        if count is not None and self._size:
            self._last = max(self._first, -(-count // self._size))
            self._bound = _MAX_GROWTH * self._last + _GROWTH_PAGES
        self._size = self._size or size
        return ()

    def _read_next_page(self, page: ParsedList, size: int, number: int) -> tuple[str, ...]:
        """Compare a further page with size and count of page 1; return warnings."""
        if self._last is None or self._count is None:
            return ()
        before = (number - 1) * self._size
        count = page.count
        if size and (count is None or count < before + size):
            self._count = self._last = None
            return (_WRONG_COUNT,)
        if count is not None and count != self._count:
            self._changed = True
            self._extend_pages(-(-count // self._size))
        if size != min(self._size, max(0, self._count - before)):
            self._changed = True
        return ()

    def _extend_pages(self, pages: int) -> None:
        """Read further pages of a list that grew, up to a bound."""
        last = max(self._last or 0, pages)
        bound = last if self._bound is None else self._bound
        self._last, self._outgrown = min(last, bound), self._outgrown or last > bound

    def _find_new(self, ids: Sequence[object], *, pivot: bool) -> tuple[int, ...] | None:
        """Return the indexes of records not delivered before, None for all; count matches."""
        seen = self._seen
        if seen is None:
            return None
        known_ids = ids
        if None in ids:
            # A record without an id cannot be recognised in a later pass.
            known_ids = [id for id in ids if id is not None]
            if not self._verifying:
                self._anonymous += len(ids) - len(known_ids)
        repeated = seen.add_all(known_ids)
        if self._pass_ids is not None:
            repeated_in_pass = set(self._pass_ids.add_all(known_ids))
            matches = range(len(known_ids)) if pivot else repeated
            self._matched += sum(index not in repeated_in_pass for index in matches)
        self._changed = self._changed or bool(repeated)
        if not repeated and (len(known_ids) == len(ids) or not self._verifying):
            return None
        return _new_indexes(ids, set(repeated), anonymous=not self._verifying)

    def _check_repeats(self, number: int, page: ParsedList, ids: Sequence[object]) -> None:
        """Raise if pages repeat endlessly, which only a correct count would end.

        A reference page that moves at powers of two detects a loop of any length in a few rounds.
        """
        if not ids:
            return
        has_ids = any(id is not None for id in ids)
        page_hash = hash(tuple(ids) if has_ids else tuple(bytes(record) for record in page.records))
        if page_hash == self._reference_hash:
            self._repeats += 1
            if self._repeats >= (_UNCOUNTED_REPEATS if self._last is None else _MAX_REPEATS):
                raise DriftError(
                    f"the server answers page {number} with the records of an earlier page "
                    "repeatedly, so the end of the list cannot be found; try again later"
                )
        nth = number - (1 if self._verifying else self._first) + 1
        if nth & (nth - 1) == 0:
            self._reference_hash = page_hash

    def _end_pass(self) -> None:
        if self._outgrown:
            self._finish(
                DriftError(
                    "the list grows faster than it is read, so its end cannot be reached; all "
                    "records that were read have been delivered. Try again when fewer changes occur"
                )
            )
        elif self._seen is None:
            self.is_finished = True
        elif self._verifying:
            self._end_verifying_pass()
        elif self._count is None:
            self._end_uncounted()
        else:
            self._end_first_pass(self._count, self._anonymous + len(self._seen))

    def _end_uncounted(self) -> None:
        failure = None
        if self._drift == "verify":
            failure = DriftError("the server sends no usable count, so nothing can be verified")
        elif self._changed:
            failure = DriftError(
                "the list changed during the walk, and without a usable count nothing can be "
                "verified; all records that were read have been delivered. Try again when fewer "
                "changes occur"
            )
        self._finish(failure)

    def _end_first_pass(self, count: int, delivered: int) -> None:
        if min(count, (self._first - 1) * self._size) + delivered != count:
            self._changed = True
        # A single page with the whole list is one snapshot, which needs no verification.
        is_snapshot = self._last == 1 and not self._changed
        if is_snapshot or (self._drift == "watch" and not self._changed):
            self._finish()
        elif self._resumed:
            self._finish(
                DriftError("the list changed during a resumed walk; start from the beginning")
            )
        else:
            # Delivered records may have left the list, so the difference to the count is no bound.
            self._verify_again(None)

    def _end_verifying_pass(self) -> None:
        missing = None if self._count is None else self._count - self._matched
        if missing == 0:
            self._finish()
        else:
            # More matches than records are a contradiction, which gives no bound.
            self._verify_again(missing if missing is not None and missing > 0 else None)

    def _verify_again(self, missing: int | None) -> None:
        if self._passes_left == 0:
            self._finish(
                DriftError(
                    "the list kept changing, so completeness cannot be guaranteed; all records "
                    "that were read have been delivered. Try again when fewer changes occur, or "
                    "raise passes",
                    at_most_missing=missing,
                )
            )
            return
        self._passes_left -= 1
        self._verifying = True
        self._eager = False
        self._pass_ids = IdSet()
        self._begin_pass(1, last=1)

    def _finish(self, failure: DriftError | None = None) -> None:
        self.is_finished = True
        self.failure = failure


def _new_indexes(ids: Sequence[object], repeated: set[int], *, anonymous: bool) -> tuple[int, ...]:
    """Return the indexes of the records to deliver; ``repeated`` indexes records with an id."""
    new: list[int] = []
    nth = -1
    for index, id in enumerate(ids):
        if id is None:
            if anonymous:
                new.append(index)
            continue
        nth += 1
        if nth not in repeated:
            new.append(index)
    return tuple(new)


def _numbered_start(after: str, *, drift: Drift) -> tuple[int, int, int, int]:
    """Return page, ``per_page``, page size and count; raises `InvalidArgumentError`."""
    if drift == "verify":
        raise InvalidArgumentError(
            'a resumed walk cannot be verified; leave out after=, or pass drift="watch"'
        )
    page, per_page, size, count = map(int, _parse_resume(_AT_NUMBER, after))
    return page, per_page, size, count


def _parse_resume(pattern: re.Pattern[str], after: str) -> tuple[str, ...]:
    """Return the parts of a resume value; raise without quoting an invalid one."""
    match = pattern.fullmatch(after) if len(after) <= _MAX_RESUME_LENGTH else None
    if match is None:
        raise InvalidArgumentError(
            "after is not a resume value of this kind of walk; pass page.resume unchanged"
        )
    return match.groups()
