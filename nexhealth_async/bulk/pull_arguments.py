"""Request for a pull, and the plan made from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from attrs import frozen

from nexhealth_async.bulk.plan_validation import known_groups
from nexhealth_async.bulk.pull_state import GroupState, Progress
from nexhealth_async.bulk.resource_facts import resources
from nexhealth_async.bulk.shard_planning import (
    COMPARE,
    PracticeLocations,
    Practices,
    Since,
    find_practices,
    plan_shards,
)
from nexhealth_async.bulk.shards import Group
from nexhealth_async.errors import InvalidArgumentError, UsageError

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client

__all__ = ["PullRequest"]


@frozen(kw_only=True)
class PullRequest:
    """Request for a pull: what to read, in which API version."""

    version: str
    resources: Sequence[str] | None = None
    practices: Practices = None
    since: Since = None
    compare: timedelta | None = COMPARE
    appointments_from: datetime | None = None
    appointments_until: datetime | None = None

    def text(self) -> str:
        """Return it as JSON, to recognize the pull on resuming."""
        moment = self.since if isinstance(self.since, str) else _format_timestamp(self.since)
        return msgspec.json.encode(
            {
                "version": self.version,
                "resources": None if self.resources is None else sorted({*self.names()}),
                "practices": _practices(self.practices),
                "since": moment,
                "compare": None if self.compare is None else self.compare.total_seconds(),
                "appointments_from": _format_timestamp(self.appointments_from),
                "appointments_until": _format_timestamp(self.appointments_until),
            },
            order="sorted",
        ).decode()

    async def list_practices(
        self, client: Client, *, now: datetime
    ) -> tuple[PracticeLocations, ...]:
        """Return the practices and locations to read; invalid lists raise before any request."""
        self.check_lists(now)
        return await find_practices(client, self.practices)

    def check_lists(self, now: datetime) -> None:
        """Raise `InvalidArgumentError` or `NotInVersionError` for lists that cannot be pulled."""
        plan_shards(self.names(), self.version, (), now=now, since=self.since)

    def plan(
        self,
        practices: Sequence[PracticeLocations],
        *,
        now: datetime,
        watermarks: Mapping[Group, GroupState] | None = None,
        whole: Collection[Group] = (),
    ) -> Progress:
        """Plan a new pull of these locations."""
        plan = plan_shards(
            self.names(),
            self.version,
            practices,
            now=now,
            since=self.since,
            watermarks=known_groups(watermarks or {}, now=now),
            compare=self.compare,
            appointments_from=self.appointments_from,
            appointments_until=self.appointments_until,
            whole=whole,
        )
        return Progress(
            id=uuid4().hex,
            started=now,
            options=self.text(),
            shards=plan.everything,
            states={},
        )

    def check(self, progress: Progress) -> None:
        """Raise `UsageError` unless a pull to resume has the same options, or none were given."""
        version = progress.version
        if version not in (None, self.version):
            raise UsageError(
                f"the pull to resume reads {version}, and this session speaks {self.version}; "
                f'resume it with version="{version}", or begin a new one without resuming'
            )
        has_no_options = self == PullRequest(version=self.version)
        if progress.options != self.text() and not has_no_options:
            raise UsageError(
                "the pull to resume has other resources, practices or times; "
                "pass the same, or begin a new one without resuming"
            )

    def names(self) -> Sequence[str]:
        """Return the names of the lists; `InvalidArgumentError` for an empty list."""
        if self.resources is None:
            return resources(self.version)
        if not self.resources:
            raise InvalidArgumentError("resources is empty; leave it out to pull all lists")
        return [self.resources] if isinstance(self.resources, str) else self.resources


def _format_timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _practices(practices: Practices) -> object:
    if isinstance(practices, Mapping):
        return {name: ids if ids is None else sorted(ids) for name, ids in practices.items()}
    if practices is None:
        return None
    return dict.fromkeys([practices] if isinstance(practices, str) else practices)
