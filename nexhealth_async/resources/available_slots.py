"""Available slots: the times at which an appointment can be made."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Required, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_one_of, check_positive
from nexhealth_async.resources.options import LocationScoped, WholeOptions, filter_names
from nexhealth_async.resources.working_hours import WorkingHourSource
from nexhealth_async.workflows.slots import FreeSlot, free_slots

__all__ = ["AvailableSlots", "SlotFilters"]


class SlotFilters(LocationScoped, WholeOptions, total=False):
    """Filters for searching slots; ``pids`` or ``appointment_type_id`` is required."""

    start_date: Required[date]
    """The first day."""
    days: Required[int]
    """Number of days, the first one included; more than 14 is slow and advised against."""
    lids: Sequence[int] | None
    """Ids of several locations, instead of one ``location_id``."""
    pids: Sequence[int] | None
    """Ids of the providers."""
    operatory_ids: Sequence[int] | None
    """Only slots in these operatories, at locations that book by operatory."""
    appointment_type_id: int | None
    """Only slots this type fits into; its minutes become the slot's length."""
    working_hour_label_id: int | None
    """Only slots in working hours with this label; v3 only."""
    working_hour_source: WorkingHourSource | None
    """Only slots in working hours from this source; v3 only."""
    slot_length: int | None
    """Minutes a slot is long; 15 by default."""
    slot_interval: int | None
    """Minutes from one slot's start to the next one's; the length by default."""
    overlapping_operatory_slots: bool | None
    """True: a time that is free in several operatories is a slot in each; else one slot."""
    appointments_per_timeslot: int | None
    """Number of appointments that may be booked at one time: 1 (default) to 5; v3 only.

    eClinicalWorks and NextGen only.
    """


LIST: "Endpoint[m.SlotGroup]" = Endpoint(
    resource="available_slots",
    verb="walk",
    model="SlotGroup",
    v2=OperationSpec(
        method="GET",
        path="/appointment_slots",
        paging=Paging.WHOLE,
        rate=RateClass.SLOW,
        location=ScopeNeed.REQUIRED,
        location_filter="lids",
        filters=filter_names(
            SlotFilters,
            without=("working_hour_label_id", "working_hour_source", "appointments_per_timeslot"),
        ),
        required=("start_date", "days"),
        one_of=("pids", "appointment_type_id"),
    ),
    v3=OperationSpec(
        method="GET",
        path="/available_slots",
        paging=Paging.WHOLE,
        rate=RateClass.SLOW,
        location=ScopeNeed.REQUIRED,
        location_filter="lids",
        filters=filter_names(SlotFilters),
        required=("start_date", "days"),
        one_of=("pids", "appointment_type_id"),
    ),
)


class AvailableSlots(Resource):
    """The times at which an appointment can be made."""

    __slots__ = ()

    def walk(self, **filters: Unpack[SlotFilters]) -> "Walk[m.SlotGroup]":
        """Iterate over free slots, in groups of one provider (``pid``) at one location (``lid``).

        ``GET /appointment_slots`` (v2), ``GET /available_slots`` (v3)

        Times are in the practice's zone; pass a slot's ``time`` back unchanged as ``start_time`` of
        the appointment, with the group's ``pid`` as ``provider_id``, and with the slot's
        ``operatory_id`` where the location has ``map_by_operatory``. A group without slots names
        the ``next_available_date``. No slots at all may also mean that no working hours are set, or
        that none are open to the appointment type. The list is not paged, and 10 such requests are
        allowed in a second.

        Raises:
            InvalidArgumentError: Neither ``pids`` nor ``appointment_type_id`` is given, ``days`` is
                below 1, or ``location_id`` is given beside ``lids``.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: ``working_hour_label_id``, ``working_hour_source`` or
                ``appointments_per_timeslot`` is given in v2.
        """
        check_one_of(filters, ("location_id", "lids"), min_count=0)
        check_positive("days", filters.get("days"))
        return self._client.walk(LIST, filters)

    def flat(self, **filters: Unpack[SlotFilters]) -> AsyncIterator[FreeSlot]:
        """Iterate over the free slots one by one, each with its provider and location.

        More than 14 ``days`` are searched in windows of 14, as the vendor advises; ``limit`` counts
        slots. The ``next_available_date`` of groups without slots is not reported. Errors are those
        of `walk`.
        """
        return free_slots(self.walk, filters)
