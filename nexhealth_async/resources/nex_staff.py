"""Staff: the people who use NexHealth at a practice."""

from collections.abc import Sequence
from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_one_of
from nexhealth_async.resources.options import LocationScoped, NumberedOptions, filter_names

__all__ = ["NexStaff", "StaffFilters"]


class StaffFilters(LocationScoped, NumberedOptions, total=False):
    """Filters for listing members of the staff."""

    inactive: bool | None
    """Only inactive (True) or active (False) ones; both when left out."""
    location_ids: Sequence[int] | None
    """Only those who may see these locations, instead of one ``location_id``."""


LIST: "Endpoint[m.StaffMember]" = Endpoint(
    resource="nex_staff",
    verb="walk",
    model="StaffMember",
    both=OperationSpec(
        method="GET",
        path="/nex_staff",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=ScopeNeed.OPTIONAL,
        location_filter="location_ids",
        filters=filter_names(StaffFilters),
    ),
)


class NexStaff(Resource):
    """The people who use NexHealth at a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[StaffFilters]) -> "Walk[m.StaffMember]":
        """Iterate over the staff of a practice, or of one or several of its locations.

        ``GET /nex_staff``

        The list is numbered in both versions.

        Raises:
            MissingScopeError: No practice is given or bound.
            InvalidArgumentError: Both ``location_id`` and ``location_ids`` are given.
        """
        check_one_of(filters, ("location_id", "location_ids"), min_count=0)
        return self._client.walk(LIST, filters)
