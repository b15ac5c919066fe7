"""Options of ``nexhealth pull``."""

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

_WHICH = Group("Records", sort_key=2)
_HOW = Group("Reading", sort_key=3)
_OUTPUT = Group("Output of one list", sort_key=4)
_BULK = Group("Bulk pulls", sort_key=5)


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
            help="Subdomain of a practice; not needed if the key sees only one. In bulk: any "
            "number, by default all.",
        ),
    ] = ()
    location: Annotated[
        tuple[int, ...],
        Parameter(
            group=_WHICH,
            negative="",
            show_default=False,
            help="Id of a location; not needed if there is only one. In bulk: any number.",
        ),
    ] = ()


@Parameter(name="*")
@frozen(kw_only=True)
class FilterOptions:
    """Filters of the records and options of reading them."""

    since: Annotated[
        str | None,
        Parameter(
            group=_WHICH,
            help="Only records updated since this date or time, such as 2026-06-01 (midnight "
            "UTC) or 2026-06-01T08:00-04:00. In bulk also: last, which refreshes a database.",
        ),
    ] = None
    start: Annotated[
        str | None, Parameter(group=_WHICH, help="Appointments only: earliest start.")
    ] = None
    end: Annotated[str | None, Parameter(group=_WHICH, help="Appointments only: latest start.")] = (
        None
    )
    limit: Annotated[
        int | None, Parameter(group=_WHICH, help="Maximum number of records of one list.")
    ] = None
    per_page: Annotated[
        int | None,
        Parameter(
            group=_HOW,
            help="Records per page (default and maximum: as many as the API allows).",
        ),
    ] = None
    prefetch: Annotated[
        int | None,
        Parameter(
            group=_HOW, help="Pages of one list to request ahead (1); 0 requests none ahead."
        ),
    ] = None
    drift: Annotated[
        Literal["watch", "verify", "ignore"] | None,
        Parameter(
            group=_HOW,
            help="Changes during the pull: check again if one shows (watch, the default for one "
            "list), always check (verify, which reads twice, the default in bulk), or ignore.",
        ),
    ] = None


@Parameter(name="*")
@frozen(kw_only=True)
class OutputOptions:
    """Output of the records of one list."""

    output: Annotated[
        Path | None,
        Parameter(
            name=("--output", "-o"),
            group=_OUTPUT,
            help="File to write (stdout). It appears when it is complete; only you can read it.",
        ),
    ] = None
    format: Annotated[
        Literal["jsonl", "table", "parquet"] | None,
        Parameter(
            group=_OUTPUT,
            help="jsonl: JSON lines with every field; table: the main fields, the default on a "
            "terminal for lists that have a table. For files in bulk: jsonl (the default) or "
            "parquet.",
        ),
    ] = None
    quiet: Annotated[
        bool,
        Parameter(
            name=("--quiet", "-q"),
            group=_OUTPUT,
            negative="",
            show_default=False,
            help="Print neither progress nor summary, only failures.",
        ),
    ] = False


@Parameter(name="*")
@frozen(kw_only=True)
class BulkPullOptions:
    """Options of bulk pulls, that is, of several lists or into a target."""

    to: Annotated[
        str | None,
        Parameter(
            group=_BULK,
            help="Copy to a DuckDB file (practice.duckdb), files in a directory (out/) or "
            "PostgreSQL (postgresql://user@host/database); by default NEXHEALTH_PULL_TO. The "
            "password is read from PGPASSWORD.",
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
            help="Continue an interrupted or partly failed pull, or start one if there is none. "
            "Without lists, only continue.",
        ),
    ] = False
    adopt: Annotated[
        bool,
        Parameter(
            group=_BULK,
            negative="",
            show_default=False,
            help="Treat records that an earlier release copied to this target without their "
            "origin as records of this account.",
        ),
    ] = False
    recopy: Annotated[
        bool,
        Parameter(
            group=_BULK,
            negative="",
            show_default=False,
            help="Delete all records of the target and copy everything again, also in another "
            "API version.",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        Parameter(
            group=_BULK,
            negative="",
            show_default=False,
            help="Only count the records, and estimate the shortest time of the pull.",
        ),
    ] = False
    price_per_call: Annotated[
        str | None,
        Parameter(
            group=_BULK,
            help="With --dry-run: your price of a request, such as 0.10, to estimate the cost. "
            "Free requests of your contract are not considered.",
        ),
    ] = None
    compare: Annotated[
        str | None,
        Parameter(
            group=_BULK,
            help="With --since last: read lists that do not report deletions whole after this "
            "many days (7), to find deleted records; or always, or never.",
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        Parameter(group=_BULK, help="Requests in flight per rate class (8)."),
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
            help="Records that cannot be decoded are kept in the target as JSON (_rejected) and "
            "cause exit status 3; known: except those of earlier pulls; all: never.",
        ),
    ] = None


def parse_price(text: str) -> Decimal:
    """Parse ``--price-per-call``; raise `CliError` if it is not an amount of money."""
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 <= price < _HIGHEST_PRICE:
        raise CliError("--price-per-call takes an amount of money, such as 0.10.")
    return price


def parse_timestamp(option: str, text: str) -> datetime:
    """Parse a date (midnight UTC) or a time with its zone; raise `CliError` for anything else."""
    try:
        if "T" not in text.upper() and " " not in text.strip():
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        timestamp = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"--{option} takes a date or a time, such as 2026-06-01 or 2026-06-01T08:00-04:00."
        ) from None
    if timestamp.tzinfo is None:
        raise CliError(f"--{option} needs a time zone: add Z or an offset such as -04:00.")
    return timestamp


def parse_since(text: str) -> datetime:
    """Parse ``--since``; raise `CliError` if it is more than a day in the future."""
    timestamp = parse_timestamp("since", text)
    if timestamp - datetime.now(UTC) > timedelta(days=1):
        raise CliError("--since lies in the future: use an earlier date.")
    return timestamp


def parse_window(filters: FilterOptions) -> tuple[datetime | None, datetime | None]:
    """Parse ``--start`` and ``--end``; raise `CliError` unless the end is later."""
    first = None if filters.start is None else parse_timestamp("start", filters.start)
    last = None if filters.end is None else parse_timestamp("end", filters.end)
    if first is not None and last is not None and last <= first:
        raise CliError("--end must be later than --start.")
    return first, last
