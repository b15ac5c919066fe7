"""Working hours: when providers can be booked."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, Required, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    CREATED,
    NO_CONTENT,
    Endpoint,
    OperationSpec,
    Paging,
    ScopeNeed,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_one_of
from nexhealth_async.resources.options import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    filter_names,
)

__all__ = [
    "NewWorkingHours",
    "Recurrence",
    "Weekday",
    "WorkingHourSource",
    "WorkingHours",
    "WorkingHoursChanges",
    "WorkingHoursFilters",
    "WorkingHoursInclude",
    "WorkingHoursOptions",
]

WorkingHoursInclude: TypeAlias = Literal["appointment_types"]
"""Parts of working hours that are sent on request."""

Weekday: TypeAlias = Literal[
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
]
"""Days as working hours spell them."""

WorkingHourSource: TypeAlias = Literal["manual", "synced"]
"""Source of working hours: NexHealth's settings, or the practice's own system."""


class WorkingHoursFilters(LocationScoped, NumberedOptions, total=False):
    """Filters for listing working hours."""

    provider_id: int | None
    """Only those of this provider."""
    operatory_id: int | None
    """Only those in this operatory."""
    label_id: int | None
    """Only those with this label, by its id in ``working_hour_labels``; v3 only."""
    source: WorkingHourSource | None
    """Only those from this source; v3 only."""
    active: bool | None
    """Only active (True, the server's default) or switched-off (False) ones."""
    ignore_past_dates: bool | None
    """True leaves out those for a single date that has passed; the server sends them else."""
    include: Sequence[WorkingHoursInclude] | None
    """Related data to include in each record."""


class WorkingHoursOptions(PracticeScoped, total=False):
    """Options for getting one record of working hours."""

    include: Sequence[WorkingHoursInclude] | None
    """Related data to include."""


class Recurrence(TypedDict):
    """Working hours every so many days, weeks or months."""

    num: int
    """Every how many units."""
    unit: Literal["day", "week", "month"]
    """The unit."""
    ref: date
    """The day counting starts from."""


class NewWorkingHours(LocationScoped, total=False):
    """New working hours: exactly one of ``days``, ``specific_date`` and ``custom_recurrence``."""

    provider_id: Required[int]
    """The provider."""
    begin_time: Required[str]
    """``"HH:MM"`` in the practice's zone."""
    end_time: Required[str]
    """``"HH:MM"`` in the practice's zone."""
    operatory_id: int
    """The operatory they work in."""
    appointment_type_ids: Sequence[int]
    """The appointment types that can be booked in these hours."""
    days: Sequence[Weekday]
    """Every week on these days."""
    specific_date: date
    """On this day only."""
    custom_recurrence: Recurrence
    """Every so many days, weeks or months."""
    active: bool
    """Whether the hours are in use; True by default."""


class WorkingHoursChanges(PracticeScoped, total=False):
    """Changes to working hours. Fields that are left out stay as they are.

    At most one of ``days``, ``specific_date`` and ``custom_recurrence``.
    """

    provider_id: int
    """The provider; v3 only."""
    begin_time: str
    """``"HH:MM"``. One page of the vendor says UTC, against the rest: read the record back."""
    end_time: str
    """``"HH:MM"``, as ``begin_time``."""
    operatory_id: int
    """The operatory they work in."""
    appointment_type_ids: Sequence[int]
    """The appointment types that can be booked in these hours; ``[]`` takes all away."""
    days: Sequence[Weekday]
    """Every week on these days."""
    specific_date: date
    """On this day only."""
    custom_recurrence: Recurrence
    """Every so many days, weeks or months; v3 only."""
    active: bool
    """Whether the hours are in use."""


LIST: "Endpoint[m.WorkingHours]" = Endpoint(
    resource="working_hours",
    verb="walk",
    model="WorkingHours",
    v2=OperationSpec(
        method="GET",
        path="/availabilities",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(WorkingHoursFilters, without=("label_id", "source")),
    ),
    v3=OperationSpec(
        method="GET",
        path="/working_hours",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(WorkingHoursFilters),
    ),
)

GET: "Endpoint[m.WorkingHours]" = Endpoint(
    resource="working_hours",
    verb="get",
    model="WorkingHours",
    v2=OperationSpec(
        method="GET", path="/availabilities/{id}", filters=filter_names(WorkingHoursOptions)
    ),
    v3=OperationSpec(
        method="GET", path="/working_hours/{id}", filters=filter_names(WorkingHoursOptions)
    ),
)

_LOOK_FOR_HOURS = "Walk working_hours with the same provider_id and look for the window."

CREATE: "Endpoint[m.WorkingHours]" = Endpoint(
    resource="working_hours",
    verb="create",
    model="WorkingHours",
    v2=OperationSpec(
        method="POST",
        path="/availabilities",
        success=CREATED,
        safe=False,
        location=ScopeNeed.REQUIRED,
        wrap="availability",
        lookup_hint=_LOOK_FOR_HOURS,
    ),
    v3=OperationSpec(
        method="POST",
        path="/working_hours",
        success=CREATED,
        safe=False,
        location=ScopeNeed.REQUIRED,
        wrap="working_hour",
        lookup_hint=_LOOK_FOR_HOURS,
    ),
)

UPDATE: "Endpoint[m.WorkingHours]" = Endpoint(
    resource="working_hours",
    verb="update",
    model="WorkingHours",
    v2=OperationSpec(
        method="PATCH",
        path="/availabilities/{id}",
        wrap="availability",
        unsupported=("provider_id", "custom_recurrence"),
    ),
    v3=OperationSpec(method="PATCH", path="/working_hours/{id}", wrap="working_hour"),
)

DELETE: Endpoint[None] = Endpoint(
    resource="working_hours",
    verb="delete",
    model=None,
    v2=OperationSpec(method="DELETE", path="/availabilities/{id}", success=NO_CONTENT),
    v3=OperationSpec(method="DELETE", path="/working_hours/{id}", success=NO_CONTENT),
)


class WorkingHours(Resource):
    """The hours in which providers can be booked; not the times that are free."""

    __slots__ = ()

    def walk(self, **filters: Unpack[WorkingHoursFilters]) -> "Walk[m.WorkingHours]":
        """Iterate over the working hours of one location.

        ``GET /availabilities`` (v2), ``GET /working_hours`` (v3)

        Switched-off hours are left out by the server; hours for a day that has passed are not,
        unless ``ignore_past_dates=True``. Hours that come from the practice's own system may be
        missing here although ``providers`` shows them.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[WorkingHoursOptions]) -> "m.WorkingHours":
        """Get one record of working hours.

        ``GET /availabilities/{id}`` (v2), ``GET /working_hours/{id}`` (v3)

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)

    async def create(self, **fields: Unpack[NewWorkingHours]) -> "m.WorkingHours":
        """Create working hours: weekly, on one day, or recurring.

        ``POST /availabilities`` (v2), ``POST /working_hours`` (v3)

        Times are ``"HH:MM"`` in the practice's zone.

        Raises:
            InvalidArgumentError: Not exactly one of ``days``, ``specific_date`` and
                ``custom_recurrence`` is given.
            MissingScopeError: No practice or no location is given or bound.
            OutcomeUnknownError: The response was lost. Creating is never retried automatically.
        """
        check_one_of(fields, ("days", "specific_date", "custom_recurrence"))
        return await self._client.call(CREATE, fields)

    async def update(self, id: int, /, **fields: Unpack[WorkingHoursChanges]) -> "m.WorkingHours":
        """Change working hours; fields that are not given stay.

        ``PATCH /availabilities/{id}`` (v2), ``PATCH /working_hours/{id}`` (v3)

        Raises:
            InvalidArgumentError: More than one of ``days``, ``specific_date`` and
                ``custom_recurrence`` is given.
            NotInVersionError: ``provider_id`` or ``custom_recurrence`` is given in v2.
            NotFoundError: The practice has no record with this id.
        """
        check_one_of(fields, ("days", "specific_date", "custom_recurrence"), min_count=0)
        return await self._client.call(UPDATE, fields, id)

    async def delete(self, id: int, /, **options: Unpack[PracticeScoped]) -> None:
        """Delete working hours.

        ``DELETE /availabilities/{id}`` (v2), ``DELETE /working_hours/{id}`` (v3)

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        await self._client.execute(DELETE, options, id)
