"""What a walk asks for first, what next, and when it has everything.

A plan is told of every page in order and says which requests may be under way and which records
are new. It holds no records and knows no network: three styles, one protocol.
Reference: v2 1.7 pagination, v3 1.3; the promise about drift is written out at `Drift`.
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
    "cursor_start",
    "numbered_start",
]

_MAX_REPEATS = 50
"""Pages of one pass that may repeat an earlier one: rows entering behind a walk push others on."""
_UNCOUNTED_REPEATS = 3
"""The same where no count says that the list has an end."""
_EMPTY_PAGES = 50
"""Pages without a record, one after the other, that a list with cursors may have."""
_MAX_GROWTH = 2
"""How many times as long as its first page said a numbered list may get while it is read..."""
_GROWTH_PAGES = 100
"""... and by how many pages more; a short list may grow by a larger factor."""
_LIST_CHANGED = -2
"""Stands for the count in the resume value of a walk that saw the list change."""
_MAX_RESUME_LENGTH = 4_000
_AT_CURSOR = re.compile("c:([1-9][0-9]{0,18}):([^\ud800-\udfff]+)")
_AT_NUMBER = re.compile("n:([1-9][0-9]{0,18}):([1-9][0-9]{0,18}):([0-9]{1,19}):(-[12]|[0-9]{1,19})")

Drift: TypeAlias = Literal["watch", "verify", "ignore"]
"""How a numbered walk treats a list that changes under it; lists with cursors need no such care.

Offsets shift while people work: a row deleted behind the walk moves an unread one onto a page that
was read already. ``"watch"`` reads once, drops repeated ids, and verifies as soon as anything shows
(a changed ``count``, a repeated id, a short page, a wrong total); equal numbers of rows entering
and leaving between two replies show nothing. ``"verify"`` always verifies. ``"ignore"`` reads once.

Verifying asks for page 1 again once every earlier reply is in (the pivot, with count C), then for
the rest, and delivers what was not seen before. Ids of this pass that were seen before the pivot,
or stand on the pivot's page, were in the list before and after that moment, so at it. If there are
C of them they are the whole list of that moment and the walk ends; else it passes again. This
holds for any order and any prefetch, provided that the count and the rows of one reply are one
snapshot, and that no row leaves the filtered list and comes back during the walk.

A walk that goes on with ``after=`` cannot ask again for what came before. It refuses a ``count``
that changed meanwhile (``"ignore"`` does not), but cannot see changes that keep the count, one row
entering and one leaving, nor rows that changed places: begin anew where that matters.
"""


def check_drift(drift: object) -> None:
    """Raise `InvalidArgumentError` unless this is one of the choices of `Drift`."""
    if drift not in get_args(Drift):
        raise InvalidArgumentError('drift must be "watch", "verify" or "ignore"')


@frozen
class PageRequest:
    """One page to request: its number, and the parameters that select it."""

    number: int
    pairs: tuple[tuple[str, str], ...]


@frozen
class PageResult:
    """What a page brought: which of its records are new, and where a walk could go on after it."""

    new_records: tuple[int, ...] | None
    """Places of the new records; None means all."""
    resume: str | None
    warnings: tuple[str, ...] = ()
    drop_rest: bool = False
    """True if pages asked for beyond this one are past the end and of no use."""


class PagePlan(Protocol):
    """The order of a walk. Pages are taken in the order they were asked for."""

    def next_request(self, outstanding: int) -> PageRequest | None:
        """Return the next request that may leave while so many are not yet taken, if any."""
        ...

    def accept(self, reading: ParsedList, ids: Sequence[object]) -> PageResult:
        """Account for the next page; raises what makes the walk impossible to complete."""
        ...

    @property
    def reads_ids(self) -> bool:
        """True if `take` wants the records' ids; reading them is work that delays the next page."""
        ...

    @property
    def is_finished(self) -> bool:
        """True once everything has been taken."""
        ...

    @property
    def failure(self) -> NexHealthError | None:
        """What to raise when it is over and the last page has been delivered."""
        ...


class UnpagedPlan:
    """A list that comes in one reply."""

    failure = None
    reads_ids = False

    def __init__(self) -> None:
        self._asked = False
        self.is_finished: bool = False

    def next_request(self, outstanding: int) -> PageRequest | None:  # noqa: ARG002 - the protocol's signature
        """Ask once."""
        if self._asked:
            return None
        self._asked = True
        return PageRequest(1, ())

    def accept(self, reading: ParsedList, ids: Sequence[object]) -> PageResult:  # noqa: ARG002
        """Take everything, with a warning if the server counts more than it sent."""
        self.is_finished = True
        count, rows = reading.count, len(reading.records)
        if count is None or count <= rows:
            return PageResult(None, None)
        return PageResult(
            None,
            None,
            (f"the server counts {count} records but sent {rows}; the rest may be missing",),
        )


