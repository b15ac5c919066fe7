"""Decide on a copy before any record is read or written.

The API version and the options that the user leaves out are taken from the target. Anything that
contradicts the target's origin raises `OriginError`.
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
    """User's permission to take over or replace the records of a target."""

    adopt: bool = False
    """Accept records of unknown origin as this account's."""
    recopy: bool = False
    """Replace all records of the target."""


@frozen(kw_only=True)
class PullDecision:
    """Decision on a copy: its session, request, origin and starting point."""

    client: Client
    """The client, bound to the API version of the copy."""
    request: PullRequest
    """The request, in the API version of the copy."""
    planned: PullRequest
    """The request, completed with the options saved in the target."""
    origin: Origin
    resumed: Progress | None
    """The pull to resume; None for a new one."""
    practices: tuple[PracticeLocations, ...]
    """Practices and locations that a new pull reads."""
    watermarks: Mapping[Group, GroupState]
    replaces: bool
    """True if the new pull replaces everything in the target."""

    def plan(self, now: datetime, *, whole: Collection[Group] = ()) -> Progress:
        """Plan the new pull; groups in ``whole`` are read from the start."""
        planned = self.planned.plan(
            self.practices, now=now, watermarks=self.watermarks, whole=whole
        )
        return evolve(planned, options=self.request.text(), origin=self.origin)


async def inspect_account(
    base_client: Client, request: PullRequest, *, now: datetime
) -> VisibleLocations | None:
    """List what the key can see, before the target is opened.

    An unreadable request then creates no file. Returns None if the answer depends on the API
    version or the practices of the target.
    """
    try:
        request.check_lists(now)
        visible = await list_visible(
            base_client.with_options(version=request.version), by_subdomain(request.practices)
        )
    except (VersionNotEnabledError, NotInVersionError):
        if base_client.options.version != AUTO:
            raise
    except PermissionDeniedError as error:
        if request.practices is not None or isinstance(error, FirewallBlockedError):
            raise
    else:
        visible.select(request.practices)
        return visible
    return None


async def decide_copy(
    base_client: Client,
    target: Target,
    request: PullRequest,
    visible: VisibleLocations | None,
    *,
    now: datetime,
    resume: bool,
    permission: OriginPermission,
    retries_rejected: bool = False,
) -> PullDecision:
    """Decide how to copy to an open target.

    The target and its lists are not changed before this returns. ``retries_rejected`` says that the
    target keeps rejected records: a finished pull in a target that does not merge is then resumed
    to read them again.

    Raises:
        OriginError: The request contradicts the target's origin.
    """
    contents = await _TargetContents.read(target)
    is_left = contents.last is not None and (
        not is_over(contents.last) or (retries_rejected and not target.merges)
    )
    resumes = resume and is_left
    if resumes:  # its shards belong to one server, even if nothing was read yet
        contents = evolve(contents, is_empty=False)
    recopies = permission.recopy and not contents.is_empty
    if permission.recopy and not isinstance(target, OriginStore):
        raise UsageError(f"{type(target).__name__} does not support recopy; use an empty target")
    version = _version(base_client, request, contents, recopies=recopies)
    request = evolve(request, version=version)
    client = base_client.with_options(version=version)
    expected = contents.practices | dict.fromkeys(by_subdomain(request.practices) or ())
    if visible is None and not resumes:
        request.check_lists(now)
        visible = await list_visible(client, expected or None)
    current = await identify(base_client, version, visible=visible, expected=expected)
    origin = _check_same_origin(contents, current, permission)
    if resumes and contents.last is not None:
        check_start(contents.last.started, now)
        request.check(contents.last)
        if origin != contents.origin and isinstance(target, OriginStore):
            await target.save_origin(origin)
        last = await target.load() if isinstance(target, OriginStore) else contents.last
        return PullDecision(
            client=client,
            request=request,
            planned=request,
            origin=origin,
            resumed=last,
            practices=(),
            watermarks=contents.groups,
            replaces=False,
        )
    visible = cast("VisibleLocations", visible)
    if recopies:
        _check_covers(request, contents, visible)
    saved_origin = None if recopies else contents.origin
    planned = _with_saved_options(request, saved_origin)
    practices = _visible_practices(
        visible, planned.practices, is_asked_for=request.practices is not None
    )
    return PullDecision(
        client=client,
        request=request,
        planned=planned,
        origin=evolve(
            origin,
            version=version,
            practices=_merge_practices(saved_origin, request.practices),
            appointments=_appointment_window(saved_origin, planned),
        ),
        resumed=None,
        practices=practices,
        watermarks={} if recopies else contents.groups,
        replaces=recopies,
    )


