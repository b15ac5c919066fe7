"""A pull as the command line asks for it, checked and turned into the library's arguments."""

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
        """Whether it names nothing to pull, but a pull to resume."""
        return self.bulk.resume and not self.lists and not self.bulk.all

    @property
    def is_bulk(self) -> bool:
        """Whether this is more than one list to stdout or a file."""
        return (
            len(self.lists) != 1
            or self.bulk != BulkPullOptions()
            or self.output.format == "parquet"
            or self.filters.since == "last"
            or self._uses_environment_target
        )

    @property
    def _uses_environment_target(self) -> bool:
        """Whether ``NEXHEALTH_PULL_TO`` decides where one list goes."""
        # Invented records never go there, nor what another option sends elsewhere.
        asked_otherwise = self.output.format is not None or any(self.list_options.values())
        return is_set() and not self.entry.sandbox and not asked_otherwise

    @property
    def list_options(self) -> Mapping[str, bool]:
        """The options that only a pull of one list knows, and whether they are given."""
        return {
            "--limit": self.filters.limit is not None,
            "--prefetch": self.filters.prefetch is not None,
            "--output": self.output.output is not None,
            "--format table": self.output.format == "table",
        }

    @property
    def follows_target(self) -> bool:
        """Whether the version may be taken from what the target holds already."""
        if not self.is_bulk or self.entry.requested_version is not None or self.bulk.dry_run:
            return False
        # The sandbox has a version that shows it best, so a database that may be new gets that one.
        return may_exist(self.bulk.to, databases=not self.entry.sandbox)


class PullJob(Protocol):
    """One way to carry out a pull: one list, a copy to a target, or an estimate."""

    def run(self, key: CliApiKey) -> PullSummary:
        """Pull everything and return what to tell of it."""
        ...

    def early_end_text(self, *, stopped: bool) -> str | None:
        """Return what to tell of a pull that ended early.

        Args:
            stopped: Whether a signal ended it, and no error.
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
    """Open the session of a pull and log in, in the version that the pull is to speak.

    Raises:
        Quit: The version has not all of the lists.
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
    """Return the API version; `CliError` for lists that only the other one has."""
    from nexhealth_async.session import client_of

    version = await client_of(nex).resolve_version()
    check_names(names, version)
    return version


@frozen(kw_only=True)
class BulkOptions:
    """The options of a bulk pull as the library takes them."""

    lists: Sequence[str] | None
    since: datetime | Literal["last"] | None
    compare: timedelta | None
    first: datetime | None
    last: datetime | None
    concurrency: int
    price: Decimal | None


def parse_bulk_options(command: PullCommand) -> BulkOptions:
    """Return the options as the library takes them; raises `CliError` for what does not fit."""
    filters, bulk = command.filters, command.bulk
    for option, is_given in command.list_options.items():
        if is_given:
            raise CliError(f"{option} belongs to a pull of one list without --to: leave it out.")
    for option, number in (("concurrency", bulk.concurrency), ("per-page", filters.per_page)):
        if number is not None and number < 1:
            raise CliError(f"--{option} must be at least 1.")
    if bulk.compare is not None and filters.since != "last":
        raise CliError("--compare belongs to --since last: leave it out.")
    if bulk.recopy and (bulk.resume or filters.since is not None):
        raise CliError(
            "--recopy copies everything anew: leave out --resume and --since. A recopy that was "
            "stopped goes on with --resume alone."
        )
    if bulk.price_per_call is not None and not bulk.dry_run:
        raise CliError("--price-per-call belongs to --dry-run: add that, or leave it out.")
    if bulk.dry_run and filters.since == "last":
        raise CliError(
            "--dry-run cannot tell what --since last would read: name a day, or leave it out."
        )
    first, last = parse_window(filters)
    return BulkOptions(
        lists=_lists(command),
        since=_since(filters.since),
        compare=_compare(bulk.compare),
        first=first,
        last=last,
        concurrency=bulk.concurrency or _CONCURRENCY,
        price=None if bulk.price_per_call is None else parse_price(bulk.price_per_call),
    )


def _lists(command: PullCommand) -> Sequence[str] | None:
    names, bulk, filters = command.lists, command.bulk, command.filters
    if bulk.all and names:
        raise CliError("--all is everything: leave out either it or the lists.")
    if not bulk.all and not names and not command.only_resumes:
        every = ", ".join(lists_of(command.entry.pinned_version))
        raise CliError(f"Name what to pull, or add --all, which is: {every}.")
    # The target may be of another version than the one that would be spoken otherwise.
    check_names(names, None if command.follows_target else command.entry.pinned_version)
    windowed = not names or "appointments" in names
    if (filters.start or filters.end) and not windowed:
        raise CliError("--start and --end belong to appointments: leave them out.")
    return names or None


def _since(text: str | None) -> datetime | Literal["last"] | None:
    if text is None or text == "last":
        return "last" if text else None
    return parse_since(text)


def _compare(text: str | None) -> timedelta | None:
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
    """Return the practices meant, with their locations if only some are; None: all."""
    named = tuple(dict.fromkeys(scope.practice))
    if not scope.location:
        return named or None
    found: dict[str, list[int]] = {}
    wanted = set(scope.location)
    async for location in nex.locations.walk():
        subdomain = location.subdomain
        if location.id in wanted and subdomain and (not named or subdomain in named):
            found.setdefault(subdomain, []).append(location.id)
            wanted.discard(location.id)
    if wanted:
        missing = ", ".join(map(str, sorted(wanted)))
        whose = " in the practices named" if named else ""
        raise CliError(
            f"This key sees no location {missing}{whose}; `nexhealth practices` lists them."
        )
    for name in named:
        if name not in found:
            raise CliError(
                f"No location of {name} is named: add one, or leave out --practice {name}."
            )
    return found
