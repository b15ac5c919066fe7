"""What a copy and its target agree upon before anything is read or written.

The version of the API and the choices that the user leaves out are the target's. What contradicts
the target's origin is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import msgspec
from attrs import evolve, frozen

from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async.bulk.origin import (
    Institution,
    Origin,
    SandboxOptions,
    check_same,
    practices_of,
)
from nexhealth_async.bulk.plan_validation import check_start
from nexhealth_async.bulk.pull_state import is_over
from nexhealth_async.bulk.resource_facts import facts
from nexhealth_async.bulk.shard_planning import Practices, by_subdomain, list_visible
from nexhealth_async.bulk.target_protocol import OriginStore
from nexhealth_async.errors import (
    FirewallBlockedError,
    InvalidArgumentError,
    NexHealthWarning,
    NotFoundError,
    NotInVersionError,
    OriginError,
    PermissionDeniedError,
    UnexpectedStructureError,
    UsageError,
    VersionNotEnabledError,
)
from nexhealth_async.resources import locations
from nexhealth_async.resources.institutions import LIST as LIST_INSTITUTIONS

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async.bulk.pull_arguments import PullRequest
    from nexhealth_async.bulk.pull_state import GroupState, Progress
    from nexhealth_async.bulk.shard_planning import PracticeLocations, VisibleLocations
    from nexhealth_async.bulk.shards import Group
    from nexhealth_async.bulk.target_protocol import Target

__all__ = [
    "OriginPermission",
    "PullDecision",
    "decide_copy",
    "decide_pull",
    "decide_resume",
    "identify",
    "inspect_account",
    "session_for_origin",
]


@frozen(kw_only=True)
class OriginPermission:
    """What the user allows to be done about the records that a target holds."""

    adopt: bool = False
    """Take records of unknown origin for those of this account."""
    recopy: bool = False
    """Replace all of them."""


@frozen(kw_only=True)
class PullDecision:
    """What a copy and its target agree upon."""

    caller: Client
    """The session, in the version agreed upon."""
    request: PullRequest
    """What was asked for, in the version agreed upon."""
    planned: PullRequest
    """The same with the choices that the target has made before."""
    origin: Origin
    resumed: Progress | None
    """The pull to go on with; None for a new one."""
    practices: tuple[PracticeLocations, ...]
    """What a new pull reads."""
    watermarks: Mapping[Group, GroupState]
    replaces: bool
    """Whether all that the target holds gives way to the new pull."""

    def plan(self, now: datetime, *, whole: Collection[Group] = ()) -> Progress:
        """Plan the new pull; groups of ``whole`` are read from their beginning."""
        planned = self.planned.plan(
            self.practices, now=now, watermarks=self.watermarks, whole=whole
        )
        return evolve(planned, options=self.request.text(), origin=self.origin)


async def inspect_account(
    server: Client, wanted: PullRequest, *, now: datetime
) -> VisibleLocations | None:
    """Look at what the key sees before a target is opened: what cannot be read makes no file.

    None if that depends on the version or the practices of the target.
    """
    try:
        wanted.check_lists(now)
        seen = await list_visible(
            server.with_options(version=wanted.version), by_subdomain(wanted.practices)
        )
    except (VersionNotEnabledError, NotInVersionError):
        if server.options.version != AUTO:
            raise
    except PermissionDeniedError as error:
        if wanted.practices is not None or isinstance(error, FirewallBlockedError):
            raise
    else:
        seen.chosen(wanted.practices)
        return seen
    return None


async def decide_copy(
    server: Client,
    target: Target,
    wanted: PullRequest,
    seen: VisibleLocations | None,
    *,
    now: datetime,
    resume: bool,
    allowed: OriginPermission,
    reads_again: bool = False,
) -> PullDecision:
    """Settle what is to be done to an open target; raises `OriginError` for a contradiction.

    Neither the target nor any of its lists is touched before. ``reads_again`` says that the target
    keeps rejected records: one that takes no second pull is resumed for their sake.
    """
    held = await _TargetContents.of(target)
    is_left = held.last is not None and (
        not is_over(held.last) or (reads_again and not target.merges)
    )
    resumes = resume and is_left
    if resumes:  # its shards are those of one server, though nothing was read of them
        held = evolve(held, is_bare=False)
    recopies = allowed.recopy and not held.is_bare
    if allowed.recopy and not isinstance(target, OriginStore):
        raise UsageError(f"{type(target).__name__} cannot be copied to anew; use an empty one")
    version = _version(server, wanted, held, recopies=recopies)
    wanted = evolve(wanted, version=version)
    caller = server.with_options(version=version)
    expected = held.practices | dict.fromkeys(by_subdomain(wanted.practices) or ())
    if seen is None and not resumes:
        wanted.check_lists(now)
        seen = await list_visible(caller, expected or None)
    found = await identify(server, version, seen=seen, expected=expected)
    origin = _check_same_origin(held, found, allowed)
    if resumes and held.last is not None:
        check_start(held.last.started, now)
        wanted.check(held.last)
        if origin != held.origin and isinstance(target, OriginStore):
            await target.save_origin(origin)
        last = await target.load() if isinstance(target, OriginStore) else held.last
        return PullDecision(
            caller=caller,
            request=wanted,
            planned=wanted,
            origin=origin,
            resumed=last,
            practices=(),
            watermarks=held.groups,
            replaces=False,
        )
    seen = cast("VisibleLocations", seen)
    if recopies:
        _check_covers(wanted, held, seen)
    before = None if recopies else held.origin
    planned = _with_saved_options(wanted, before)
    places = _visible_practices(seen, planned.practices, is_asked_for=wanted.practices is not None)
    return PullDecision(
        caller=caller,
        request=wanted,
        planned=planned,
        origin=evolve(
            origin,
            version=version,
            practices=_merge_practices(before, wanted.practices),
            appointments=_appointments(before, planned),
        ),
        resumed=None,
        practices=places,
        watermarks={} if recopies else held.groups,
        replaces=recopies,
    )


async def decide_pull(
    server: Client, wanted: PullRequest, *, now: datetime
) -> tuple[Client, Progress]:
    """Plan a pull that goes to no target; return the session that reads it, too."""
    caller = server.with_options(version=wanted.version)
    wanted.check_lists(now)
    seen = await list_visible(caller, by_subdomain(wanted.practices))
    planned = wanted.plan(seen.chosen(wanted.practices), now=now)
    origin = await identify(server, wanted.version, seen=seen, expected=seen.locations)
    return caller, evolve(planned, origin=origin)


async def decide_resume(server: Client, progress: Progress, *, adopt: bool) -> Progress:
    """Return a pull to be gone on with, with its origin; `OriginError` if that is another one."""
    version = progress.version or await server.resolve_version()
    names = {shard.subdomain: None for shard in progress.shards if shard.subdomain is not None}
    found = await identify(server, version, expected=names)
    if progress.origin is not None:
        return evolve(progress, origin=check_same(progress.origin, found, adopt=adopt))
    if not adopt:
        raise OriginError("the checkpoint does not say where its records came from", option="adopt")
    return evolve(progress, origin=found)


async def session_for_origin(server: Client, origin: Origin | None, version: str) -> Client:
    """Return a session that reads a shard of a pull which another process has begun.

    Raises `OriginError` where this session reads from another server, account or version.
    """
    if origin is None:
        raise OriginError(
            "an earlier release began this pull and kept no origin; begin a new one in its place",
            option="adopt",
        )
    if server.options.version != AUTO and await server.resolve_version() != version:
        raise OriginError(
            f"the pull reads API version {version}, and this session speaks "
            f"{await server.resolve_version()}; leave the version out"
        )
    names = practices_of(origin)
    try:
        check_same(origin, await identify(server, version, expected=names, again=False))
    except OriginError:  # a practice may be new since this session looked last
        check_same(origin, await identify(server, version, expected=names))
    return server.with_options(version=version)


@frozen(kw_only=True)
class _TargetContents:
    """What a target holds."""

    last: Progress | None
    groups: Mapping[Group, GroupState]
    is_bare: bool
    """Whether it holds nothing that could be mixed with other records."""

    @classmethod
    async def of(cls, target: Target) -> _TargetContents:
        keeps = isinstance(target, OriginStore)
        last = await target.inspect() if isinstance(target, OriginStore) else await target.load()
        groups = await target.groups()
        is_bare = not groups and (last is None or not last.states)
        if is_bare and keeps:
            is_bare = not await cast("OriginStore", target).holds_records()
        return cls(last=last, groups=groups, is_bare=is_bare)

    @property
    def origin(self) -> Origin | None:
        """Where its records came from; None if it holds none, or does not say."""
        return None if self.is_bare or self.last is None else self.last.origin

    @property
    def version(self) -> str | None:
        """The version of the API that its records were read in, where that is known."""
        if self.is_bare or self.last is None:
            return None
        return self.last.version if self.last.origin is None else self.last.origin.version

    @property
    def _planned(self) -> list[Group]:
        return [shard.group for shard in self.last.shards] if self.last is not None else []

    @property
    def resources(self) -> list[str]:
        """The lists it may hold records of."""
        names = (one.resource for one in (*self.groups, *self._planned))
        return list(dict.fromkeys(names))

    @property
    def practices(self) -> dict[str, None]:
        """The practices it may hold records of."""
        found = {one.subdomain: None for one in (*self.groups, *self._planned)}
        if self.origin is not None:
            found |= {name: None for _, name in self.origin.institutions}
        return {name: None for name in found if name is not None}


def _version(server: Client, wanted: PullRequest, held: _TargetContents, *, recopies: bool) -> str:
    """Return the version to read in: the one asked for, or the target's."""
    kept = held.version
    if kept is None or recopies or kept == wanted.version:
        return wanted.version
    if server.options.version == AUTO:
        return kept
    raise OriginError(
        f"the target holds records of API version {kept}, and this session speaks "
        f"{wanted.version} (leave the version out to go on with {kept})",
        option="recopy",
    )


