"""What is done to patients."""

from __future__ import annotations

from typing import Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.filters import PracticeScoped, ProcedureFilters
from nexhealth_async.resources._base import Noun
from nexhealth_async.walk import Walk

__all__ = ["Procedures"]


class Procedures(Noun):
    """Treatments, planned or done."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ProcedureFilters]) -> Walk[m.Procedure]:
        """Walk the procedures of a practice, or of one location, patient, provider or appointment.

        ``GET /procedures``

        Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.PROCEDURES, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.Procedure:
        """Get one procedure.

        ``GET /procedures/{id}``

        Not documented for v2, so it may answer `NotFound` there. Raises `NotFound` for an id this
        practice does not have.
        """
        return await self._caller.call(to.PROCEDURES_GET, options, id)
