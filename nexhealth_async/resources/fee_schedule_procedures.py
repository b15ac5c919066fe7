"""Fees of each procedure in the fee schedules (v3)."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import UpdatedFilters, listing

__all__ = ["FeeScheduleProcedureFilters", "FeeScheduleProcedures"]


class FeeScheduleProcedureFilters(UpdatedFilters, total=False):
    """Filters for listing fees; ``fee_schedule_id`` or ``updated_since`` is required."""

    fee_schedule_id: int | None
    """Only the fees of this schedule."""


LIST: "Endpoint[m.FeeScheduleProcedure]" = Endpoint(
    resource="fee_schedule_procedures",
    verb="walk",
    model="FeeScheduleProcedure",
    v3=listing(
        "/fee_schedule_procedures",
        FeeScheduleProcedureFilters,
        one_of=("fee_schedule_id", "updated_since"),
    ),
)


class FeeScheduleProcedures(Resource):
    """Prices of procedure codes in the fee schedules."""

    __slots__ = ()

    def walk(
        self, **filters: Unpack[FeeScheduleProcedureFilters]
    ) -> "Walk[m.FeeScheduleProcedure]":
        """Iterate over the fees of one location's schedules; v3 only.

        ``GET /fee_schedule_procedures``

        The API requires ``fee_schedule_id`` or ``updated_since``.

        Raises:
            InvalidArgumentError: No filter is given.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)
