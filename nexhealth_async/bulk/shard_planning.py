"""From what is wanted to shards: which lists of which places, since when, in which windows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import Factory, evolve, field, frozen

from nexhealth_async._protocol.operations import Paging
from nexhealth_async._protocol.timestamps import check_aware
from nexhealth_async.bulk.pull_state import GroupState, ShardState
from nexhealth_async.bulk.resource_facts import Deletions, Level, ResourceFacts, facts
from nexhealth_async.bulk.shards import Filters, Group, Shard
from nexhealth_async.errors import (
    FirewallBlockedError,
    InvalidArgumentError,
    PermissionDeniedError,
    VersionNotEnabledError,
)
from nexhealth_async.resources.locations import LIST as LIST_LOCATIONS
from nexhealth_async.workflows.practice_locations import practice_locations

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client

__all__ = [
    "BEGINNING",
    "COMPARE",
    "OVERLAP",
    "YEARS_AHEAD",
    "GroupPlan",
    "PracticeLocations",
    "Practices",
    "PullPlan",
    "Since",
    "VisibleLocations",
    "by_subdomain",
    "find_practices",
    "format_timestamp",
    "list_visible",
    "lists_of",
    "plan_shards",
    "start_of_year",
]

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any practice went live; the vendor advises such a moment where a list needs one."""
OVERLAP = timedelta(minutes=15)
"""How far back of a pull's start the next one begins: the vendor's reads lag about 10 minutes."""
COMPARE = timedelta(days=7)
"""How old a comparison with the whole list may be before the next one."""
_YEARS_BACK = 4
"""Calendar years before this one that are windows of their own; those before are one."""
_WINDOWS_AHEAD = 2
"""New Years after this year's that begin a window; the last of these windows is a long one."""
YEARS_AHEAD = 10
"""Years after this one that a whole pull of appointments reads."""

Practices: TypeAlias = Sequence[str] | Mapping[str, Sequence[int] | None] | None
"""Which practices: all (None), these, or these with these locations (None: all of them)."""
Since: TypeAlias = datetime | Literal["last"] | None
"""From when: everything (None), a moment, or where each group of the target ended ("last")."""


@frozen(kw_only=True)
class PracticeLocations:
    """A practice, and which of its locations are to be read."""

    subdomain: str
    location_ids: tuple[int, ...]
    whole: bool = True
    """Whether these are all its locations that the key can see."""


@frozen(kw_only=True)
class GroupPlan:
    """What a pull reads of one resource in one practice."""

    group: Group
    shards: tuple[Shard, ...]
    sweep: tuple[Shard, ...] = ()
    """To be read after the shards: records may have moved from one not yet read to one read."""

    @property
    def everything(self) -> tuple[Shard, ...]:
        """The shards, and those of the sweep."""
        return (*self.shards, *self.sweep)

    @property
    def compares(self) -> bool:
        """Whether it is read whole, so that what was not seen is gone and may be deleted."""
        return all(shard.compares for shard in self.shards)

    @property
    def completes(self) -> bool:
        """Whether reading its shards brings everything there is, or everything that changed."""
        return not any(shard.partial for shard in self.everything)

    def can_compare(
        self, states: Iterable[ShardState | None], *, keeps_rejected: bool = False
    ) -> bool:
        """Tell whether rows that were not seen may be deleted, now that its shards are read.

        Not where a record could not be read and the target does not keep rejected records: a row
        may be an earlier version of it. A target that keeps them has removed that row.
        """
        if keeps_rejected:
            return self.compares
        return self.compares and not any(state is not None and state.refused for state in states)


def _by_group(plan: PullPlan) -> Mapping[Group, GroupPlan]:
    return {one.group: one for one in plan.groups}


