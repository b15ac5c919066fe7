"""Clinical notes on treatments (v3)."""

from datetime import datetime
from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import CursorOptions, LocationScoped, filter_names

__all__ = ["ClinicalNoteFilters", "ClinicalNotes"]


class ClinicalNoteFilters(LocationScoped, CursorOptions, total=False):
    """Filters for listing clinical notes. Give one filter besides the location."""

    patient_id: int | None
    """Only notes on this patient."""
    procedure_id: int | None
    """Only notes on this procedure; few systems tie notes to procedures."""
    entered_before: datetime | None
    """Only those made at or before this time."""
    entered_after: datetime | None
    """Only those made at or after this time."""
    updated_since: datetime | None
    """Only those changed after this time."""


LIST: "Endpoint[m.ClinicalNote]" = Endpoint(
    resource="clinical_notes",
    verb="walk",
    model="ClinicalNote",
    v3=OperationSpec(
        method="GET",
        path="/clinical_notes",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(ClinicalNoteFilters),
        one_of=("patient_id", "procedure_id", "entered_before", "entered_after", "updated_since"),
    ),
)


class ClinicalNotes(Resource):
    """Notes on treatments; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ClinicalNoteFilters]) -> "Walk[m.ClinicalNote]":
        """Iterate over the clinical notes of one location; v3 only.

        ``GET /clinical_notes``

        To read all, give an ``updated_since`` from before the practice joined.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
            InvalidArgumentError: No filter is given besides the practice and the location.
        """
        return self._client.walk(LIST, filters)
