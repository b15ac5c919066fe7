"""Labels of working hours (v3)."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import CursorOptions, LocationScoped, filter_names

__all__ = ["WorkingHourLabelFilters", "WorkingHourLabels"]


class WorkingHourLabelFilters(LocationScoped, CursorOptions, total=False):
    """Filters for listing labels of working hours.

    A location narrows them to its own and those of the whole practice.
    """

    search_name: str | None
    """Only those with this in their name."""
    active: bool | None
    """Only active (True) or switched-off (False) ones; both when left out."""


LIST: "Endpoint[m.WorkingHoursLabel]" = Endpoint(
    resource="working_hour_labels",
    verb="walk",
    model="WorkingHoursLabel",
    v3=OperationSpec(
        method="GET",
        path="/working_hour_labels",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.OPTIONAL,
        filters=filter_names(WorkingHourLabelFilters),
    ),
)


class WorkingHourLabels(Resource):
    """Labels that tell kinds of working hours apart; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[WorkingHourLabelFilters]) -> "Walk[m.WorkingHoursLabel]":
        """Iterate over the labels of working hours, of a practice or of one location; v3 only.

        ``GET /working_hour_labels``

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST, filters)
