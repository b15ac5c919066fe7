"""What became of a pull, shard by shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from nexhealth_async.bulk.shards import Shard
from nexhealth_async.errors import NexHealthError, PartialPull
from nexhealth_async.stats import Stats

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
    earlier: int = 0
    """Of the records, those that the run delivered which this one resumed."""
    deleted: Mapping[str, int] = field(factory=dict[str, int])
    """Rows taken out of the target, by group, where it was compared with the whole list."""

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
    def fresh(self) -> int:
        """Records delivered by this run."""
        return self.records - self.earlier

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

    def raise_if_partial(self) -> None:
        """Raise `PartialPull` unless every shard was read to its end."""
        if not self.complete:
            left = tuple(one for one in self.shards if one.status != "done")
            raise PartialPull(
                [one.shard.name for one in left],
                errors=[one.error for one in left if one.error is not None],
            )

    def __repr__(self) -> str:
        """Show what was read and how much of it failed."""
        done = sum(one.status == "done" for one in self.shards)
        return (
            f"<Report: {done} of {len(self.shards)} shards done, {len(self.failed)} failed, "
            f"{self.records} records>"
        )