class CursorPlan:
    """``end_cursor`` goes forward until ``has_next_page`` is false, and only then ends.

    A cursor stands behind a record, so rows that enter or leave elsewhere shift nothing: there is
    no drift to watch. Rows that move are another matter. Sorted by ``updated_at``, one that is
    touched during the walk moves to the end and may come twice; with ``sort="-updated_at"`` it
    moves to the front, and is missed if it was not read yet. An order that no touch changes, by
    ``id`` say, has neither trouble.
    """

    reads_ids = False

    def __init__(self, *, per_page: int, after: str | None = None) -> None:
        self._per_page = str(per_page)
        self._cursor: str | None = None
        if after is not None:
            # The size stays what it was: whether a cursor outlives another one is not documented.
            self._per_page, self._cursor = cursor_start(after)
        self._followed = {hash(self._cursor)}
        """Hashes of the cursors that were followed: one that comes again would lead in a circle."""
        self._number = 0
        self._empty = 0
        """Pages without a record since the last one with any."""
        self._asked = False
        self.is_finished: bool = False
        self.failure: StalledCursorError | None = None

    def next_request(self, outstanding: int) -> PageRequest | None:
        """Ask for the page behind the last cursor, once that is known."""
        if outstanding or self._asked or self.is_finished:
            return None
        self._asked = True
        pairs: tuple[tuple[str, str], ...] = (("per_page", self._per_page),)
        if self._cursor is not None:
            pairs = (("end_cursor", self._cursor), *pairs)
        return PageRequest(self._number + 1, pairs)

    def accept(self, reading: ParsedList, ids: Sequence[object]) -> PageResult:  # noqa: ARG002
        """Take a page and its cursor; what came is kept even where nothing can follow it."""
        self._asked = False
        self._number += 1
        info = reading.page_info or {}
        cursor = info.get("end_cursor")
        following = info.get("has_next_page")
        if following is True:
            self._empty = 0 if reading.records else self._empty + 1
            if not isinstance(cursor, str) or not cursor or hash(cursor) in self._followed:
                return self._stalled_error(
                    "the server says that another page follows but names no new cursor for it"
                )
            if self._empty == _EMPTY_PAGES:
                return self._stalled_error(
                    f"the server sent {_EMPTY_PAGES} pages without a record, one after the other, "
                    "and says that more follow, so the end of the list cannot be found"
                )
            self._followed.add(hash(cursor))
            self._cursor = cursor
        elif following is False:
            self.is_finished = True
        elif reading.records:
            return self._stalled_error("the page does not say whether another follows it")
        else:
            self.is_finished = True
            text = "an empty page does not say whether another follows; it is taken for the end"
            return PageResult(None, None, (text,))
        resume = f"c:{self._per_page}:{cursor}"
        named = isinstance(cursor, str) and cursor and len(resume) <= _MAX_RESUME_LENGTH
        return PageResult(None, resume if named else None)

    def _stalled_error(self, what: str) -> PageResult:
        """End the list with an error that is raised once its last page has been delivered."""
        self.is_finished = True
        self.failure = StalledCursorError(what)
        return PageResult(None, None)


