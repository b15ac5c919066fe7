"""Patient recalls: when patients are due to come back."""

from datetime import datetime
from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    filter_names,
)

__all__ = ["PatientRecallFilters", "PatientRecalls"]


class PatientRecallFilters(LocationScoped, NumberedOptions, total=False):
    """Filters for listing recalls."""

    recall_id: int | None
    """Only recalls of this type, by its id."""
    patient_id: int | None
    """Only recalls of this patient."""
    foreign_id: str | None
    """The recall's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    due_after: datetime | None
    """Only those due at or after this time."""
    sort: str | None
    """``"date_due"``, or ``"-date_due"`` for the latest first."""


LIST: "Endpoint[m.PatientRecall]" = Endpoint(
    resource="patient_recalls",
    verb="walk",
    model="PatientRecall",
    v2=OperationSpec(
        method="GET",
        path="/patient_recalls",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(PatientRecallFilters),
    ),
    v3=OperationSpec(
        method="GET",
        path="/patient_recalls",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(PatientRecallFilters),
    ),
)

GET: "Endpoint[m.PatientRecall]" = Endpoint(
    resource="patient_recalls",
    verb="get",
    model="PatientRecall",
    both=OperationSpec(method="GET", path="/patient_recalls/{id}"),
)


class PatientRecalls(Resource):
    """The visits patients are due for."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PatientRecallFilters]) -> "Walk[m.PatientRecall]":
        """Iterate over the recalls of one location.

        ``GET /patient_recalls``

        Raises:
            MissingScopeError: No practice or no location is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.PatientRecall":
        """Get one recall.

        ``GET /patient_recalls/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)
