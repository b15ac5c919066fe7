"""What is done to patients, what is due, what is planned, and what was noted."""

from __future__ import annotations

from typing import Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.filters import (
    ClinicalNoteFilters,
    PatientRecallFilters,
    PracticeScoped,
    ProcedureFilters,
    RecallTypeFilters,
    TreatmentPlanFilters,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Noun

__all__ = ["ClinicalNotes", "PatientRecalls", "Procedures", "RecallTypes", "TreatmentPlans"]


class Procedures(Noun):
    """Treatments, planned or done."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ProcedureFilters]) -> Walk[m.Procedure]:
        """Walk the procedures of a practice, or of one location, patient, provider or appointment.

        ``GET /procedures``

        v3 wants one filter besides the location; to read all, give an ``updated_since`` from before
        the practice joined.

        Raises `MissingScope` without a practice, `InvalidArgument` without a filter in v3, and
        `NotInThisVersion` for a filter the version lacks.
        """
        return self._caller.walk(to.PROCEDURES, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.Procedure:
        """Get one procedure.

        ``GET /procedures/{id}``

        Not documented for v2, so it may answer `NotFound` there. Raises `NotFound` for an id this
        practice does not have, and for one of a location the key may not see, though the list
        shows it.
        """
        return await self._caller.call(to.PROCEDURES_GET, options, id)


class PatientRecalls(Noun):
    """The visits patients are due for."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PatientRecallFilters]) -> Walk[m.PatientRecall]:
        """Walk the recalls of one location.

        ``GET /patient_recalls``

        Raises `MissingScope` without a practice and a location.
        """
        return self._caller.walk(to.PATIENT_RECALLS, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.PatientRecall:
        """Get one recall.

        ``GET /patient_recalls/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.PATIENT_RECALLS_GET, options, id)


class RecallTypes(Noun):
    """The kinds of recalls, with how often each is due."""

    __slots__ = ()

    def walk(self, **filters: Unpack[RecallTypeFilters]) -> Walk[m.RecallType]:
        """Walk the recall types of one location.

        ``GET /recall_types``

        The list comes whole. Raises `MissingScope` without a practice and a location.
        """
        return self._caller.walk(to.RECALL_TYPES, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.RecallType:
        """Get one recall type.

        ``GET /recall_types/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.RECALL_TYPES_GET, options, id)


class TreatmentPlans(Noun):
    """What is proposed to patients, with its procedures; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[TreatmentPlanFilters]) -> Walk[m.TreatmentPlan]:
        """Walk the treatment plans of a practice, by id; v3 only.

        ``GET /treatment_plans``

        Deleted plans are left out by the server. Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.TREATMENT_PLANS, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.TreatmentPlan:
        """Get one treatment plan; v3 only.

        ``GET /treatment_plans/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.TREATMENT_PLANS_GET, options, id)


class ClinicalNotes(Noun):
    """What was written down about treatments; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ClinicalNoteFilters]) -> Walk[m.ClinicalNote]:
        """Walk the clinical notes of one location; v3 only.

        ``GET /clinical_notes``

        To read all, give an ``updated_since`` from before the practice joined.

        Raises `MissingScope` without a practice and a location, and `InvalidArgument` without a
        filter besides them.
        """
        return self._caller.walk(to.CLINICAL_NOTES, filters)