def _check_same_origin(held: _TargetContents, found: Origin, allowed: OriginPermission) -> Origin:
    """Return the origin to be kept; `OriginError` if the target's is another one, or unknown."""
    if held.is_bare:
        return found
    if held.origin is not None:
        return check_same(held.origin, found, adopt=allowed.adopt)
    if not allowed.adopt:
        raise OriginError(
            "the target holds records, but does not say where they came from", option="adopt"
        )
    names = {name for _, name in found.institutions}
    if held.practices and names and not names & held.practices.keys():
        raise OriginError(
            "the target holds records of practices that this key does not see; "
            "copy to another target"
        )
    return found


def _check_covers(wanted: PullRequest, held: _TargetContents, seen: VisibleLocations) -> None:
    """Refuse a new copy that would leave out what the target holds and can be read."""
    names = set(wanted.names())
    left_out = [
        name for name in held.resources if name not in names and _is_pulled(name, wanted.version)
    ]
    if left_out:
        raise InvalidArgumentError(
            f"a recopy replaces everything, and the target also holds {', '.join(left_out)}; "
            "name these too, or copy to another target"
        )
    gone = [name for name in held.practices if name not in seen.locations]
    if gone and wanted.practices is None:
        raise InvalidArgumentError(
            f"a recopy replaces everything, and this key does not see {', '.join(gone)} any more; "
            "name the practices that are to stay, or copy to another target"
        )


