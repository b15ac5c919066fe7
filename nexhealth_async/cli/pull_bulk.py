"""``nexhealth pull`` of several lists, or into a target."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, cast

from attrs import define, frozen

from nexhealth_async._protocol.api_versions import AUTO, V2, V3
from nexhealth_async.cli import terminal
from nexhealth_async.cli.bulk_progress import Board, board
from nexhealth_async.cli.exit_status import Ended, Quit, run
from nexhealth_async.cli.open_session import Entry, Key, opened
from nexhealth_async.cli.pull_options import InBulk, Output, Scope, Which, price, since, window
from nexhealth_async.cli.pull_summary import (
    estimate_text,
    failures_text,
    rejected_text,
    report_text,
)
from nexhealth_async.cli.rejects_file import Aside, nothing_to_resume
from nexhealth_async.cli.target_option import Destination, destination, is_set, may_exist
from nexhealth_async.errors import InvalidArgument, NexHealthError, NotInThisVersion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from nexhealth_async import NexHealth
    from nexhealth_async.bulk import Estimate, Report

__all__ = [
    "PARTIAL",
    "Asked",
    "Order",
    "asked_for",
    "check_names",
    "decided",
    "follows_target",
    "is_bulk",
    "practices_of",
    "pull_in_bulk",
]

PARTIAL: Final = 3
"""Exit status when shards failed or records could not be read, and all else is complete."""
_CONCURRENCY: Final = 8
_RESUMABLE: Final = "What was written is kept; the same command with --resume goes on."


@frozen(kw_only=True)
class Order:
    """What was asked for on the command line."""

    resources: tuple[str, ...]
    entry: Entry
    scope: Scope
    which: Which
    output: Output
    in_bulk: InBulk

    @property
    def only_resumes(self) -> bool:
        """Whether it names nothing to pull, but a pull to go on with."""
        return self.in_bulk.resume and not self.resources and not self.in_bulk.all


def is_bulk(order: Order) -> bool:
    """Tell whether this is more than one list to stdout or a file."""
    return (
        len(order.resources) != 1
        or order.in_bulk != InBulk()
        or order.output.format == "parquet"
        or order.which.since == "last"
        or _goes_where_the_environment_says(order)
    )


def _goes_where_the_environment_says(order: Order) -> bool:
    """Tell whether one list does; no invented records do, nor what is asked for otherwise."""
    asked_otherwise = order.output.format is not None or any(_of_one_list(order).values())
    return is_set() and not order.entry.sandbox and not asked_otherwise


def _of_one_list(order: Order) -> Mapping[str, bool]:
    """Return which options are given that only a pull of one list knows."""
    which, output = order.which, order.output
    return {
        "--limit": which.limit is not None,
        "--prefetch": which.prefetch is not None,
        "--output": output.output is not None,
        "--format table": output.format == "table",
    }


def pull_in_bulk(order: Order) -> int:
    """Carry out an order; returns 0, or `PARTIAL` if something failed."""
    asked = asked_for(order)
    if order.in_bulk.dry_run:
        estimate = run(_estimate(order, asked, Key.for_entry(order.entry)))
        terminal.tell(estimate_text(estimate, concurrency=asked.concurrency, price=asked.price))
        if not order.output.quiet and estimate.shards:
            terminal.say(f"API version {estimate.shards[0].shard.version}")
        return 0
    where = _destination(order)
    copying = _Copying(order=order, asked=asked, where=where)
    report = copying.run(Key.for_entry(order.entry))
    return _told(report, where, quiet=order.output.quiet)


@frozen(kw_only=True)
class Asked:
    """The options as the library takes them."""

    resources: Sequence[str] | None
    since: datetime | Literal["last"] | None
    compare: timedelta | None
    first: datetime | None
    last: datetime | None
    concurrency: int
    price: Decimal | None


def asked_for(order: Order) -> Asked:
    """Return the options as the library takes them; raises `Quit` for what does not fit."""
    which, in_bulk = order.which, order.in_bulk
    _refuse_options_of_one_list(order)
    for option, number in (("concurrency", in_bulk.concurrency), ("per-page", which.per_page)):
        if number is not None and number < 1:
            raise Quit(f"--{option} must be at least 1.")
    if in_bulk.compare is not None and which.since != "last":
        raise Quit("--compare belongs to --since last: leave it out.")
    if in_bulk.recopy and (in_bulk.resume or which.since is not None):
        raise Quit(
            "--recopy copies everything anew: leave out --resume and --since. A recopy that was "
            "stopped goes on with --resume alone."
        )
    if in_bulk.price_per_call is not None and not in_bulk.dry_run:
        raise Quit("--price-per-call belongs to --dry-run: add that, or leave it out.")
    if in_bulk.dry_run and which.since == "last":
        raise Quit(
            "--dry-run cannot tell what --since last would read: name a day, or leave it out."
        )
    first, last = window(which)
    return Asked(
        resources=_resources(order),
        since=_since(which.since),
        compare=_compare(in_bulk.compare),
        first=first,
        last=last,
        concurrency=in_bulk.concurrency or _CONCURRENCY,
        price=None if in_bulk.price_per_call is None else price(in_bulk.price_per_call),
    )


def _refuse_options_of_one_list(order: Order) -> None:
    for option, is_given in _of_one_list(order).items():
        if is_given:
            raise Quit(f"{option} belongs to a pull of one list without --to: leave it out.")


def _resources(order: Order) -> Sequence[str] | None:
    names, in_bulk, which = order.resources, order.in_bulk, order.which
    if in_bulk.all and names:
        raise Quit("--all is everything: leave out either it or the lists.")
    if not in_bulk.all and not names and not order.only_resumes:
        every = ", ".join(_pullable(order.entry.pinned_version))
        raise Quit(f"Name what to pull, or add --all, which is: {every}.")
    # The target may be of another version than the one that would be spoken otherwise.
    check_names(names, None if follows_target(order) else order.entry.pinned_version)
    windowed = not names or "appointments" in names
    if (which.start or which.end) and not windowed:
        raise Quit("--start and --end belong to appointments: leave them out.")
    return names or None


def check_names(names: Sequence[str], version: str | None) -> None:
    """Raise `Quit` for a list that cannot be pulled, with those that can.

    While the version is unknown, only those are refused that no version has.
    """
    from nexhealth_async.bulk import facts

    for name in names:
        try:
            facts(name, version or V2)
        except (InvalidArgument, NotInThisVersion) as error:
            other = _other_version(name, version or V2)
            if other is not None and version is None:
                continue
            if other is not None:
                raise Quit(
                    f"{name} cannot be pulled from {version}: add --api-version {other}."
                ) from None
            said = _what(error, name)
            if "." not in name:  # what is below single records is like none of the lists
                said += f"\nThese can be pulled: {', '.join(_pullable(version))}."
            raise Quit(said) from None


async def decided(nex: NexHealth, names: Sequence[str]) -> str:
    """Return the version that is spoken; raises `Quit` for lists that only the other one has."""
    version = await nex.decide_version()
    check_names(names, version)
    return version


def follows_target(order: Order) -> bool:
    """Tell whether the version may be taken from what was copied before."""
    entry, in_bulk = order.entry, order.in_bulk
    if entry.said_version is not None or in_bulk.dry_run:
        return False
    # The sandbox has a version that shows it best, so a database that may be new gets that one.
    return may_exist(in_bulk.to, databases=not entry.sandbox)


def _pullable(version: str | None) -> Sequence[str]:
    """Return the lists that can be pulled; of every version if it is unknown which is spoken."""
    from nexhealth_async.bulk import resources

    if version is not None:
        return resources(version)
    return tuple(dict.fromkeys((*resources(V2), *resources(V3))))


def _other_version(name: str, version: str) -> str | None:
    """Return the version of the API from which a list can be pulled, if not from this one."""
    from nexhealth_async.bulk import facts

    other = "v3" if version.startswith("v2") else "v2"
    try:
        facts(name, other)
    except NexHealthError:
        return None
    return other


def _what(error: NexHealthError, name: str) -> str:
    """Say what is wrong with a name of a list, and which was likely meant."""
    from difflib import get_close_matches

    from nexhealth_async.bulk import resources

    if error.message.startswith(f"{name} "):
        what, _, how = error.message.partition("; ")
        return f"{what}; in Python, {how}." if ".walk" in how else f"{what}."
    near = get_close_matches(name, (*resources("v2"), *resources("v3")), 1, 0.7)
    meant = f"; did you mean {near[0]}?" if near else "."
    return f"{terminal.repeatable(name)}: there is no such list{meant}"


def _since(text: str | None) -> datetime | Literal["last"] | None:
    if text is None or text == "last":
        return "last" if text else None
    return since(text)


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
            raise Quit("--compare takes a number of days, always or never.")


def _destination(order: Order) -> Destination:
    in_bulk = order.in_bulk
    where = destination(
        in_bulk.to,
        kind=cast("Literal['jsonl', 'parquet'] | None", order.output.format),
        compress=in_bulk.compress,
        schema=in_bulk.schema,
    )
    if order.only_resumes and where.is_missing():
        raise nothing_to_resume(where.label)
    if order.which.since == "last" and not where.target.merges:
        raise Quit("Files cannot be brought up to date: --since last needs DuckDB or PostgreSQL.")
    folder = where.path.parent if where.path is not None and where.path.suffix else None
    if folder is not None and not folder.is_dir():
        raise Quit(f"{where.path} cannot be made: there is no directory {folder}.")
    return where


@define(kw_only=True)
class _Copying:
    """One run of a copy, and what is said if it ends before its end."""

    order: Order
    asked: Asked
    where: Destination
    shown: Board | None = None

    def run(self, key: Key) -> Report:
        """Copy; whatever ends it early, say how to go on."""
        try:
            return run(self._copy(key))
        except (KeyboardInterrupt, Ended, NexHealthError, Quit) as end:
            if self.shown is not None and self.shown.begun:
                terminal.say(_RESUMABLE)
            elif isinstance(end, (KeyboardInterrupt, Ended)):
                terminal.say("Stopped before anything was read.")
            raise

    async def _copy(self, key: Key) -> Report:
        order, asked = self.order, self.asked
        follows = follows_target(order)
        async with opened(order.entry, key, version=AUTO if follows else None) as door:
            # What fails here fails before a file is made.
            await door.nex.log_in()
            if not follows:
                await decided(door.nex, asked.resources or ())
            practices = await practices_of(door.nex, order.scope)
            async with board(wanted=not order.output.quiet) as self.shown:
                return await door.nex.bulk.copy(
                    asked.resources,
                    to=Aside(
                        self.where.target,
                        only_resume=self.where.label if order.only_resumes else None,
                    ),
                    practices=practices,
                    since=asked.since,
                    resume=order.in_bulk.resume and not self.where.is_missing(),
                    adopt=order.in_bulk.adopt,
                    recopy=order.in_bulk.recopy,
                    compare=asked.compare,
                    concurrency=asked.concurrency,
                    drift=order.which.drift or "verify",
                    per_page=order.which.per_page,
                    appointments_from=asked.first,
                    appointments_until=asked.last,
                    on_event=self.shown.note,
                    allow_rejected=order.in_bulk.allow_rejected,
                )


async def _estimate(order: Order, asked: Asked, key: Key) -> Estimate:
    async with opened(order.entry, key) as door:
        await decided(door.nex, asked.resources or ())
        return await door.nex.bulk.estimate(
            asked.resources,
            practices=await practices_of(door.nex, order.scope),
            since=cast("datetime | None", asked.since),
            concurrency=asked.concurrency,
            drift=order.which.drift or "verify",
            per_page=order.which.per_page,
            appointments_from=asked.first,
            appointments_until=asked.last,
        )


async def practices_of(
    nex: NexHealth, scope: Scope
) -> Sequence[str] | Mapping[str, Sequence[int]] | None:
    """Return the practices meant, with their locations if only some are; None: all."""
    named = tuple(dict.fromkeys(scope.practice))
    if not scope.location:
        return named or None
    found: dict[str, list[int]] = {}
    wanted = set(scope.location)
    async for one in nex.locations.walk():
        if one.id in wanted and one.subdomain and (not named or one.subdomain in named):
            found.setdefault(one.subdomain, []).append(one.id)
            wanted.discard(one.id)
    if wanted:
        missing = ", ".join(map(str, sorted(wanted)))
        whose = " in the practices named" if named else ""
        raise Quit(f"This key sees no location {missing}{whose}; `nexhealth practices` lists them.")
    for name in named:
        if name not in found:
            raise Quit(f"No location of {name} is named: add one, or leave out --practice {name}.")
    return found


def _told(report: Report, where: Destination, *, quiet: bool) -> int:
    if not quiet:
        terminal.say(report_text(report, label=where.label))
    if report.rejected:
        terminal.note(rejected_text(report, where=where.rejected))
    failures = failures_text(report)
    if failures:
        terminal.say(failures)
    return PARTIAL if report.partial else 0
