"""Report of a pull, shard by shard."""

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
    """Report of one shard. Counts include the resumed run."""

    shard: Shard
    status: Literal["open", "done", "failed"]
    """Status of the shard; ``open``: not started, or not read to its end."""
    records: int = 0
    """Number of records delivered, each once."""
    pages: int = 0
    duplicates: int = 0
    """Number of records dropped because another shard or list of their group delivered them."""
    refused: int = 0
    """Number of records that could not be decoded."""
    repaired: int = 0
    """Number of fields that were repaired or read as None."""
    error: NexHealthError | None = None
    """Error of this run."""
    error_text: str | None = None
    """Class and text of the error, without personal data."""
    seconds: float = 0.0
    """Seconds that this run read it."""


@frozen(kw_only=True)
class Report:
    """Report of a pull, without personal data."""

    shards: tuple[ShardReport, ...]
    stats: Stats
    """Statistics of the session during the pull, including its other calls."""
    seconds: float
    earlier_records: int = 0
    """Number of records delivered by the resumed run."""
    deleted: Mapping[str, int] = field(factory=dict[str, int])
    """Number of rows deleted from the target after a comparison with the whole list, by group."""
    rejected: Mapping[str, RejectedCount] = field(factory=dict[str, RejectedCount])
    """Rejected records by group; groups without any are missing.

    A copy counts all that the target keeps now, a pull those of this run.
    """
    allow_rejected: AllowRejected = None
    """Rejected records that leave the pull complete."""

    @property
    def complete(self) -> bool:
        """True if every shard was read to its end."""
        return all(shard.status == "done" for shard in self.shards)

    @property
    def failed(self) -> tuple[ShardReport, ...]:
        """Shards that failed."""
        return tuple(shard for shard in self.shards if shard.status == "failed")

    @property
    def records(self) -> int:
        """Number of records delivered."""
        return sum(shard.records for shard in self.shards)

    @property
    def new_records(self) -> int:
        """Number of records delivered by this run."""
        return self.records - self.earlier_records

    @property
    def pages(self) -> int:
        """Number of pages read, including those read again for verification."""
        return sum(shard.pages for shard in self.shards)

    @property
    def duplicates(self) -> int:
        """Number of records dropped because they had been delivered before."""
        return sum(shard.duplicates for shard in self.shards)

    @property
    def refused(self) -> int:
        """Number of records that could not be decoded."""
        return sum(shard.refused for shard in self.shards)

    @property
    def repaired(self) -> int:
        """Number of fields that were repaired."""
        return sum(shard.repaired for shard in self.shards)

    @property
    def unallowed_rejected(self) -> Mapping[str, int]:
        """Number of rejected records that ``allow_rejected`` does not allow, by group."""
        return unallowed_counts(self.rejected, self.allow_rejected)

    @property
    def partial(self) -> bool:
        """True if a shard is incomplete or a rejected record is not allowed."""
        return not self.complete or bool(self.unallowed_rejected)

    def raise_if_partial(self) -> None:
        """Raise an error unless everything was read.

        Raises:
            PartialPullError: A shard was not read to its end, or records were rejected that
                ``allow_rejected`` does not allow.
        """
        if self.partial:
            unfinished = tuple(shard for shard in self.shards if shard.status != "done")
            raise PartialPullError(
                [shard.shard.name for shard in unfinished],
                errors=[shard.error for shard in unfinished if shard.error is not None],
                rejected=self.unallowed_rejected,
            )

    def __repr__(self) -> str:
        """Show the counts of shards and records."""
        done = sum(shard.status == "done" for shard in self.shards)
        return (
            f"<Report: {done} of {len(self.shards)} shards done, {len(self.failed)} failed, "
            f"{self.records} records{rejected_text(self.rejected)}>"
        )
