"""`Bulk`: what a session offers for reading many lists at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Unpack

from attrs import evolve

from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async.bulk import copy as copying
from nexhealth_async.bulk.checkpoint_json import progress_from_json, resumable
from nexhealth_async.bulk.copy_preparation import (
    OriginPermission,
    decide_pull,
    decide_resume,
    identify,
    session_for_origin,
)
from nexhealth_async.bulk.estimate import Estimate
from nexhealth_async.bulk.estimate import estimate as reckon
from nexhealth_async.bulk.origin import check_same, practices_of
from nexhealth_async.bulk.plan_validation import check_start
from nexhealth_async.bulk.pull import Pull
from nexhealth_async.bulk.pull_arguments import PullRequest
from nexhealth_async.bulk.pull_options import (
    CopyOptions,
    PagingOptions,
    PermissionOptions,
    PlanOptions,
    PullOptions,
    RequestOptions,
    check_options,
    select_options,
    takes_options,
)
from nexhealth_async.bulk.rejected_records import AllowRejected, check_allow_rejected
from nexhealth_async.bulk.scheduler import EngineSettings
from nexhealth_async.bulk.shard_worker import ShardOutcome, run_shared_shard
from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async._protocol.rate_limits import Rates
    from nexhealth_async.bulk.origin import Origin
    from nexhealth_async.bulk.progress_events import OnEvent
    from nexhealth_async.bulk.pull_state import Progress
    from nexhealth_async.bulk.report import Report
    from nexhealth_async.bulk.shard_planning import Practices
    from nexhealth_async.bulk.shared_target import ReadOptions, SharedTarget
    from nexhealth_async.bulk.target_protocol import Target

__all__ = ["Bulk"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Bulk:
    """Many lists at once: ``nex.bulk``.

    `pull` hands batches to your own code, `copy` writes them to a target, and `estimate` tells
    beforehand what that would cost.

    ``resources`` are names of lists, such as ``["patients", "appointments"]``; None means all that
    a pull can read in the session's version of the API, see `resources` and `facts`. The other
    options are described by `PullOptions` and `CopyOptions`. ``on_event`` is called in the event
    loop with each `Event`.
    """

    def __init__(
        self,
        server: Client,
        *,
        practices: Practices = None,
        rates: Rates | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._server = server
        self._practices = practices
        self._rates = rates
        self._now = now

    def __repr__(self) -> str:
        return "<Bulk>"

    @takes_options(PullOptions)
    def pull(
        self,
        resources: Sequence[str] | None = None,
        *,
        on_event: OnEvent | None = None,
        resume: str | None = None,
        allow_rejected: Literal["all"] | None = None,
        adopt: bool = False,
        **options: Unpack[PullOptions],
    ) -> Pull:
        """Return a pull to be entered: ``async with nex.bulk.pull(["patients"]) as pull: ...``.

        Nothing is sent before. ``resume`` is what `Pull.checkpoint` returned; the pull must be
        asked for the same then, or for nothing in particular. Entering it raises `OriginError`
        where the checkpoint is of another account or another sandbox; one that an earlier release
        wrote does not say so, and is taken for one of this account by ``adopt=True``. With
        ``allow_rejected="all"`` the report is not partial because of records that could not be
        read.
        """
        check_allow_rejected(allow_rejected)
        check_options(self.pull, options)
        settings = EngineSettings(on_event=on_event, **select_options(options, PagingOptions))
        server = self._server

        async def prepare() -> tuple[Client, Progress]:
            wanted = self._request(await server.resolve_version(), resources, options)
            if resume is None:
                return await decide_pull(server, wanted, now=self._now())
            progress = progress_from_json(resume)
            check_start(progress.started, self._now())
            if server.options.version == AUTO and progress.version is not None:
                wanted = evolve(wanted, version=progress.version)
            wanted.check(progress)
            progress = await decide_resume(server, progress, adopt=adopt)
            return server.with_options(version=wanted.version), resumable(progress)

        return Pull(server, settings, prepare, allow_rejected=allow_rejected)

    @takes_options(CopyOptions)
    async def copy(
        self,
        resources: Sequence[str] | None = None,
        *,
        to: Target,
        resume: bool = False,
        on_event: OnEvent | None = None,
        allow_rejected: AllowRejected = None,
        **options: Unpack[CopyOptions],
    ) -> Report:
        """Copy lists to a target, which is opened and closed, and report on each shard.

        ``since="last"`` refreshes: each resource of each practice from where the target's last
        complete pull began, less a quarter of an hour, since the vendor's reads lag. Where deleted
        records merely vanish, a list is compared as a whole when its last comparison is ``compare``
        ago (zero: always; None: never), and rows that are gone are deleted; a whole pull compares
        as well. Nothing is deleted of a list of which a shard failed, nor of one read for some
        locations only, or for a narrower window of appointments.

        A record that its model cannot read is rejected: the target keeps its JSON with the reason
        (databases in the table ``_rejected``, directories in ``_rejected.jsonl``), and removes the
        row that it would have replaced. Every later copy reads it again, by its id where the API
        allows that, or else with its list, until it is readable or gone. Rejected records make the
        copy partial, unless ``allow_rejected`` is ``"known"``, which allows those that the target
        had before, or ``"all"``.

        ``resume=True`` goes on with the target's last pull if that was not finished or some of its
        shards failed, and begins a new one otherwise. This machine's clock must be right to a few
        minutes: by it the next refresh knows where to begin.

        The target remembers where its records came from: the version of the API, the address with
        the institutions seen or the sandbox's seed and options, and the practices and the window of
        appointments chosen. What is left out here is taken from there; what contradicts it raises
        `OriginError` before anything is read or written. ``adopt=True`` takes a target that an
        earlier release filled for one of this account. ``recopy=True`` deletes all records of the
        target and copies everything anew, in another version of the API too.

        A shard's failure is told by the report; see `Report.raise_if_partial`. What ends the whole
        copy is raised, and the target can be resumed: a refused key or version, a closed session,
        an error of the target.
        """
        check_allow_rejected(allow_rejected)
        check_options(self.copy, options)
        wanted = self._request(await self._server.resolve_version(), resources, options)
        settings = EngineSettings(on_event=on_event, **select_options(options, PagingOptions))
        allowed = OriginPermission(**select_options(options, PermissionOptions))
        if allowed.recopy and (resume or wanted.since is not None):
            raise InvalidArgumentError(
                "recopy=True copies everything anew; leave out resume and since, and go on with a "
                "recopy that was stopped by resume=True alone"
            )
        return await copying.run_copy(
            self._server,
            to,
            wanted,
            settings,
            now=self._now(),
            resume=resume,
            allow_rejected=allow_rejected,
            allowed=allowed,
        )

    @takes_options(PlanOptions)
    async def begin(
        self,
        resources: Sequence[str] | None = None,
        *,
        to: Target,
        **options: Unpack[PlanOptions],
    ) -> Progress:
        """Plan a pull and keep the plan in a target, as `copy` does, but read nothing yet.

        Its shards are then read by `read_shard`, in any number of processes: see
        `nexhealth_async.fleet`. The target is opened and closed.
        """
        check_options(self.begin, options)
        wanted = self._request(await self._server.resolve_version(), resources, options)
        allowed = OriginPermission(**select_options(options, PermissionOptions))
        if allowed.recopy and wanted.since is not None:
            raise InvalidArgumentError("recopy=True copies everything anew; leave out since")
        return await copying.begin_copy(
            self._server,
            to,
            wanted,
            now=self._now(),
            allowed=allowed,
        )

    async def check_origin(
        self, origin: Origin | None, *, version: str | None = None, adopt: bool = False
    ) -> Origin:
        """Return where this session reads from; `OriginError` if that is not what was kept.

        :meta private:
        """
        version = version or await self._server.resolve_version()
        found = await identify(self._server, version, expected=practices_of(origin))
        return found if origin is None else check_same(origin, found, adopt=adopt)

    async def check_pull(self, progress: Progress) -> None:
        """Raise `OriginError` if a pull that another process has begun is not this session's.

        :meta private:
        """
        if progress.version is not None:
            await session_for_origin(self._server, progress.origin, progress.version)

    async def read_shard(
        self,
        shard: str,
        *,
        to: SharedTarget,
        pull: str,
        owner: str,
        reading: ReadOptions | None = None,
        on_event: OnEvent | None = None,
        alive: Callable[[str], Awaitable[bool]] | None = None,
    ) -> ShardOutcome:
        """Read one shard of a pull into a target that others write to at the same time.

        ``shard`` is its name. What it is, and how it is read unless ``reading`` says so, is what
        the target kept when the pull was planned.

        It may be called for the same shard again and again, in any process: what is done stays
        done, and what was left is gone on with. ``owner`` names who is calling; where another one
        had the shard, ``alive`` is asked with its name whether it is still at it. Errors of the
        target, a refused key or version and a closed session are raised; any other error is the
        outcome's.
        """

        def settings(kept: ReadOptions) -> EngineSettings:
            how = reading or kept
            return EngineSettings(
                concurrency=how.concurrency,
                drift=how.drift,
                per_page=how.per_page,
                on_event=on_event,
            )

        return await run_shared_shard(
            self._server,
            to,
            shard,
            pull=pull,
            owner=owner,
            settings=settings,
            alive=alive,
            now=self._now(),
        )

    @takes_options(PullOptions)
    async def estimate(
        self, resources: Sequence[str] | None = None, **options: Unpack[PullOptions]
    ) -> Estimate:
        """Tell what a pull would cost: shards, requests, and the least time the limits allow.

        It asks for practices and locations, and for the length of each numbered list.
        """
        check_options(self.estimate, options)
        wanted = self._request(await self._server.resolve_version(), resources, options)
        settings = EngineSettings(**select_options(options, PagingOptions))
        now = self._now()
        caller = self._server.with_options(version=wanted.version)
        progress = wanted.plan(await wanted.places(caller, now=now), now=now)
        return await reckon(
            caller,
            progress.shards,
            rates=self._rates,
            drift=settings.drift,
            per_page=settings.per_page,
            concurrency=settings.concurrency,
        )

    def _request(
        self, version: str, resources: Sequence[str] | None, options: Mapping[str, object]
    ) -> PullRequest:
        """Return what is asked for, in the practices that the session is bound to."""
        wanted = PullRequest(
            version=version, resources=resources, **select_options(options, RequestOptions)
        )
        return wanted if wanted.practices is not None else evolve(wanted, practices=self._practices)