def _is_pulled(resource: str, version: str) -> bool:
    try:
        facts(resource, version)
    except UsageError:
        return False
    return True


def _with_saved_options(wanted: PullRequest, before: Origin | None) -> PullRequest:
    """Fill in from the target what was not asked for."""
    if before is None:
        return wanted
    practices = before.practices if wanted.practices is None else wanted.practices
    if before.appointments is None:
        return evolve(wanted, practices=practices)
    kept_first, kept_last = (
        None if text is None else datetime.fromisoformat(text) for text in before.appointments
    )
    first = kept_first if wanted.appointments_from is None else wanted.appointments_from
    last = kept_last if wanted.appointments_until is None else wanted.appointments_until
    if _is_older_version(first, kept_first) or (
        kept_last is not None and _is_older_version(kept_last, last)
    ):
        raise OriginError(
            "the target holds appointments of a narrower window, and rows outside of it would "
            "never be refreshed",
            option="recopy",
        )
    return evolve(wanted, practices=practices, appointments_from=first, appointments_until=last)


def _is_older_version(version: datetime | None, other: datetime | None) -> bool:
    return version is not None and other is not None and version < other


def _visible_practices(
    seen: VisibleLocations, practices: Practices, *, is_asked_for: bool
) -> tuple[PracticeLocations, ...]:
    """Return the places to be read; of those that the target chose, such as are still there."""
    chosen = by_subdomain(practices)
    if is_asked_for or chosen is None:
        return seen.chosen(practices)
    left = {name: ids for name, ids in chosen.items() if name in seen.locations}
    gone = [name for name in chosen if name not in left]
    if gone:
        text = f"this key does not see {', '.join(gone)} any more; rows of it stay as they are"
        warnings.warn(text, NexHealthWarning, stacklevel=2)
    return seen.chosen(left)


