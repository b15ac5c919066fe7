"""Divide a pull into shards: lists, locations, start times and windows."""

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
"""Time before any practice went live, as the vendor advises for lists that need a start."""
OVERLAP = timedelta(minutes=15)
"""Time that a pull reads before the start of the last one: reads lag about 10 minutes."""
COMPARE = timedelta(days=7)
"""Maximum age of the last comparison with the whole list."""
_YEARS_BACK = 4
"""Past calendar years that get a window each; earlier years share one."""
_WINDOWS_AHEAD = 2
"""Coming years that begin a window; the last window runs to the end."""
YEARS_AHEAD = 10
"""Years after this one in a whole pull of appointments."""

Practices: TypeAlias = Sequence[str] | Mapping[str, Sequence[int] | None] | None
"""Selected practices: all (None), these, or these with these locations (None: all of them)."""
Since: TypeAlias = datetime | Literal["last"] | None
"""Start of a pull: everything (None), a time, or the end of the last pull (``"last"``)."""


@frozen(kw_only=True)
class PracticeLocations:
    """Practice with the locations to read."""

    subdomain: str
    location_ids: tuple[int, ...]
    whole: bool = True
    """True if these are all locations the key can see."""


@frozen(kw_only=True)
class GroupPlan:
    """Plan of one resource in one practice."""

    group: Group
    shards: tuple[Shard, ...]
    sweep: tuple[Shard, ...] = ()
    """Shards to read last: a record may have moved from an unread list to a read one."""

    @property
    def everything(self) -> tuple[Shard, ...]:
        """All shards, the sweep last."""
        return (*self.shards, *self.sweep)

    @property
    def compares(self) -> bool:
        """True if it is read whole, so that unseen rows may be deleted."""
        return all(shard.compares for shard in self.shards)

    @property
    def completes(self) -> bool:
        """True if its shards cover everything, or everything that changed."""
        return not any(shard.partial for shard in self.everything)

    def can_compare(
        self, states: Iterable[ShardState | None], *, keeps_rejected: bool = False
    ) -> bool:
        """Return whether unseen rows may be deleted after the shards were read.

        They may not if a record was unreadable and the target does not keep rejected records: a row
        may be an earlier version of it. A target that keeps rejected records has removed that row.
        """
        if keeps_rejected:
            return self.compares
        return self.compares and not any(state is not None and state.refused for state in states)


def _by_group(plan: PullPlan) -> Mapping[Group, GroupPlan]:
    return {group_plan.group: group_plan for group_plan in plan.groups}


@frozen(kw_only=True)
class PullPlan:
    """Plan of a pull."""

    groups: tuple[GroupPlan, ...]
    _by_group: Mapping[Group, GroupPlan] = field(
        init=False, eq=False, repr=False, default=Factory(_by_group, takes_self=True)
    )

    @classmethod
    def of(cls, shards: Iterable[Shard]) -> PullPlan:
        """Rebuild a plan from its shards, as stored in a checkpoint."""
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
        """All shards except sweeps, ordered by resource and practice."""
        return tuple(shard for group_plan in self.groups for shard in group_plan.shards)

    @property
    def everything(self) -> tuple[Shard, ...]:
        """All shards, each group's sweep after its other shards."""
        return tuple(shard for group_plan in self.groups for shard in group_plan.everything)

    def group(self, group: Group) -> GroupPlan:
        """Return the plan of a group."""
        return self._by_group[group]

    def sweep_of(self, group: Group) -> tuple[Shard, ...]:
        """Return the sweep of a group; empty if it needs none."""
        return self._by_group[group].sweep


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
    """Plan a pull. Equal arguments give equal plans.

    Lists of the whole account are read whatever the practices are. A group is compared with its
    whole list if it is read whole: without ``since``, if its list has no ``updated_since``, and
    with ``since="last"`` if deletions are not listed and the last comparison is older than
    ``compare``. It is not compared if ``compare`` is None, if only some locations are read, or if
    the appointment window is narrower than the default, 2000 to ten years ahead. In the last two
    cases, and if ``since`` is later than the group's watermark, the shards are ``partial``.

    Args:
        resources: Names of lists.
        version: API version to read in.
        practices: Practices and locations to read.
        now: Start time of the pull.
        since: Start of the changes to read.
        watermarks: State of each group in the target.
        compare: Maximum age of the last comparison.
        appointments_from: Start of the appointment window.
        appointments_until: End of the appointment window.
        overlap: Time to read again before the start of the last pull.
        whole: Groups to read from the start, regardless of ``since``.

    Raises:
        InvalidArgumentError: A list cannot be pulled, or a practice is named twice.
        NotInVersionError: Only the other API version has a list.
    """
    if len({practice.subdomain for practice in practices}) < len(practices):
        raise InvalidArgumentError(
            "a practice is named twice; name it once, with all its locations"
        )
    planner = _Planner(
        practices=tuple(practices),
        now=_in_utc("now", now),
        since=since if since is None or since == "last" else _in_utc("since", since),
        watermarks=watermarks or {},
        compare=compare,
        window=_DateWindow.between(now, appointments_from, appointments_until),
        overlap=overlap,
        whole=frozenset(whole),
    )
    names = dict.fromkeys(resources)
    groups = (group_plan for name in names for group_plan in planner.groups(facts(name, version)))
    return PullPlan(groups=tuple(groups))


