"""Procedures: treatments, planned or done."""

from datetime import date, datetime
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

__all__ = ["ProcedureFilters", "Procedures"]


class ProcedureFilters(LocationScoped, NumberedOptions, total=False):
    """Filters for listing procedures. Give one filter besides the location; v3 refuses it alone."""

    provider_id: int | None
    """Only procedures of this provider."""
    patient_id: int | None
    """Only procedures of this patient."""
    appointment_id: int | None
    """Only procedures of this appointment."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    started_after: date | None
    """Only those begun on or after this day; v3 only."""
    started_before: date | None
    """Only those begun on or before this day; v3 only."""
    ended_after: date | None
    """Only those ended on or after this day; v3 only."""
    ended_before: date | None
    """Only those ended on or before this day; v3 only."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest first; v3 only."""


LIST: "Endpoint[m.Procedure]" = Endpoint(
    resource="procedures",
    verb="walk",
    model="Procedure",
    v2=OperationSpec(
        method="GET",
        path="/procedures",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=ScopeNeed.OPTIONAL,
        filters=filter_names(
            ProcedureFilters,
            without=("started_after", "started_before", "ended_after", "ended_before", "sort"),
        ),
        wire={"updated_since": "updated_after"},
    ),
    v3=OperationSpec(
        method="GET",
        path="/procedures",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.OPTIONAL,
        filters=filter_names(ProcedureFilters),
        one_of=(
            "provider_id",
            "patient_id",
            "appointment_id",
            "updated_since",
            "started_after",
            "started_before",
            "ended_after",
            "ended_before",
        ),
    ),
)

GET: "Endpoint[m.Procedure]" = Endpoint(
    resource="procedures",
    verb="get",
    model="Procedure",
    both=OperationSpec(method="GET", path="/procedures/{id}"),
)


class Procedures(Resource):
    """Treatments, planned or done."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ProcedureFilters]) -> "Walk[m.Procedure]":
        """Iterate over the procedures of a practice, location, patient, provider or appointment.

        ``GET /procedures``

        v3 wants one filter besides the location; to read all, give an ``updated_since`` from before
        the practice joined.

        Raises:
            MissingScopeError: No practice is given or bound.
            InvalidArgumentError: No filter is given in v3.
            NotInVersionError: The API version does not have a filter that is given.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.Procedure":
        """Get one procedure.

        ``GET /procedures/{id}``

        Not documented for v2, so it may answer `NotFoundError` there.

        Raises:
            NotFoundError: The practice has no record with this id, or the record belongs to a
                location that the key may not see, even if the list shows it.
        """
        return await self._client.call(GET, options, id)