class NumberedPlan:
    """``page`` and ``per_page``, finished by ``count``; see `Drift` for lists that change."""

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
        """True while page 2 may be asked for before page 1 has told whether there is one."""
        self._drift = drift
        self._passes_left = passes
        self._verifying = False
        self._seen = None if drift == "ignore" else IdSet()
        self._here: IdSet | None = None
        """Ids of the verifying pass under way."""
        self._first = 1
        self._size = 0
        self._count: int | None = None
        self._anonymous = 0
        self.is_finished: bool = False
        self.failure: DriftError | None = None
        self._signs = False
        self._resumed = after is not None
        if after is not None:
            page, self._per_page, self._size, count = numbered_start(after, drift=drift)
            self._first, self._count = page + 1, None if count == -1 else count
        self._begin(self._first, known=2 if self._eager else self._first)

    def _begin(self, page: int, *, known: int) -> None:
        self._next = page
        """Next page to ask for."""
        self._due = page
        """Next page to take."""
        self._last: int | None = known
        """Last page of the pass; None while only a short page can tell."""
        self._bound: int | None = None
        """No page beyond this one is asked for; None while no count says how long the list is."""
        self._outgrown = False
        """True while the list has more pages than are asked for."""
        self._opening = True
        self._matched = 0
        self._landmark = 0
        """Hash of an earlier page of the pass, set anew at pages 1, 2, 4, 8 and so on."""
        self._repeats = 0

    def next_request(self, outstanding: int) -> PageRequest | None:
        """Ask for the next page; those of an uncounted list, and page 1 of a pass, go alone."""
        if self.is_finished or (self._last is not None and self._next > self._last):
            return None
        if outstanding and (self._last is None or (self._opening and not self._eager)):
            return None
        number = self._next
        self._next += 1
        return PageRequest(number, (("page", str(number)), ("per_page", str(self._per_page))))

    def accept(self, reading: ParsedList, ids: Sequence[object]) -> PageResult:
        """Account for the next page; raises `DriftError`."""
        number, rows = self._due, len(ids)
        self._due += 1
        warnings = (
            self._read_first_page(reading, rows)
            if self._opening
            else self._read_next_page(reading, rows, number)
        )
        fresh = self._new_among(ids, pivot=self._verifying and number == 1)
        self._check_repeats(number, reading, ids)
        if rows == 0 or (self._last is None and rows < self._size):
            self._last = number
            self._outgrown = False
        resume_at = None if self._verifying else self._resume(number)
        ends = self._last is not None and number >= self._last
        drop_rest = ends and self._next > number + 1
        if ends:
            self._end_pass()
        return PageResult(fresh, resume_at, warnings, drop_rest)

    def _resume(self, number: int) -> str:
        count = -1 if self._count is None else self._count
        if self._signs and self._drift != "ignore":
            # What this walk saw, the one that resumes it cannot see again.
            count = _LIST_CHANGED
        return f"n:{number}:{self._per_page}:{self._size}:{count}"

    def _read_first_page(self, reading: ParsedList, rows: int) -> tuple[str, ...]:
        """Learn size and count from the first page of a pass."""
        self._opening = False
        count = reading.count
        if self._resumed:
            return self._read_pivot_page(count, rows)
        if self._verifying and count != self._count:
            self._signs = True
        self._size, self._count = rows, count
        if count is None or count < rows:
            self._count = self._last = None
            if count is None:
                return (
                    "the server sent no usable count; the walk goes on to the first short page",
                )
            return ("the server's count is below the rows it sent; the walk does not rely on it",)
        if rows == 0:
            if count and not self._verifying:
                raise DriftError(
                    f"page 1 is empty although the server counts {count} records; try again later",
                    at_most_missing=count,
                )
            self._last = 1
        else:
            self._last = max(1, -(-count // rows))
            self._bound = _MAX_GROWTH * self._last + _GROWTH_PAGES
        return ()

    def _read_pivot_page(self, count: int | None, rows: int) -> tuple[str, ...]:
        """Go on from the middle, if the list is as it was; nothing before can be verified."""
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
        self._size = self._size or rows
        return ()

    def _read_next_page(self, reading: ParsedList, rows: int, number: int) -> tuple[str, ...]:
        """Compare a further page with what page 1 promised."""
        if self._last is None or self._count is None:
            return ()
        before = (number - 1) * self._size
        count = reading.count
        if rows and (count is None or count < before + rows):
            self._count = self._last = None
            return ("the server's count is below the rows it sent; the walk does not rely on it",)
        if count is not None and count != self._count:
            self._signs = True
            self._extend_pages(-(-count // self._size))
        if rows != min(self._size, max(0, self._count - before)):
            self._signs = True
        return ()

    def _extend_pages(self, pages: int) -> None:
        """Follow a list that grew, as far as a list grows that is ever read to its end."""
        last = max(self._last or 0, pages)
        bound = last if self._bound is None else self._bound
        self._last, self._outgrown = min(last, bound), self._outgrown or last > bound

    def _new_among(self, ids: Sequence[object], *, pivot: bool) -> tuple[int, ...] | None:
        """Return the places of records not delivered before, and keep the accounts of the pass."""
        seen = self._seen
        if seen is None:
            return None
        named = ids
        if None in ids:
            # Without an id nothing tells it from one that was delivered in an earlier pass.
            named = [id for id in ids if id is not None]
            if not self._verifying:
                self._anonymous += len(ids) - len(named)
        repeated = seen.add_all(named)
        if self._here is not None:
            again = set(self._here.add_all(named))
            matched = range(len(named)) if pivot else repeated
            self._matched += sum(place not in again for place in matched)
        self._signs = self._signs or bool(repeated)
        if not repeated and (len(named) == len(ids) or not self._verifying):
            return None
        return _new_ids(ids, set(repeated), anonymous=not self._verifying)

    def _check_repeats(self, number: int, reading: ParsedList, ids: Sequence[object]) -> None:
        """Refuse a list whose pages come again and again: without a true count it never ends.

        A landmark that moves at the powers of two finds a circle of any length in a few rounds.
        """
        if not ids:
            return
        known = any(id is not None for id in ids)
        page = hash(tuple(ids) if known else tuple(bytes(record) for record in reading.records))
        if page == self._landmark:
            self._repeats += 1
            if self._repeats >= (_UNCOUNTED_REPEATS if self._last is None else _MAX_REPEATS):
                raise DriftError(
                    f"the server answers page {number} with the records of an earlier page, again "
                    "and again, so the end of the list cannot be found; try again later"
                )
        nth = number - (1 if self._verifying else self._first) + 1
        if nth & (nth - 1) == 0:
            self._landmark = page

    def _end_pass(self) -> None:
        if self._outgrown:
            self._finish(
                DriftError(
                    "the list grows faster than it is read, so its end cannot be reached; "
                    "everything seen was delivered. Try again at a quieter time"
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
        elif self._signs:
            failure = DriftError(
                "the list changed during the walk, and without a usable count nothing can be "
                "verified; everything seen was delivered. Try again at a quieter time"
            )
        self._finish(failure)

    def _end_first_pass(self, count: int, found: int) -> None:
        if min(count, (self._first - 1) * self._size) + found != count:
            self._signs = True
        # One page that holds everything is one snapshot, and proves itself.
        proven = self._last == 1 and not self._signs
        if proven or (self._drift == "watch" and not self._signs):
            self._finish()
        elif self._resumed:
            self._finish(
                DriftError(
                    "the list changed during a walk that began in its middle; "
                    "start from the beginning"
                )
            )
        else:
            # An id found may have left since, so the difference to the count bounds nothing.
            self._verify_again(None)

    def _end_verifying_pass(self) -> None:
        missing = None if self._count is None else self._count - self._matched
        if missing == 0:
            self._finish()
        else:
            # More matches than records contradict each other, and then bound nothing.
            self._verify_again(missing if missing is not None and missing > 0 else None)

    def _verify_again(self, missing: int | None) -> None:
        if self._passes_left == 0:
            self._finish(
                DriftError(
                    "the list kept changing, so completeness could not be shown; everything seen "
                    "was delivered. Try again at a quieter time, or raise passes",
                    at_most_missing=missing,
                )
            )
            return
        self._passes_left -= 1
        self._verifying = True
        self._eager = False
        self._here = IdSet()
        self._begin(1, known=1)

    def _finish(self, failure: DriftError | None = None) -> None:
        self.is_finished = True
        self.failure = failure


def _new_ids(ids: Sequence[object], repeated: set[int], *, anonymous: bool) -> tuple[int, ...]:
    """Return the places of the records to deliver; ``repeated`` counts those with an id only."""
    fresh: list[int] = []
    nth = -1
    for place, id in enumerate(ids):
        if id is None:
            if anonymous:
                fresh.append(place)
            continue
        nth += 1
        if nth not in repeated:
            fresh.append(place)
    return tuple(fresh)


def cursor_start(after: str) -> tuple[str, str]:
    """Return page size and cursor of a resume value, or refuse it."""
    per_page, cursor = _parse_resume(_AT_CURSOR, after)
    return per_page, cursor


def numbered_start(after: str, *, drift: Drift) -> tuple[int, int, int, int]:
    """Return page, parameter, page size and count of a resume value, or refuse it."""
    if drift == "verify":
        raise InvalidArgumentError(
            "a numbered walk cannot be verified from its middle; leave out after=, or pass "
            'drift="watch"'
        )
    page, per_page, size, count = map(int, _parse_resume(_AT_NUMBER, after))
    return page, per_page, size, count


def _parse_resume(pattern: re.Pattern[str], after: str) -> tuple[str, ...]:
    """Return the parts of a resume value; refuse what no walk of this kind gave, unquoted."""
    found = pattern.fullmatch(after) if len(after) <= _MAX_RESUME_LENGTH else None
    if found is None:
        raise InvalidArgumentError(
            "after is no resume value of such a walk; pass page.resume unchanged"
        )
    return found.groups()