@frozen(kw_only=True)
class VisibleLocations:
    """Practices and locations that a key can see, including inactive locations."""

    locations: Mapping[str, Mapping[int, None]]
    """Location ids by subdomain, in the server's order."""
    institution_ids: Mapping[str, int | None]
    """Institution ids by subdomain."""
    is_complete: bool
    """True if the key may list all; False if practices were looked up by name."""

    def select(self, practices: Practices = None) -> tuple[PracticeLocations, ...]:
        """Return the practices and locations to read.

        Raises:
            InvalidArgumentError: The key cannot see one of them. The message lists what it can see.
        """
        locations, selected = self.locations, by_subdomain(practices)
        if selected is None:
            return tuple(_practice_locations(name, ids, None) for name, ids in locations.items())
        for name in selected:
            if name not in locations:
                raise InvalidArgumentError(
                    f"the key cannot see practice {name!r}; it can see {_join_names(locations)}"
                )
        return tuple(
            _practice_locations(name, locations[name], ids) for name, ids in selected.items()
        )


def by_subdomain(practices: Practices) -> Mapping[str, Sequence[int] | None] | None:
    """Return the selected practices with their locations (None: all); None for all practices."""
    if practices is None or isinstance(practices, Mapping):
        return practices
    return dict.fromkeys([practices] if isinstance(practices, str) else practices)


async def list_visible(client: Client, practices: Iterable[str] | None = None) -> VisibleLocations:
    """List what a key can see; look practices up by name if it may not list all.

    The client must not be bound to a practice: the result would be limited to it.
    """
    try:
        return await _list_locations(client, None)
    except PermissionDeniedError as error:
        if practices is None or isinstance(error, (VersionNotEnabledError, FirewallBlockedError)):
            raise
    return await _list_locations(client, dict.fromkeys(practices))


async def _list_locations(client: Client, practices: Iterable[str] | None) -> VisibleLocations:
    locations: dict[str, dict[int, None]] = {}
    ids: dict[str, int | None] = {}
    for practice in (None,) if practices is None else practices:
        with suppress(PermissionDeniedError) if practice is not None else nullcontext():
            async with aclosing(practice_locations(client, LIST_LOCATIONS, practice)) as listing:
                async for location in listing:
                    locations.setdefault(location.subdomain, {})[location.location_id] = None
                    ids[location.subdomain] = location.institution_id
    return VisibleLocations(locations=locations, institution_ids=ids, is_complete=practices is None)


async def find_practices(
    client: Client, practices: Practices = None
) -> tuple[PracticeLocations, ...]:
    """Return the practices and locations to read."""
    return (await list_visible(client, by_subdomain(practices))).select(practices)


def _practice_locations(
    subdomain: str, visible: Mapping[int, None], ids: Sequence[int] | None
) -> PracticeLocations:
    selected = dict.fromkeys(visible if ids is None else ids)
    if not selected:
        raise InvalidArgumentError(f"no location of {subdomain} is named; pass None for all")
    for id in selected:
        if id not in visible:
            raise InvalidArgumentError(
                f"the key cannot see location {id} in {subdomain}; "
                f"it can see {_join_names(visible)}"
            )
    return PracticeLocations(
        subdomain=subdomain, location_ids=tuple(selected), whole=len(selected) == len(visible)
    )


_MAX_LISTED = 20


def _join_names(names: Iterable[object]) -> str:
    texts = [str(name) for name in names]
    omitted = [f"{len(texts) - _MAX_LISTED} more"] if len(texts) > _MAX_LISTED else []
    return ", ".join(texts[:_MAX_LISTED] + omitted) or "none"


@frozen(kw_only=True)
class _DateWindow:
    """Appointment window and the edges that divide it for parallel reads."""

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
        inner_edges = (edge for edge in years if first < edge < last)
        return cls(
            first=first,
            last=last,
            edges=(first, *inner_edges, last),
            complete=first <= BEGINNING and last >= end,
        )

    def parts(self, *, divided: bool) -> Sequence[tuple[str, str]]:
        edges = self.edges if divided else (self.first, self.last)
        return list(pairwise(map(format_timestamp, edges)))


@frozen(kw_only=True)
class _Planner:
    practices: tuple[PracticeLocations, ...]
    now: datetime
    since: Since
    watermarks: Mapping[Group, GroupState]
    compare: timedelta | None
    window: _DateWindow
    overlap: timedelta
    whole: frozenset[Group] = frozenset()

    def groups(self, resource_facts: ResourceFacts) -> Iterable[GroupPlan]:
        """Plan a resource in each practice, or in the account."""
        if resource_facts.level is Level.ACCOUNT:
            yield self._group(
                resource_facts, Group(resource=resource_facts.resource, subdomain=None), (None,)
            )
            return
        for practice in self.practices:
            group = Group(resource=resource_facts.resource, subdomain=practice.subdomain)
            restricted = resource_facts.narrows and not practice.whole
            by_location = resource_facts.level is Level.LOCATION or restricted
            locations = practice.location_ids if by_location else (None,)
            if locations:
                yield self._group(resource_facts, group, locations, restricted=restricted)

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
        """Return the start of the changes to read from a group; None for all of it."""
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
        """Return whether changes before ``since`` are missing from the target."""
        watermark = self.watermarks.get(group, GroupState()).watermark
        return since is not None and (watermark is None or since > watermark)

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
    """Return the filters of each list that a shard walks."""
    if since is None and facts.needs_since:
        since = BEGINNING
    extra: Filters = {"updated_since": format_timestamp(since)} if since is not None else {}
    if window is not None:
        extra = {"start": window[0], "end": window[1], **extra}
    return tuple({**variant.filters, **extra} for variant in facts.lists)


def _in_utc(name: str, timestamp: datetime) -> datetime:
    return check_aware(name, timestamp).astimezone(UTC)


def start_of_year(year: int) -> datetime:
    """Return the start of a year in UTC."""
    return datetime(year, 1, 1, tzinfo=UTC)


def format_timestamp(moment: datetime) -> str:
    """Format a time as shards hold it: ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
