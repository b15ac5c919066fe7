"""Bulk reads of many lists: `Bulk`."""

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
from nexhealth_async.bulk.estimate import estimate as estimate_shards
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
    """Bulk reads of many lists: ``nex.bulk``.

    `pull` yields batches to your code, `copy` writes them to a target, and `estimate` returns the
    cost beforehand.

    ``resources`` are names of lists, such as ``["patients", "appointments"]``; None means all that
    can be pulled in the session's API version, see `resources` and `facts`. `PullOptions` and
    `CopyOptions` describe the other options. ``on_event`` is called in the event loop with each
    `Event`.
    """

    def __init__(
        self,
        base_client: Client,
        *,
        practices: Practices = None,
        rates: Rates | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._client = base_client
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
        """Return a pull to enter: ``async with nex.bulk.pull(["patients"]) as pull: ...``.

        Nothing is sent before it is entered. Entering it raises `OriginError` if the checkpoint
        belongs to another account or another sandbox.

        Args:
            resources: Names of lists; None for all.
            on_event: Called with each event.
            resume: A checkpoint from `Pull.checkpoint`. Pass the same options as before, or none.
            allow_rejected: ``"all"`` to let undecodable records not make the report partial.
            adopt: Accept a checkpoint of an earlier release, which names no account, as this
                account's.
            **options: See `PullOptions`.
        """
        check_allow_rejected(allow_rejected)
        check_options(self.pull, options)
        settings = EngineSettings(on_event=on_event, **select_options(options, PagingOptions))
        base_client = self._client

        async def prepare() -> tuple[Client, Progress]:
            request = self._request(await base_client.resolve_version(), resources, options)
            if resume is None:
                return await decide_pull(base_client, request, now=self._now())
            progress = progress_from_json(resume)
            check_start(progress.started, self._now())
            if base_client.options.version == AUTO and progress.version is not None:
                request = evolve(request, version=progress.version)
            request.check(progress)
            progress = await decide_resume(base_client, progress, adopt=adopt)
            return base_client.with_options(version=request.version), resumable(progress)

        return Pull(base_client, settings, prepare, allow_rejected=allow_rejected)

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

        ``since="last"`` refreshes the target: each resource of each practice is read from the start
        of the target's last complete pull, less 15 minutes, since the vendor's reads lag. If a list
        omits deleted records, the whole list is compared once its last comparison is older than
        ``compare`` (zero: always; None: never), and rows that are gone are deleted. A whole pull
        compares as well. Nothing is deleted from a list if one of its shards failed, or if it was
        read for some locations only or for a narrower window of appointments.

        A record that its model cannot decode is rejected: the target keeps its JSON with the reason
        (databases in the table ``_rejected``, directories in ``_rejected.jsonl``), and deletes the
        row that it would have replaced. Every later copy reads it again, by its id if the API
        allows it, otherwise with its list, until it is readable or gone. Rejected records make the
        copy partial, unless ``allow_rejected`` is ``"known"``, which allows those that the target
        had before, or ``"all"``.

        ``resume=True`` resumes the target's last pull if it was not finished or some of its shards
        failed; otherwise it begins a new one. This machine's clock must be accurate to a few
        minutes: the next refresh starts from its time.

        The target stores its origin: the API version, the base URL with the visible institutions,
        or the sandbox's seed and options, and the selected practices and appointment window.
        Options left out are taken from there. ``adopt=True`` accepts a target that an earlier
        release filled as this account's. ``recopy=True`` deletes all records of the target and
        copies everything again, also in another API version.

        The report lists failed shards; see `Report.raise_if_partial`. Errors that end the whole
        copy are raised, and the target can be resumed: an invalid key or version, a closed session,
        an error of the target.

        Raises:
            OriginError: The options or the session contradict the target's origin. Nothing was read
                or written.
        """
        check_allow_rejected(allow_rejected)
        check_options(self.copy, options)
        request = self._request(await self._client.resolve_version(), resources, options)
        settings = EngineSettings(on_event=on_event, **select_options(options, PagingOptions))
        permission = OriginPermission(**select_options(options, PermissionOptions))
        if permission.recopy and (resume or request.since is not None):
            raise InvalidArgumentError(
                "recopy=True copies everything again; leave out resume and since, and resume an "
                "interrupted recopy with resume=True alone"
            )
        return await copying.run_copy(
            self._client,
            to,
            request,
            settings,
            now=self._now(),
            resume=resume,
            allow_rejected=allow_rejected,
            permission=permission,
        )

    @takes_options(PlanOptions)
    async def begin(
        self,
        resources: Sequence[str] | None = None,
        *,
        to: Target,
        **options: Unpack[PlanOptions],
    ) -> Progress:
        """Plan a pull and store the plan in a target, as `copy` does, but read nothing yet.

        `read_shard` then reads its shards, in any number of processes: see `nexhealth_async.fleet`.
        The target is opened and closed.
        """
        check_options(self.begin, options)
        request = self._request(await self._client.resolve_version(), resources, options)
        permission = OriginPermission(**select_options(options, PermissionOptions))
        if permission.recopy and request.since is not None:
            raise InvalidArgumentError("recopy=True copies everything again; leave out since")
        return await copying.begin_copy(
            self._client,
            to,
            request,
            now=self._now(),
            permission=permission,
        )

    async def check_origin(
        self, origin: Origin | None, *, version: str | None = None, adopt: bool = False
    ) -> Origin:
        """Return the origin of this session; `OriginError` if it differs from the given one.

        :meta private:
        """
        version = version or await self._client.resolve_version()
        current = await identify(self._client, version, expected=practices_of(origin))
        return current if origin is None else check_same(origin, current, adopt=adopt)

    async def check_pull(self, progress: Progress) -> None:
        """Raise `OriginError` if a pull that another process began has another origin.

        :meta private:
        """
        if progress.version is not None:
            await session_for_origin(self._client, progress.origin, progress.version)

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

        The shard and its read options are taken from the plan in the target. The call is idempotent
        and may be repeated in any process: finished work is kept and the rest is resumed. Errors of
        the target, an invalid key or version and a closed session are raised; other errors are in
        the outcome.

        Args:
            shard: Name of the shard.
            to: Target with the plan.
            pull: Id of the pull.
            owner: Name of the calling worker.
            reading: Read options instead of the planned ones.
            on_event: Called with each event.
            alive: Returns whether the worker of a name is alive. It is called if another worker
                claimed the shard.
        """

        def settings(planned: ReadOptions) -> EngineSettings:
            options = reading or planned
            return EngineSettings(
                concurrency=options.concurrency,
                drift=options.drift,
                per_page=options.per_page,
                on_event=on_event,
            )

        return await run_shared_shard(
            self._client,
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
        """Return the cost of a pull: shards, requests, and the shortest time the limits allow.

        Sends requests for practices and locations, and for the length of each numbered list.
        """
        check_options(self.estimate, options)
        request = self._request(await self._client.resolve_version(), resources, options)
        settings = EngineSettings(**select_options(options, PagingOptions))
        now = self._now()
        client = self._client.with_options(version=request.version)
        progress = request.plan(await request.list_practices(client, now=now), now=now)
        return await estimate_shards(
            client,
            progress.shards,
            rates=self._rates,
            drift=settings.drift,
            per_page=settings.per_page,
            concurrency=settings.concurrency,
        )

    def _request(
        self, version: str, resources: Sequence[str] | None, options: Mapping[str, object]
    ) -> PullRequest:
        """Return the request, in the practices that the session is bound to."""
        request = PullRequest(
            version=version, resources=resources, **select_options(options, RequestOptions)
        )
        return (
            request if request.practices is not None else evolve(request, practices=self._practices)
        )
