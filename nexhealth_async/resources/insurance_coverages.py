"""Insurance coverages: which patient is covered by which plan."""

from datetime import datetime
from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, RateClass
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import NumberedOptions, PracticeScoped, filter_names

__all__ = ["InsuranceCoverageFilters", "InsuranceCoverages"]


class InsuranceCoverageFilters(PracticeScoped, NumberedOptions, total=False):
    """Filters for listing insurance coverages. In v2 ``patient_id`` must be given."""

    patient_id: int | None
    """Only those of this patient."""
    updated_since: datetime | None
    """Only those that changed, or whose subscription did, at or after this time; v3 only."""
    active: bool | None
    """Only those in force (True, the server's default) or ended (False); v3 only."""


LIST: "Endpoint[m.InsuranceCoverage]" = Endpoint(
    resource="insurance_coverages",
    verb="walk",
    model="InsuranceCoverage",
    v2=OperationSpec(
        method="GET",
        path="/patients/{id}/insurance_coverages",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.PEOPLE,
        path_from=("patient_id",),
    ),
    v3=OperationSpec(
        method="GET",
        path="/insurance_coverages",
        paging=Paging.CURSOR,
        max_per_page=1000,
        filters=filter_names(InsuranceCoverageFilters),
    ),
)

GET: "Endpoint[m.InsuranceCoverage]" = Endpoint(
    resource="insurance_coverages",
    verb="get",
    model="InsuranceCoverage",
    v3=OperationSpec(method="GET", path="/insurance_coverages/{id}"),
)


class InsuranceCoverages(Resource):
    """Coverages of patients by insurance plans."""

    __slots__ = ()

    def walk(self, **filters: Unpack[InsuranceCoverageFilters]) -> "Walk[m.InsuranceCoverage]":
        """Iterate over the insurance coverages of one patient; in v3 also of a whole practice.

        ``GET /patients/{id}/insurance_coverages`` (v2), ``GET /insurance_coverages`` (v3)

        In v2 ``patient_id`` must be given and is the only filter. Coverages that have ended are
        left out; v3 lists those, and only those, with ``active=False``.

        Raises:
            MissingScopeError: No practice is given or bound.
            InvalidArgumentError: No patient is given in v2.
            NotFoundError: The practice has no patient with this id.
            NotInVersionError: The API version does not have a filter that is given.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.InsuranceCoverage":
        """Get one insurance coverage with its subscriber; v3 only.

        ``GET /insurance_coverages/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
        """
        return await self._client.call(GET, options, id)