async def decide_pull(
    base_client: Client, request: PullRequest, *, now: datetime
) -> tuple[Client, Progress]:
    """Plan a pull without a target; return the client that reads it and the plan."""
    client = base_client.with_options(version=request.version)
    request.check_lists(now)
    visible = await list_visible(client, by_subdomain(request.practices))
    progress = request.plan(visible.select(request.practices), now=now)
    origin = await identify(
        base_client, request.version, visible=visible, expected=visible.locations
    )
    return client, evolve(progress, origin=origin)


async def decide_resume(base_client: Client, progress: Progress, *, adopt: bool) -> Progress:
    """Return a pull to resume, with its origin.

    Raises:
        OriginError: The checkpoint comes from another server or account.
    """
    version = progress.version or await base_client.resolve_version()
    names = {shard.subdomain: None for shard in progress.shards if shard.subdomain is not None}
    current = await identify(base_client, version, expected=names)
    if progress.origin is not None:
        return evolve(progress, origin=check_same(progress.origin, current, adopt=adopt))
    if not adopt:
        raise OriginError("the checkpoint has no origin", option="adopt")
    return evolve(progress, origin=current)


async def session_for_origin(base_client: Client, origin: Origin | None, version: str) -> Client:
    """Return a client that reads a shard of a pull that another process began.

    Raises:
        OriginError: This session reads from another server, account or API version.
    """
    if origin is None:
        raise OriginError(
            "an earlier release began this pull and saved no origin; begin a new one",
            option="adopt",
        )
    if base_client.options.version != AUTO and await base_client.resolve_version() != version:
        raise OriginError(
            f"the pull reads API version {version}, and this session speaks "
            f"{await base_client.resolve_version()}; leave version out"
        )
    names = practices_of(origin)
    try:
        check_same(origin, await identify(base_client, version, expected=names, refresh=False))
    except OriginError:  # a practice may be newer than the cached list
        check_same(origin, await identify(base_client, version, expected=names))
    return base_client.with_options(version=version)


@frozen(kw_only=True)
class _TargetContents:
    """Contents of a target."""

    last: Progress | None
    groups: Mapping[Group, GroupState]
    is_empty: bool
    """True if it holds nothing that other records could mix with."""

    @classmethod
    async def read(cls, target: Target) -> _TargetContents:
        keeps = isinstance(target, OriginStore)
        last = await target.inspect() if isinstance(target, OriginStore) else await target.load()
        groups = await target.groups()
        is_bare = not groups and (last is None or not last.states)
        if is_bare and keeps:
            is_bare = not await cast("OriginStore", target).holds_records()
        return cls(last=last, groups=groups, is_empty=is_bare)

    @property
    def origin(self) -> Origin | None:
        """Origin of its records; None if it holds none or does not say."""
        return None if self.is_empty or self.last is None else self.last.origin

    @property
    def version(self) -> str | None:
        """API version its records were read in, if known."""
        if self.is_empty or self.last is None:
            return None
        return self.last.version if self.last.origin is None else self.last.origin.version

    @property
    def _planned(self) -> list[Group]:
        return [shard.group for shard in self.last.shards] if self.last is not None else []

    @property
    def resources(self) -> list[str]:
        """Lists it may hold records of."""
        names = (group.resource for group in (*self.groups, *self._planned))
        return list(dict.fromkeys(names))

    @property
    def practices(self) -> dict[str, None]:
        """Practices it may hold records of."""
        subdomains = {group.subdomain: None for group in (*self.groups, *self._planned)}
        if self.origin is not None:
            subdomains |= {name: None for _, name in self.origin.institutions}
        return {name: None for name in subdomains if name is not None}


