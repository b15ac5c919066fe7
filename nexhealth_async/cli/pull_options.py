"""The options of ``nexhealth pull``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

from attrs import frozen
from cyclopts import Group, Parameter

from nexhealth_async.cli.exit_status import CliError

__all__ = [
    "BulkPullOptions",
    "FilterOptions",
    "OutputOptions",
    "ScopeOptions",
    "parse_price",
    "parse_since",
    "parse_timestamp",
    "parse_window",
]

_HIGHEST_PRICE = 1_000_000

_WHICH = Group("Which records", sort_key=2)
_HOW = Group("How to read", sort_key=3)
_OUTPUT = Group("Output of one list", sort_key=4)
_BULK = Group("In bulk", sort_key=5)


@Parameter(name="*")
@frozen(kw_only=True)
class ScopeOptions:
    """The practices and the locations."""

    practice: Annotated[
        tuple[str, ...],
        Parameter(
            name=("--practice", "--subdomain"),
            group=_WHICH,
            negative="",
            show_default=False,
            help="Subdomain of a practice; not needed if the key sees just one. In bulk any "
            "number of them, or all that the key sees.",
        ),
    ] = ()
    location: Annotated[
        tuple[int, ...],
        Parameter(
            group=_WHICH,
            negative="",
            show_default=False,
            help="Id of a location; not needed if there is just one. In bulk any number.",
        ),
    ] = ()


@Parameter(name="*")
@frozen(kw_only=True)
class FilterOptions:
    """Which records, and how to read them."""

    since: Annotated[
        str | None,
        Parameter(
            group=_WHICH,
            help="Only records updated since this day or moment, such as 2026-06-01 or "
            "2026-06-01T08:00-04:00. A day begins at midnight UTC. In bulk also: last, which "
            "brings a database up to date.",
        ),
    ] = None
    start: Annotated[
        str | None, Parameter(group=_WHICH, help="Appointments only: the earliest start.")
    ] = None
    end: Annotated[
        str | None, Parameter(group=_WHICH, help="Appointments only: the latest start.")
    ] = None
    limit: Annotated[
        int | None, Parameter(group=_WHICH, help="Stop after so many records of one list.")
    ] = None
    per_page: Annotated[
        int | None,
        Parameter(
            group=_HOW,
            help="Records in a page (as many as the API allows, which is also the most).",
        ),
    ] = None
    prefetch: Annotated[
        int | None,
        Parameter(
            group=_HOW, help="Pages of one list asked for ahead (1); 0 asks only when needed."
        ),
    ] = None
    drift: Annotated[
        Literal["watch", "verify", "ignore"] | None,
        Parameter(
            group=_HOW,
            help="What to do about changes during the pull: check again if one shows (watch, for "
            "one list), check always (verify: reads twice; in bulk), or nothing.",
        ),
    ] = None


@Parameter(name="*")
@frozen(kw_only=True)
class OutputOptions:
    """Where the records of one list go."""

    output: Annotated[
        Path | None,
        Parameter(
            name=("--output", "-o"),
            group=_OUTPUT,
            help="File to write (stdout). It appears when it is complete, readable by you alone.",
        ),
    ] = None
    format: Annotated[
        Literal["jsonl", "table", "parquet"] | None,
        Parameter(
            group=_OUTPUT,
            help="JSON lines with every field, or a table of the main ones. On a terminal it is "
            "the table for lists that have one, else JSON lines. In bulk, of files: jsonl (the "
            "default) or parquet.",
        ),
    ] = None
    quiet: Annotated[
        bool,
        Parameter(
            name=("--quiet", "-q"),
            group=_OUTPUT,
            negative="",
            show_default=False,
            help="Neither progress nor closing words; what failed is told all the same.",
        ),
    ] = False


@Parameter(name="*")
@frozen(kw_only=True)
class BulkPullOptions:
    """What only pulls of several lists, or into a target, know."""

    to: Annotated[
        str | None,
        Parameter(
            group=_BULK,
            help="Copy to a DuckDB file (practice.duckdb), files in a directory (out/) or "
            "PostgreSQL (postgresql://user@host/database). NEXHEALTH_PULL_TO may say it instead, "
            "and PGPASSWORD the password.",
        ),
    ] = None
    all: Annotated[
        bool,
        Parameter(
            group=_BULK, negative="", show_default=False, help="All lists that the key may read."
        ),
    ] = False
    resume: Annotated[
        bool,
        Parameter(
            group=_BULK,
            negative="",
            show_default=False,
            help="Go on with a pull that was stopped, or of which something failed; if there is "
            "none, begin. Without naming lists it only goes on.",
        ),
    ] = False
    adopt: Annotated[
        bool,
        Parameter(
            group=_BULK,
            negative="",
            show_default=False,
            help="Take what an earlier release copied to this target, and kept no origin of, for "
            "records of this account.",
        ),
    ] = False
    recopy: Annotated[
        bool,
        Parameter(
            group=_BULK,
            negative="",
            show_default=False,
            help="Delete all records of the target and copy everything anew, in another version "
            "of the API too.",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        Parameter(
            group=_BULK,
            negative="",
            show_default=False,
            help="Only tell what there is to read, and how long it takes at the least.",
        ),
    ] = False
    price_per_call: Annotated[
        str | None,
        Parameter(
            group=_BULK,
            help="With --dry-run: what a request costs you, such as 0.10, to see what the pull "
            "costs. No price is known here, nor what your contract leaves free.",
        ),
    ] = None
    compare: Annotated[
        str | None,
        Parameter(
            group=_BULK,
            help="With --since last: after how many days (7) a list whose deleted records merely "
            "vanish is read whole, so that they are found; or always, or never.",
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        Parameter(group=_BULK, help="Requests under way at a time, of each rate class (8)."),
    ] = None
    compress: Annotated[
        Literal["gzip", "zstd"] | None, Parameter(group=_BULK, help="Compress JSON lines.")
    ] = None
    schema: Annotated[
        str | None, Parameter(group=_BULK, help="Schema of the PostgreSQL database (public).")
    ] = None
    allow_rejected: Annotated[
        Literal["known", "all"] | None,
        Parameter(
            group=_BULK,
            help="Records that cannot be read are kept in the target as JSON (_rejected), and the "
            "exit status is 3; known: not for those that the target had before; all: for none.",
        ),
    ] = None


def parse_price(text: str) -> Decimal:
    """Read ``--price-per-call``; raises `CliError` for what is no amount of money."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not 0 <= found < _HIGHEST_PRICE if found.is_finite() else True:
        raise CliError("--price-per-call takes an amount of money, such as 0.10.")
    return found


def parse_timestamp(option: str, text: str) -> datetime:
    """Read a day, or a moment with its zone; raises `CliError` for anything else."""
    try:
        if "T" not in text.upper() and " " not in text.strip():
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"--{option} takes a day or a moment, such as 2026-06-01 or 2026-06-01T08:00-04:00."
        ) from None
    if found.tzinfo is None:
        raise CliError(
            f"--{option} needs a zone beside the time of day: add Z or an offset as -04:00."
        )
    return found


def parse_since(text: str) -> datetime:
    """Read ``--since``; raises `CliError` for a day that has not begun anywhere."""
    found = parse_timestamp("since", text)
    if found - datetime.now(UTC) > timedelta(days=1):
        raise CliError("--since lies in the future, where nothing has changed yet.")
    return found


def parse_window(filters: FilterOptions) -> tuple[datetime | None, datetime | None]:
    """Read ``--start`` and ``--end``; raises `CliError` if they enclose no time."""
    first = None if filters.start is None else parse_timestamp("start", filters.start)
    last = None if filters.end is None else parse_timestamp("end", filters.end)
    if first is not None and last is not None and last <= first:
        raise CliError("--end must be later than --start.")
    return first, last
