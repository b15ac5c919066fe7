"""Recall types: the kinds of recalls."""

from datetime import datetime
from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import (
    LocationScoped,
    PracticeScoped,
    WholeOptions,
    filter_names,
)

__all__ = ["RecallTypeFilters", "RecallTypes"]


class RecallTypeFilters(LocationScoped, WholeOptions, total=False):
    """Filters for listing recall types."""

    foreign_id: str | None
    """The type's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""


LIST: "Endpoint[m.RecallType]" = Endpoint(
    resource="recall_types",
    verb="walk",
    model="RecallType",
    both=OperationSpec(
        method="GET",
        path="/recall_types",
        paging=Paging.WHOLE,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(RecallTypeFilters),
    ),
)

GET: "Endpoint[m.RecallType]" = Endpoint(
    resource="recall_types",
    verb="get",
    model="RecallType",
    both=OperationSpec(method="GET", path="/recall_types/{id}"),
)


class RecallTypes(Resource):
    """The kinds of recalls, with how often each is due."""

    __slots__ = ()

    def walk(self, **filters: Unpack[RecallTypeFilters]) -> "Walk[m.RecallType]":
        """Iterate over the recall types of one location.

        ``GET /recall_types``

        The list is not paged.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.RecallType":
        """Get one recall type.

        ``GET /recall_types/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)