@frozen(kw_only=True)
class PullPlan:
    """What a pull consists of."""

    groups: tuple[GroupPlan, ...]
    _of: Mapping[Group, GroupPlan] = field(
        init=False, eq=False, repr=False, default=Factory(_by_group, takes_self=True)
    )

    @classmethod
    def of(cls, shards: Iterable[Shard]) -> PullPlan:
        """Put a plan together again from all its shards, as a checkpoint keeps them."""
        parts: dict[Group, tuple[list[Shard], list[Shard]]] = {}
        for shard in shards:
            main, sweep = parts.setdefault(shard.group, ([], []))
            (sweep if shard.sweep else main).append(shard)
        return cls(
            groups=tuple(
                GroupPlan(group=group, shards=tuple(main), sweep=tuple(sweep))
                for group, (main, sweep) in parts.items()
            )
        )

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All shards but the sweeps: resource by resource, practice by practice."""
        return tuple(shard for one in self.groups for shard in one.shards)

    @property
    def everything(self) -> tuple[Shard, ...]:
        """All shards, the sweeps of each group behind its others."""
        return tuple(shard for one in self.groups for shard in one.everything)

    def group(self, group: Group) -> GroupPlan:
        """Return what is read of a group."""
        return self._of[group]

    def sweep_of(self, group: Group) -> tuple[Shard, ...]:
        """Return the shards to be read after all others of a group; none if it needs no sweep."""
        return self._of[group].sweep


def plan_shards(
    resources: Iterable[str],
    version: str,
    practices: Sequence[PracticeLocations],
    *,
    now: datetime,
    since: Since = None,
    watermarks: Mapping[Group, GroupState] | None = None,
    compare: timedelta | None = COMPARE,
    appointments_from: datetime | None = None,
    appointments_until: datetime | None = None,
    overlap: timedelta = OVERLAP,
    whole: Collection[Group] = (),
) -> PullPlan:
    """Plan a pull. Equal arguments give equal plans; ``now`` is the moment the pull starts.

    Lists of the whole account are read whichever the practices are. A group is compared with its
    whole list if it is read whole: without ``since``, where its list takes none, and with
    ``since="last"`` where deleted records show in no other way and the last comparison is
    ``compare`` old. It is not if ``compare`` is None, if only some locations are read, or if the
    appointments' window is narrower than the default, 2000 to ten years ahead. Then, and where a
    moment is later than the group's watermark, the shards are ``partial``. ``whole`` names
    groups that are read from their beginning whatever ``since`` says.

    Raises `InvalidArgumentError` or `NotInVersionError` for what cannot be pulled.
    """
    if len({place.subdomain for place in practices}) < len(practices):
        raise InvalidArgumentError(
            "a practice is named twice; name each once, with all its locations"
        )
    planner = _Planner(
        places=tuple(practices),
        now=_in_utc("now", now),
        since=since if since is None or since == "last" else _in_utc("since", since),
        watermarks=watermarks or {},
        compare=compare,
        window=_DateWindow.between(now, appointments_from, appointments_until),
        overlap=overlap,
        whole=frozenset(whole),
    )
    names = dict.fromkeys(resources)
    groups = (one for name in names for one in planner.groups(facts(name, version)))
    return PullPlan(groups=tuple(groups))


@frozen(kw_only=True)
class VisibleLocations:
    """The practices and locations that a key can see, inactive locations too."""

    locations: Mapping[str, Mapping[int, None]]
    """By subdomain, in the server's order."""
    institution_ids: Mapping[str, int | None]
    """By subdomain."""
    is_complete: bool
    """Whether the key may list them all; False if only some practices were asked after by name."""

    def chosen(self, practices: Practices = None) -> tuple[PracticeLocations, ...]:
        """Return the places to be read.

        Raises `InvalidArgumentError` for those that the key cannot see, naming those it can.
        """
        seen, chosen = self.locations, by_subdomain(practices)
        if chosen is None:
            return tuple(_practice_locations(name, ids, None) for name, ids in seen.items())
        for name in chosen:
            if name not in seen:
                raise InvalidArgumentError(
                    f"the key sees no practice called {name!r}; it sees {_join_names(seen)}"
                )
        return tuple(_practice_locations(name, seen[name], ids) for name, ids in chosen.items())


