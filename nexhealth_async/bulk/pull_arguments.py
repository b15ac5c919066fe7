"""What was asked of a pull, and the plan that follows from it."""

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
    """What to read, in which version."""

    version: str
    resources: Sequence[str] | None = None
    practices: Practices = None
    since: Since = None
    compare: timedelta | None = COMPARE
    appointments_from: datetime | None = None
    appointments_until: datetime | None = None

    def text(self) -> str:
        """Write it as JSON, by which a pull is recognized when it is resumed."""
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

    async def places(self, caller: Client, *, now: datetime) -> tuple[PracticeLocations, ...]:
        """Find out what the key may read; what cannot be pulled at all is refused unasked."""
        self.check_lists(now)
        return await find_practices(caller, self.practices)

    def check_lists(self, now: datetime) -> None:
        """Raise `InvalidArgumentError` or `NotInVersionError` for what cannot be pulled at all."""
        plan_shards(self.names(), self.version, (), now=now, since=self.since)

    def plan(
        self,
        places: Sequence[PracticeLocations],
        *,
        now: datetime,
        watermarks: Mapping[Group, GroupState] | None = None,
        whole: Collection[Group] = (),
    ) -> Progress:
        """Plan a new pull of these places."""
        plan = plan_shards(
            self.names(),
            self.version,
            places,
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
        """Raise `UsageError` unless a pull to be resumed was asked for the same, or nothing is."""
        version = progress.version
        if version not in (None, self.version):
            raise UsageError(
                f"the pull to be resumed reads {version}, and this session speaks {self.version}; "
                f'resume it with version="{version}", or begin anew without resuming'
            )
        nothing = self == PullRequest(version=self.version)
        if progress.options != self.text() and not nothing:
            raise UsageError(
                "the pull to be resumed was asked for other resources, practices or times; "
                "ask for the same, or begin anew without resuming"
            )

    def names(self) -> Sequence[str]:
        """Return the names of the lists; `InvalidArgumentError` if none is named."""
        if self.resources is None:
            return resources(self.version)
        if not self.resources:
            raise InvalidArgumentError(
                "no list is named; leave resources out to pull all there are"
            )
        return [self.resources] if isinstance(self.resources, str) else self.resources


def _format_timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _practices(practices: Practices) -> object:
    if isinstance(practices, Mapping):
        return {name: ids if ids is None else sorted(ids) for name, ids in practices.items()}
    if practices is None:
        return None
    return dict.fromkeys([practices] if isinstance(practices, str) else practices)
