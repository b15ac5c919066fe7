"""What became of a pull, shard by shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from nexhealth_async._client.statistics import Stats
from nexhealth_async.bulk.rejected_records import (
    AllowRejected,
    RejectedCount,
    rejected_text,
    unallowed_counts,
)
from nexhealth_async.bulk.shards import Shard
from nexhealth_async.errors import NexHealthError, PartialPullError

__all__ = ["Report", "ShardReport"]


@frozen(kw_only=True)
class ShardReport:
    """What became of one shard. Counts include those of the run that was resumed."""

    shard: Shard
    status: Literal["open", "done", "failed"]
    """Open: not begun, or left before its end."""
    records: int = 0
    """Records delivered, each once."""
    pages: int = 0
    duplicates: int = 0
    """Records left out because another shard or list of their group had delivered them."""
    refused: int = 0
    """Records that could not be read as their model."""
    repaired: int = 0
    """Fields that were read as something sensible, or as None."""
    error: NexHealthError | None = None
    """What it failed with in this run."""
    error_text: str | None = None
    """The error's class and text, free of personal data."""
    seconds: float = 0.0
    """How long this run read it."""


@frozen(kw_only=True)
class Report:
    """What became of a pull. It holds no personal data."""

    shards: tuple[ShardReport, ...]
    stats: Stats
    """What the session did meanwhile, its other calls included."""
    seconds: float
    earlier_records: int = 0
    """Of the records, those that the run delivered which this one resumed."""
    deleted: Mapping[str, int] = field(factory=dict[str, int])
    """Rows taken out of the target, by group, where it was compared with the whole list."""
    rejected: Mapping[str, RejectedCount] = field(factory=dict[str, RejectedCount])
    """Records that cannot be read as their model, by group; groups without any are missing.

    Of a copy, those the target keeps now, earlier ones included; of a pull, those of this run.
    """
    allow_rejected: AllowRejected = None
    """Which rejected records leave the pull complete."""

    @property
    def complete(self) -> bool:
        """Whether every shard was read to its end."""
        return all(one.status == "done" for one in self.shards)

    @property
    def failed(self) -> tuple[ShardReport, ...]:
        """The shards that ended with an error."""
        return tuple(one for one in self.shards if one.status == "failed")

    @property
    def records(self) -> int:
        """Records delivered."""
        return sum(one.records for one in self.shards)

    @property
    def new_records(self) -> int:
        """Records delivered by this run."""
        return self.records - self.earlier_records

    @property
    def pages(self) -> int:
        """Pages read, those read again to verify them included."""
        return sum(one.pages for one in self.shards)

    @property
    def duplicates(self) -> int:
        """Records left out because they had been delivered."""
        return sum(one.duplicates for one in self.shards)

    @property
    def refused(self) -> int:
        """Records that could not be read as their model."""
        return sum(one.refused for one in self.shards)

    @property
    def repaired(self) -> int:
        """Fields that were repaired."""
        return sum(one.repaired for one in self.shards)

    @property
    def unallowed_rejected(self) -> Mapping[str, int]:
        """Rejected records that ``allow_rejected`` does not allow, by group."""
        return unallowed_counts(self.rejected, self.allow_rejected)

    @property
    def partial(self) -> bool:
        """Whether a shard was not read to its end, or a record was rejected that is not allowed."""
        return not self.complete or bool(self.unallowed_rejected)

    def raise_if_partial(self) -> None:
        """Raise unless everything was read.

        Raises:
            PartialPullError: a shard was not read to its end, or records were rejected that
                ``allow_rejected`` does not allow.
        """
        if self.partial:
            left = tuple(one for one in self.shards if one.status != "done")
            raise PartialPullError(
                [one.shard.name for one in left],
                errors=[one.error for one in left if one.error is not None],
                rejected=self.unallowed_rejected,
            )

    def __repr__(self) -> str:
        """Show what was read and how much of it failed."""
        done = sum(one.status == "done" for one in self.shards)
        return (
            f"<Report: {done} of {len(self.shards)} shards done, {len(self.failed)} failed, "
            f"{self.records} records{rejected_text(self.rejected)}>"
        )