def _merge_practices(
    before: Origin | None, asked: Practices
) -> Mapping[str, tuple[int, ...] | None] | None:
    """Return the practices chosen, those that were chosen before included."""
    chosen = by_subdomain(asked)
    if chosen is None:
        return None if before is None else before.practices
    if before is not None and before.practices is None:
        return None
    joined = dict(before.practices or {}) if before is not None else {}
    for name, ids in chosen.items():
        kept = joined.get(name, ())
        joined[name] = None if ids is None or kept is None else (*dict.fromkeys((*kept, *ids)),)
    return joined


def _appointments(
    before: Origin | None, planned: PullRequest
) -> tuple[str | None, str | None] | None:
    """Return the window of appointments chosen, now or before."""
    if before is not None and before.appointments is not None:
        return before.appointments
    if not any(facts(name, planned.version).windowed for name in planned.names()):
        return None
    return _format_timestamp(planned.appointments_from), _format_timestamp(
        planned.appointments_until
    )


def _format_timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


async def identify(
    server: Client,
    version: str,
    *,
    seen: VisibleLocations | None = None,
    expected: Iterable[str] = (),
    again: bool = True,
) -> Origin:
    """Find out where a session reads from.

    Args:
        server: What is asked.
        version: The version of the API to ask in.
        seen: What the key was found to see.
        expected: Practices to ask after one by one if the key may not list them.
        again: Whether to ask although the session has found it out before.
    """
    if server.state.sandbox is None:
        await server.log_in()  # any reply of a sandbox names it
    known = None if again else server.state.institutions
    if seen is not None and seen.is_complete:
        known = tuple((id, name) for name, id in seen.institution_ids.items())
    if server.state.sandbox is None and known is None:
        known = await _list_institutions(server.with_options(version=version), expected)
    if server.state.sandbox is not None:
        return Origin(version=version, sandbox=_options(server.state.sandbox))
    institutions = known or ()
    server.state.institutions = institutions
    return Origin(version=version, base_url=server.state.base_url, institutions=institutions)


def _options(text: str) -> SandboxOptions:
    try:
        return cast("SandboxOptions", msgspec.json.decode(text, type=dict[str, str | int | bool]))
    except (msgspec.MsgspecError, UnicodeError):
        raise UnexpectedStructureError(
            "the server's header Nexhealth-Sandbox cannot be read"
        ) from None


async def _list_institutions(caller: Client, expected: Iterable[str]) -> tuple[Institution, ...]:
    try:
        async with aclosing(caller.walk(LIST_INSTITUTIONS, {})) as walk:
            found = [(one.id, one.subdomain) async for one in walk if one.subdomain is not None]
    except (VersionNotEnabledError, FirewallBlockedError):
        raise
    except (PermissionDeniedError, NotFoundError):
        return await _institutions_one_by_one(caller, expected)
    return tuple(sorted(set(found)))


async def _institutions_one_by_one(
    caller: Client, expected: Iterable[str]
) -> tuple[Institution, ...]:
    """Return those of the practices that the key may read, by what their locations tell."""
    found: dict[Institution, None] = {}
    for subdomain in dict.fromkeys(expected):
        with suppress(PermissionDeniedError):
            async with aclosing(caller.walk(locations.LIST, {"subdomain": subdomain})) as walk:
                async for one in walk:
                    if one.subdomain == subdomain:
                        found[one.institution_id, subdomain] = None
    return tuple(found)
