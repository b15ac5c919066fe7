"""Sync status: whether a practice's own system can be read and written."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_one_of
from nexhealth_async.resources.options import LocationScoped, WholeOptions, filter_names

__all__ = ["SyncColour", "SyncStatusFilters", "SyncStatuses"]

SyncColour: TypeAlias = Literal["green", "red"]
"""State of reading from or writing to a practice's own system."""


class SyncStatusFilters(LocationScoped, WholeOptions, total=False):
    """Filters for listing synchronisations."""

    location_ids: Sequence[int] | None
    """Ids of several locations, instead of one ``location_id``."""
    read_status: SyncColour | None
    """Only those whose reading is in this state."""
    write_status: SyncColour | None
    """Only those whose writing is in this state."""


LIST: "Endpoint[m.SyncStatus]" = Endpoint(
    resource="sync_status",
    verb="walk",
    model="SyncStatus",
    both=OperationSpec(
        method="GET",
        path="/sync_status",
        paging=Paging.WHOLE,
        subdomain=ScopeNeed.OPTIONAL,
        location=ScopeNeed.OPTIONAL,
        location_filter="location_ids",
        filters=filter_names(SyncStatusFilters),
    ),
)


class SyncStatuses(Resource):
    """The state of the connections to practices' own systems."""

    __slots__ = ()

    def walk(self, **filters: Unpack[SyncStatusFilters]) -> "Walk[m.SyncStatus]":
        """Iterate over the state of synchronisation, of every practice when none is given.

        ``GET /sync_status``

        While ``write_status`` is red, writes fail. The list is not paged.

        Raises:
            InvalidArgumentError: Both ``location_id`` and ``location_ids`` are given.
        """
        check_one_of(filters, ("location_id", "location_ids"), min_count=0)
        return self._client.walk(LIST, filters)