def by_subdomain(practices: Practices) -> Mapping[str, Sequence[int] | None] | None:
    """Return the practices chosen, each with its locations (None: all); None: all practices."""
    if practices is None or isinstance(practices, Mapping):
        return practices
    return dict.fromkeys([practices] if isinstance(practices, str) else practices)


async def list_visible(caller: Client, practices: Iterable[str] | None = None) -> VisibleLocations:
    """Find out what a key can see; practices that are named are asked after if it may not list all.

    The caller must be bound to no practice: what it is bound to would be all it sees.
    """
    try:
        return await _list_locations(caller, None)
    except PermissionDeniedError as error:
        if practices is None or isinstance(error, (VersionNotEnabledError, FirewallBlockedError)):
            raise
    return await _list_locations(caller, dict.fromkeys(practices))


async def _list_locations(caller: Client, practices: Iterable[str] | None) -> VisibleLocations:
    seen: dict[str, dict[int, None]] = {}
    ids: dict[str, int | None] = {}
    for practice in (None,) if practices is None else practices:
        with suppress(PermissionDeniedError) if practice is not None else nullcontext():
            async with aclosing(practice_locations(caller, LIST_LOCATIONS, practice)) as listed:
                async for one in listed:
                    seen.setdefault(one.subdomain, {})[one.location_id] = None
                    ids[one.subdomain] = one.institution_id
    return VisibleLocations(locations=seen, institution_ids=ids, is_complete=practices is None)


async def find_practices(
    caller: Client, practices: Practices = None
) -> tuple[PracticeLocations, ...]:
    """Return the practices and locations to read."""
    return (await list_visible(caller, by_subdomain(practices))).chosen(practices)


def _practice_locations(
    subdomain: str, visible: Mapping[int, None], ids: Sequence[int] | None
) -> PracticeLocations:
    chosen = dict.fromkeys(visible if ids is None else ids)
    if not chosen:
        raise InvalidArgumentError(f"no location of {subdomain} is named; pass None to mean all")
    for id in chosen:
        if id not in visible:
            raise InvalidArgumentError(
                f"the key sees no location {id} in {subdomain}; it sees {_join_names(visible)}"
            )
    return PracticeLocations(
        subdomain=subdomain, location_ids=tuple(chosen), whole=len(chosen) == len(visible)
    )


_MAX_LISTED = 20


def _join_names(names: Iterable[object]) -> str:
    every = [str(name) for name in names]
    more = [f"{len(every) - _MAX_LISTED} more"] if len(every) > _MAX_LISTED else []
    return ", ".join(every[:_MAX_LISTED] + more) or "none"


@frozen(kw_only=True)
class _DateWindow:
    """The appointments' window, and the edges that divide it for reading in parallel."""

    first: datetime
    last: datetime
    edges: tuple[datetime, ...]
    complete: bool

    @classmethod
    def between(cls, now: datetime, first: datetime | None, last: datetime | None) -> _DateWindow:
        year = now.astimezone(UTC).year
        end = start_of_year(year + YEARS_AHEAD + 1)
        first = BEGINNING if first is None else _in_utc("appointments_from", first)
        last = end if last is None else _in_utc("appointments_until", last)
        if last <= first:
            raise InvalidArgumentError("appointments_until must be later than appointments_from")
        years = map(start_of_year, range(year - _YEARS_BACK, year + _WINDOWS_AHEAD + 1))
        inner = (edge for edge in years if first < edge < last)
        return cls(
            first=first,
            last=last,
            edges=(first, *inner, last),
            complete=first <= BEGINNING and last >= end,
        )

    def parts(self, *, divided: bool) -> Sequence[tuple[str, str]]:
        edges = self.edges if divided else (self.first, self.last)
        return list(pairwise(map(format_timestamp, edges)))


