"""Fee schedules: price lists (v3)."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import UpdatedFilters, listing
from nexhealth_async.resources.options import PracticeScoped, filter_names

__all__ = ["FeeScheduleFilters", "FeeScheduleInclude", "FeeScheduleOptions", "FeeSchedules"]

FeeScheduleInclude: TypeAlias = Literal["procedure_fees"]
"""Parts of a fee schedule that are sent on request."""


class FeeScheduleFilters(UpdatedFilters, total=False):
    """Filters for listing fee schedules."""

    active: bool | None
    """Only those in use (True, the server's default) or those retired (False)."""


class FeeScheduleOptions(PracticeScoped, total=False):
    """Options for getting one fee schedule."""

    include: Sequence[FeeScheduleInclude] | None
    """Related data to include."""


LIST: "Endpoint[m.FeeSchedule]" = Endpoint(
    resource="fee_schedules",
    verb="walk",
    model="FeeSchedule",
    v3=listing("/fee_schedules", FeeScheduleFilters),
)

GET: "Endpoint[m.FeeSchedule]" = Endpoint(
    resource="fee_schedules",
    verb="get",
    model="FeeSchedule",
    v3=OperationSpec(
        method="GET", path="/fee_schedules/{id}", filters=filter_names(FeeScheduleOptions)
    ),
)


class FeeSchedules(Resource):
    """The price lists of a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[FeeScheduleFilters]) -> "Walk[m.FeeSchedule]":
        """Iterate over the fee schedules of one location; v3 only.

        ``GET /fee_schedules``

        Only those in use are sent unless ``active=False``, which sends only the others. The fees
        themselves are in ``fee_schedule_procedures``.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[FeeScheduleOptions]) -> "m.FeeSchedule":
        """Get one fee schedule; v3 only.

        ``GET /fee_schedules/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
