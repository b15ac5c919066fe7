"""Options of a pull, checked and converted to the library's arguments."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol

from attrs import frozen

from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async.cli.exit_status import CliError
from nexhealth_async.cli.list_names import check_names, lists_of
from nexhealth_async.cli.open_session import (
    CliApiKey,
    ConnectionOptions,
    OpenedSession,
    open_session,
)
from nexhealth_async.cli.pull_options import (
    BulkPullOptions,
    FilterOptions,
    OutputOptions,
    ScopeOptions,
    parse_price,
    parse_since,
    parse_window,
)
from nexhealth_async.cli.target_option import is_set, may_exist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from nexhealth_async import NexHealth
    from nexhealth_async._protocol.rate_limits import SharedRates
    from nexhealth_async._protocol.token_store import TokenStore
    from nexhealth_async.cli.pull_summary import PullSummary

__all__ = [
    "BulkOptions",
    "PullCommand",
    "PullJob",
    "open_pull",
    "parse_bulk_options",
    "practices_of",
    "resolve_version",
]

_CONCURRENCY: Final = 8


@frozen(kw_only=True)
class PullCommand:
    """The options of a pull."""

    lists: tuple[str, ...]
    entry: ConnectionOptions
    scope: ScopeOptions
    filters: FilterOptions
    output: OutputOptions
    bulk: BulkPullOptions

    @property
    def only_resumes(self) -> bool:
        """True if the command resumes a pull and names no lists."""
        return self.bulk.resume and not self.lists and not self.bulk.all

    @property
    def is_bulk(self) -> bool:
        """True unless the command pulls one list to stdout or a file."""
        return (
            len(self.lists) != 1
            or self.bulk != BulkPullOptions()
            or self.output.format == "parquet"
            or self.filters.since == "last"
            or self._uses_environment_target
        )

    @property
    def _uses_environment_target(self) -> bool:
        """True if one list goes to the target of ``NEXHEALTH_PULL_TO``.

        Invented records never do, and options of a pull to stdout or a file take precedence.
        """
        has_list_options = self.output.format is not None or any(self.list_options.values())
        return is_set() and not self.entry.sandbox and not has_list_options

    @property
    def list_options(self) -> Mapping[str, bool]:
        """Options that only a pull of one list takes, and whether they are set."""
        return {
            "--limit": self.filters.limit is not None,
            "--prefetch": self.filters.prefetch is not None,
            "--output": self.output.output is not None,
            "--format table": self.output.format == "table",
        }

    @property
    def follows_target(self) -> bool:
        """True if the target's earlier pull may decide the API version."""
        if not self.is_bulk or self.entry.requested_version is not None or self.bulk.dry_run:
            return False
        # The sandbox's default version is v3, so a database that may be empty does not decide.
        return may_exist(self.bulk.to, databases=not self.entry.sandbox)


class PullJob(Protocol):
    """A pull of one list, a copy to a target, or a dry run."""

    def run(self, key: CliApiKey) -> PullSummary:
        """Run the pull and return its summary."""
        ...

    def early_end_text(self, *, stopped: bool) -> str | None:
        """Return the message for a pull that ended early, or None.

        Args:
            stopped: True after a signal, False after an error.
        """
        ...


@asynccontextmanager
async def open_pull(
    command: PullCommand,
    key: CliApiKey,
    *,
    tokens: TokenStore | None = None,
    rates: SharedRates | None = None,
) -> AsyncGenerator[OpenedSession]:
    """Open the session of a pull in the pull's API version, and log in.

    Raises:
        CliError: The version lacks one of the lists.
    """
    follows = command.follows_target
    version = AUTO if follows else None
    async with open_session(
        command.entry, key, version=version, tokens=tokens, rates=rates
    ) as session:
        await session.nex.log_in()
        if not follows:
            await resolve_version(session.nex, command.lists)
        yield session


async def resolve_version(nex: NexHealth, names: Sequence[str]) -> str:
    """Return the API version of the session; raise `CliError` if it lacks one of the lists."""
    from nexhealth_async.session import client_of

    version = await client_of(nex).resolve_version()
    check_names(names, version)
    return version