def _version(
    base_client: Client, request: PullRequest, contents: _TargetContents, *, recopies: bool
) -> str:
    """Return the API version to read in: the requested one or the target's."""
    saved_version = contents.version
    if saved_version is None or recopies or saved_version == request.version:
        return request.version
    if base_client.options.version == AUTO:
        return saved_version
    raise OriginError(
        f"the target holds records of API version {saved_version}, and this session speaks "
        f"{request.version} (leave version out to continue with {saved_version})",
        option="recopy",
    )


def _check_same_origin(
    contents: _TargetContents, current: Origin, permission: OriginPermission
) -> Origin:
    """Return the origin to save; `OriginError` if the target's differs or is unknown."""
    if contents.is_empty:
        return current
    if contents.origin is not None:
        return check_same(contents.origin, current, adopt=permission.adopt)
    if not permission.adopt:
        raise OriginError("the target holds records but no origin", option="adopt")
    names = {name for _, name in current.institutions}
    if contents.practices and names and not names & contents.practices.keys():
        raise OriginError(
            "the target holds records of practices that this key cannot see; copy to another target"
        )
    return current


def _check_covers(
    request: PullRequest, contents: _TargetContents, visible: VisibleLocations
) -> None:
    """Reject a recopy that would drop readable lists or practices of the target."""
    names = set(request.names())
    left_out = [
        name
        for name in contents.resources
        if name not in names and _is_pulled(name, request.version)
    ]
    if left_out:
        raise InvalidArgumentError(
            f"a recopy replaces everything, and the target also holds {', '.join(left_out)}; "
            "add these lists, or copy to another target"
        )
    gone = [name for name in contents.practices if name not in visible.locations]
    if gone and request.practices is None:
        raise InvalidArgumentError(
            f"a recopy replaces everything, and this key can no longer see {', '.join(gone)}; "
            "name the practices to copy, or copy to another target"
        )


def _is_pulled(resource: str, version: str) -> bool:
    try:
        facts(resource, version)
    except UsageError:
        return False
    return True


def _with_saved_options(request: PullRequest, saved: Origin | None) -> PullRequest:
    """Complete the request with the options saved in the target."""
    if saved is None:
        return request
    practices = saved.practices if request.practices is None else request.practices
    if saved.appointments is None:
        return evolve(request, practices=practices)
    saved_first, saved_last = (
        None if text is None else datetime.fromisoformat(text) for text in saved.appointments
    )
    first = saved_first if request.appointments_from is None else request.appointments_from
    last = saved_last if request.appointments_until is None else request.appointments_until
    if _is_before(first, saved_first) or (saved_last is not None and _is_before(saved_last, last)):
        raise OriginError(
            "the target holds a narrower window of appointments, and rows outside of it would "
            "never be refreshed",
            option="recopy",
        )
    return evolve(request, practices=practices, appointments_from=first, appointments_until=last)


def _is_before(time: datetime | None, other: datetime | None) -> bool:
    return time is not None and other is not None and time < other


def _visible_practices(
    visible: VisibleLocations, practices: Practices, *, is_asked_for: bool
) -> tuple[PracticeLocations, ...]:
    """Return the locations to read; practices saved in the target but gone are skipped."""
    chosen = by_subdomain(practices)
    if is_asked_for or chosen is None:
        return visible.select(practices)
    left = {name: ids for name, ids in chosen.items() if name in visible.locations}
    gone = [name for name in chosen if name not in left]
    if gone:
        text = f"this key can no longer see {', '.join(gone)}; its rows stay unchanged"
        warnings.warn(text, NexHealthWarning, stacklevel=2)
    return visible.select(left)