@frozen(kw_only=True)
class _Planner:
    places: tuple[PracticeLocations, ...]
    now: datetime
    since: Since
    watermarks: Mapping[Group, GroupState]
    compare: timedelta | None
    window: _DateWindow
    overlap: timedelta
    whole: frozenset[Group] = frozenset()

    def groups(self, about: ResourceFacts) -> Iterable[GroupPlan]:
        """Plan each practice's part of a resource, or the account's."""
        if about.level is Level.ACCOUNT:
            yield self._group(about, Group(resource=about.resource, subdomain=None), (None,))
            return
        for place in self.places:
            group = Group(resource=about.resource, subdomain=place.subdomain)
            restricted = about.narrows and not place.whole
            by_location = about.level is Level.LOCATION or restricted
            locations = place.location_ids if by_location else (None,)
            if locations:
                yield self._group(about, group, locations, restricted=restricted)

    def _group(
        self,
        facts: ResourceFacts,
        group: Group,
        locations: Sequence[int | None],
        *,
        restricted: bool = False,
    ) -> GroupPlan:
        since = self._since(facts, group)
        narrowed = facts.windowed and not self.window.complete
        base = Shard(
            resource=group.resource,
            version=facts.version,
            subdomain=group.subdomain,
            compares=(
                since is None and self.compare is not None and not restricted and not narrowed
            ),
            partial=restricted or narrowed or self._leaves_gap(group, since),
        )
        divided = since is None and facts.paging is Paging.CURSOR
        shards = self._shards(base, facts, since, locations, divided=divided)
        moving = len(shards) > 1 or len(facts.lists) > 1
        return GroupPlan(
            group=group,
            shards=shards,
            sweep=self._sweep(base, facts, locations) if facts.incremental and moving else (),
        )

    def _since(self, facts: ResourceFacts, group: Group) -> datetime | None:
        """Return from when a group is read; None for the whole of it."""
        if not facts.incremental or self.since is None or group in self.whole:
            return None
        if self.since != "last":
            return self.since
        state = self.watermarks.get(group, GroupState())
        if facts.deletions is Deletions.COMPARISON and self.compare is not None:
            compared = state.compared
            if compared is None or self.now - compared >= self.compare:
                return None
        return state.watermark

    def _leaves_gap(self, group: Group, since: datetime | None) -> bool:
        """Whether changes before ``since`` are neither read nor known to be in the target."""
        known = self.watermarks.get(group, GroupState()).watermark
        return since is not None and (known is None or since > known)

    def _sweep(
        self, base: Shard, facts: ResourceFacts, locations: Sequence[int | None]
    ) -> tuple[Shard, ...]:
        since = self.now - self.overlap
        return self._shards(evolve(base, sweep=True), facts, since, locations, divided=False)

    def _shards(
        self,
        base: Shard,
        facts: ResourceFacts,
        since: datetime | None,
        locations: Sequence[int | None],
        *,
        divided: bool,
    ) -> tuple[Shard, ...]:
        windows = self.window.parts(divided=divided) if facts.windowed else (None,)
        return tuple(
            evolve(
                base,
                location_id=location,
                window=window,
                lists=lists_of(facts, since, window),
            )
            for location in locations
            for window in windows
        )


def lists_of(
    facts: ResourceFacts, since: datetime | None, window: tuple[str, str] | None
) -> tuple[Filters, ...]:
    """Return the filters of each list that a shard of a resource walks."""
    if since is None and facts.needs_since:
        since = BEGINNING
    more: Filters = {"updated_since": format_timestamp(since)} if since is not None else {}
    if window is not None:
        more = {"start": window[0], "end": window[1], **more}
    return tuple({**one.filters, **more} for one in facts.lists)


def _in_utc(name: str, timestamp: datetime) -> datetime:
    return check_aware(name, timestamp).astimezone(UTC)


def start_of_year(year: int) -> datetime:
    """Return the first moment of a year."""
    return datetime(year, 1, 1, tzinfo=UTC)


def format_timestamp(moment: datetime) -> str:
    """Write a moment as shards hold it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