@frozen(kw_only=True)
class BulkOptions:
    """Options of a bulk pull, as the library takes them."""

    lists: Sequence[str] | None
    since: datetime | Literal["last"] | None
    compare: timedelta | None
    first: datetime | None
    last: datetime | None
    concurrency: int
    price: Decimal | None


def parse_bulk_options(command: PullCommand) -> BulkOptions:
    """Convert the options of a bulk pull; raise `CliError` for invalid ones."""
    filters, bulk = command.filters, command.bulk
    for option, is_present in command.list_options.items():
        if is_present:
            raise CliError(f"{option} belongs to a pull of one list without --to: leave it out.")
    for option, number in (("concurrency", bulk.concurrency), ("per-page", filters.per_page)):
        if number is not None and number < 1:
            raise CliError(f"--{option} must be at least 1.")
    if bulk.compare is not None and filters.since != "last":
        raise CliError("--compare belongs to --since last: leave it out.")
    if bulk.recopy and (bulk.resume or filters.since is not None):
        raise CliError(
            "--recopy copies everything again: leave out --resume and --since. To continue an "
            "interrupted recopy, use --resume without --recopy."
        )
    if bulk.price_per_call is not None and not bulk.dry_run:
        raise CliError("--price-per-call belongs to --dry-run: add that, or leave it out.")
    if bulk.dry_run and filters.since == "last":
        raise CliError("--dry-run cannot estimate --since last: use a date, or leave out --since.")
    first, last = parse_window(filters)
    return BulkOptions(
        lists=_parse_lists(command),
        since=_parse_since(filters.since),
        compare=_parse_compare(bulk.compare),
        first=first,
        last=last,
        concurrency=bulk.concurrency or _CONCURRENCY,
        price=None if bulk.price_per_call is None else parse_price(bulk.price_per_call),
    )


def _parse_lists(command: PullCommand) -> Sequence[str] | None:
    names, bulk, filters = command.lists, command.bulk, command.filters
    if bulk.all and names:
        raise CliError("--all pulls every list: leave out --all or the names of lists.")
    if not bulk.all and not names and not command.only_resumes:
        every = ", ".join(lists_of(command.entry.pinned_version))
        raise CliError(f"Name the lists to pull, or add --all for: {every}.")
    # The target's version may differ from the default version.
    check_names(names, None if command.follows_target else command.entry.pinned_version)
    has_appointments = not names or "appointments" in names
    if (filters.start or filters.end) and not has_appointments:
        raise CliError("--start and --end belong to appointments: leave them out.")
    return names or None


def _parse_since(text: str | None) -> datetime | Literal["last"] | None:
    if text is None or text == "last":
        return "last" if text else None
    return parse_since(text)


def _parse_compare(text: str | None) -> timedelta | None:
    match text:
        case None:
            return timedelta(days=7)
        case "always":
            return timedelta(0)
        case "never":
            return None
        case _ if text.isascii() and text.isdigit() and len(text) < 6:  # noqa: PLR2004 - ages
            return timedelta(days=int(text))
        case _:
            raise CliError("--compare takes a number of days, always or never.")


async def practices_of(
    nex: NexHealth, scope: ScopeOptions
) -> Sequence[str] | Mapping[str, Sequence[int]] | None:
    """Return the practices to pull, with location ids if some are named; None means all."""
    practices = tuple(dict.fromkeys(scope.practice))
    if not scope.location:
        return practices or None
    locations: dict[str, list[int]] = {}
    missing = set(scope.location)
    async for location in nex.locations.walk():
        subdomain = location.subdomain
        if location.id in missing and subdomain and (not practices or subdomain in practices):
            locations.setdefault(subdomain, []).append(location.id)
            missing.discard(location.id)
    if missing:
        ids = ", ".join(map(str, sorted(missing)))
        where = " in the named practices" if practices else ""
        raise CliError(
            f"This key sees no location {ids}{where}; `nexhealth practices` lists the locations."
        )
    for name in practices:
        if name not in locations:
            raise CliError(
                f"--location names no location of {name}: add one, or leave out --practice {name}."
            )
    return locations