def _merge_practices(
    saved: Origin | None, practices: Practices
) -> Mapping[str, tuple[int, ...] | None] | None:
    """Return the selected practices, including those selected before."""
    selected = by_subdomain(practices)
    if selected is None:
        return None if saved is None else saved.practices
    if saved is not None and saved.practices is None:
        return None
    joined = dict(saved.practices or {}) if saved is not None else {}
    for name, ids in selected.items():
        saved_ids = joined.get(name, ())
        joined[name] = (
            None if ids is None or saved_ids is None else (*dict.fromkeys((*saved_ids, *ids)),)
        )
    return joined


def _appointment_window(
    saved: Origin | None, request: PullRequest
) -> tuple[str | None, str | None] | None:
    """Return the selected appointment window, preferring the saved one."""
    if saved is not None and saved.appointments is not None:
        return saved.appointments
    if not any(facts(name, request.version).windowed for name in request.names()):
        return None
    return _format_timestamp(request.appointments_from), _format_timestamp(
        request.appointments_until
    )


def _format_timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


async def identify(
    base_client: Client,
    version: str,
    *,
    visible: VisibleLocations | None = None,
    expected: Iterable[str] = (),
    refresh: bool = True,
) -> Origin:
    """Determine where a session reads from.

    Args:
        base_client: Client of the session.
        version: API version of the requests.
        visible: Locations already listed for the key.
        expected: Practices to look up one by one if the key may not list institutions.
        refresh: Whether to ask again although the session already knows.
    """
    if base_client.state.sandbox is None:
        await base_client.log_in()  # every response of a sandbox names it
    known = None if refresh else base_client.state.institutions
    if visible is not None and visible.is_complete:
        known = tuple((id, name) for name, id in visible.institution_ids.items())
    if base_client.state.sandbox is None and known is None:
        known = await _list_institutions(base_client.with_options(version=version), expected)
    if base_client.state.sandbox is not None:
        return Origin(version=version, sandbox=_options(base_client.state.sandbox))
    institutions = known or ()
    base_client.state.institutions = institutions
    return Origin(version=version, base_url=base_client.state.base_url, institutions=institutions)


def _options(text: str) -> SandboxOptions:
    try:
        return cast("SandboxOptions", msgspec.json.decode(text, type=dict[str, str | int | bool]))
    except (msgspec.MsgspecError, UnicodeError):
        raise UnexpectedStructureError(
            "the response header Nexhealth-Sandbox is not valid JSON"
        ) from None


async def _list_institutions(client: Client, expected: Iterable[str]) -> tuple[Institution, ...]:
    try:
        async with aclosing(client.walk(LIST_INSTITUTIONS, {})) as walk:
            institutions = [
                (institution.id, institution.subdomain)
                async for institution in walk
                if institution.subdomain is not None
            ]
    except (VersionNotEnabledError, FirewallBlockedError):
        raise
    except (PermissionDeniedError, NotFoundError):
        return await _list_institutions_by_practice(client, expected)
    return tuple(sorted(set(institutions)))


async def _list_institutions_by_practice(
    client: Client, expected: Iterable[str]
) -> tuple[Institution, ...]:
    """Return the institutions of readable practices, taken from their locations."""
    institutions: dict[Institution, None] = {}
    for subdomain in dict.fromkeys(expected):
        with suppress(PermissionDeniedError):
            async with aclosing(client.walk(locations.LIST, {"subdomain": subdomain})) as walk:
                async for location in walk:
                    if location.subdomain == subdomain:
                        institutions[location.institution_id, subdomain] = None
    return tuple(institutions)
