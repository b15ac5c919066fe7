"""Insurance plans, and the patients' coverages under them."""

from __future__ import annotations

from typing import Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.filters import (
    InsuranceCoverageFilters,
    InsurancePlanFilters,
    InsurancePlanOptions,
    PracticeScoped,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Noun

__all__ = ["InsuranceCoverages", "InsurancePlans"]


class InsurancePlans(Noun):
    """The insurance plans a practice's system knows."""

    __slots__ = ()

    def walk(self, **filters: Unpack[InsurancePlanFilters]) -> Walk[m.InsurancePlan]:
        """Walk the insurance plans of a practice.

        ``GET /insurance_plans``

        ``include`` works on this list in v2 only; ``updated_since``, ``include_deleted`` and
        ``sort`` in v3 only.

        Raises `MissingScope` without a practice, `NotInThisVersion` for a filter the version lacks,
        and `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return self._caller.walk(to.INSURANCE_PLANS, filters)

    async def get(self, id: int, /, **options: Unpack[InsurancePlanOptions]) -> m.InsurancePlan:
        """Get one insurance plan; v3 only.

        ``GET /insurance_plans/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._caller.call(to.INSURANCE_PLANS_GET, options, id)


class InsuranceCoverages(Noun):
    """Which patient is covered by which plan."""

    __slots__ = ()

    def walk(self, **filters: Unpack[InsuranceCoverageFilters]) -> Walk[m.InsuranceCoverage]:
        """Walk the insurance coverages of one patient; in v3 also of a whole practice.

        ``GET /patients/{id}/insurance_coverages`` (v2), ``GET /insurance_coverages`` (v3)

        In v2 ``patient_id`` must be given and is the only filter. Coverages that have ended are
        left out; v3 lists those, and only those, with ``active=False``.

        Raises `MissingScope` without a practice, `InvalidArgument` in v2 without a patient,
        `NotFound` for a patient this practice does not have, and `NotInThisVersion` for a filter
        the version lacks.
        """
        return self._caller.walk(to.INSURANCE_COVERAGES, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> m.InsuranceCoverage:
        """Get one insurance coverage with its subscriber; v3 only.

        ``GET /insurance_coverages/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2.
        """
        return await self._caller.call(to.INSURANCE_COVERAGES_GET, options, id)
