"""Model classes of records, by name and by shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nexhealth_async import models
from nexhealth_async.bulk.target_support import endpoint_of

if TYPE_CHECKING:
    from nexhealth_async.bulk import Shard

__all__ = ["model_of", "model_of_shard"]


def model_of(name: str) -> type:
    """Return a class of `nexhealth_async.models`."""
    return cast("type", getattr(models, name))


def model_of_shard(shard: Shard) -> type:
    """Return the class of a shard's records."""
    return model_of(cast("str", endpoint_of(shard.resource).model))
