"""The calendar: appointments, their types, working hours, and the times that are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import (
    CREATED,
    NO_CONTENT,
    Endpoint,
    Need,
    Paging,
    RateClass,
    Row,
)

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "APPOINTMENTS",
    "APPOINTMENTS_CREATE",
    "APPOINTMENTS_GET",
    "APPOINTMENTS_UPDATE",
    "APPOINTMENT_CATEGORIES",
    "APPOINTMENT_DESCRIPTORS",
    "APPOINTMENT_TYPES",
    "APPOINTMENT_TYPES_CREATE",
    "APPOINTMENT_TYPES_DELETE",
    "APPOINTMENT_TYPES_GET",
    "APPOINTMENT_TYPES_UPDATE",
    "AVAILABLE_SLOTS",
    "TYPE_DESCRIPTORS",
    "WORKING_HOURS",
    "WORKING_HOURS_CREATE",
    "WORKING_HOURS_DELETE",
    "WORKING_HOURS_GET",
    "WORKING_HOURS_UPDATE",
    "WORKING_HOUR_LABELS",
]

APPOINTMENT_CATEGORIES: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_categories",
    verb="walk",
    model="AppointmentType",
    v2=Row(
        method="GET",
        path="/appointment_categories",
        paging=Paging.WHOLE,
        location=Need.REQUIRED,
    ),
)
"""What appointment types were before they had that name."""

_TYPES = Row(
    method="GET",
    path="/appointment_types",
    paging=Paging.WHOLE,
    location=Need.OPTIONAL,
    filters=("include[]",),
)

APPOINTMENT_TYPES: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="walk",
    model="AppointmentType",
    v2=_TYPES,
    v3=_TYPES,
)

_TYPE = Row(
    method="GET",
    path="/appointment_types/{id}",
    location=Need.OPTIONAL,
    filters=("include[]",),
)

APPOINTMENT_TYPES_GET: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="get",
    model="AppointmentType",
    v2=_TYPE,
    v3=_TYPE,
)

_APPOINTMENT_TYPE_BESIDE = {"location_id": ("location_id",)}

_NEW_TYPE = Row(
    method="POST",
    path="/appointment_types",
    success=CREATED,
    safe=False,
    location=Need.OPTIONAL,
    wrap="appointment_type",
    beside=_APPOINTMENT_TYPE_BESIDE,
    lookup="Walk appointment_types and look for the name, which is unique.",
)

APPOINTMENT_TYPES_CREATE: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="create",
    model="AppointmentType",
    v2=_NEW_TYPE,
    v3=_NEW_TYPE,
)

_CHANGED_TYPE = Row(
    method="PATCH",
    path="/appointment_types/{id}",
    location=Need.OPTIONAL,
    wrap="appointment_type",
    beside=_APPOINTMENT_TYPE_BESIDE,
)

APPOINTMENT_TYPES_UPDATE: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="update",
    model="AppointmentType",
    v2=_CHANGED_TYPE,
    v3=_CHANGED_TYPE,
)

_DELETED_TYPE = Row(
    method="DELETE",
    path="/appointment_types/{id}",
    success=NO_CONTENT,
    location=Need.OPTIONAL,
)

APPOINTMENT_TYPES_DELETE: Endpoint[None] = Endpoint(
    resource="appointment_types",
    verb="delete",
    model=None,
    v2=_DELETED_TYPE,
    v3=_DELETED_TYPE,
)

_TYPE_DESCRIPTORS = Row(
    method="GET",
    path="/appointment_types/{id}/appointment_descriptors",
    paging=Paging.WHOLE,
    location=Need.OPTIONAL,
    filters=("descriptor_type",),
)

TYPE_DESCRIPTORS: Endpoint[m.AppointmentDescriptor] = Endpoint(
    resource="appointment_types.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    v2=_TYPE_DESCRIPTORS,
    v3=_TYPE_DESCRIPTORS,
)

WORKING_HOUR_LABELS: Endpoint[m.WorkingHoursLabel] = Endpoint(
    resource="working_hour_labels",
    verb="walk",
    model="WorkingHoursLabel",
    v3=Row(
        method="GET",
        path="/working_hour_labels",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.OPTIONAL,
        filters=("search_name", "active"),
    ),
)

WORKING_HOURS: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="walk",
    model="WorkingHours",
    v2=Row(
        method="GET",
        path="/availabilities",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.REQUIRED,
        filters=("provider_id", "operatory_id", "active", "ignore_past_dates", "include[]"),
    ),
    v3=Row(
        method="GET",
        path="/working_hours",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.REQUIRED,
        filters=(
            "provider_id",
            "operatory_id",
            "label_id",
            "source",
            "active",
            "ignore_past_dates",
            "include[]",
        ),
    ),
)

WORKING_HOURS_GET: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="get",
    model="WorkingHours",
    v2=Row(method="GET", path="/availabilities/{id}", filters=("include[]",)),
    v3=Row(method="GET", path="/working_hours/{id}", filters=("include[]",)),
)

_LOOK_FOR_HOURS = "Walk working_hours with the same provider_id and look for the window."

WORKING_HOURS_CREATE: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="create",
    model="WorkingHours",
    v2=Row(
        method="POST",
        path="/availabilities",
        success=CREATED,
        safe=False,
        location=Need.REQUIRED,
        wrap="availability",
        lookup=_LOOK_FOR_HOURS,
    ),
    v3=Row(
        method="POST",
        path="/working_hours",
        success=CREATED,
        safe=False,
        location=Need.REQUIRED,
        wrap="working_hour",
        lookup=_LOOK_FOR_HOURS,
    ),
)

WORKING_HOURS_UPDATE: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="update",
    model="WorkingHours",
    v2=Row(
        method="PATCH",
        path="/availabilities/{id}",
        wrap="availability",
        lacks=("provider_id", "custom_recurrence"),
    ),
    v3=Row(method="PATCH", path="/working_hours/{id}", wrap="working_hour"),
)

WORKING_HOURS_DELETE: Endpoint[None] = Endpoint(
    resource="working_hours",
    verb="delete",
    model=None,
    v2=Row(method="DELETE", path="/availabilities/{id}", success=NO_CONTENT),
    v3=Row(method="DELETE", path="/working_hours/{id}", success=NO_CONTENT),
)

AVAILABLE_SLOTS: Endpoint[m.SlotGroup] = Endpoint(
    resource="available_slots",
    verb="walk",
    model="SlotGroup",
    v2=Row(
        method="GET",
        path="/appointment_slots",
        paging=Paging.WHOLE,
        rate=RateClass.SLOW,
        location=Need.REQUIRED,
        location_filter="lids",
        filters=(
            "start_date",
            "days",
            "lids[]",
            "pids[]",
            "operatory_ids[]",
            "appointment_type_id",
            "slot_length",
            "slot_interval",
            "overlapping_operatory_slots",
        ),
        required=("start_date", "days"),
        one_of=("pids", "appointment_type_id"),
    ),
    v3=Row(
        method="GET",
        path="/available_slots",
        paging=Paging.WHOLE,
        rate=RateClass.SLOW,
        location=Need.REQUIRED,
        location_filter="lids",
        filters=(
            "start_date",
            "days",
            "lids[]",
            "pids[]",
            "operatory_ids[]",
            "appointment_type_id",
            "working_hour_label_id",
            "working_hour_source",
            "slot_length",
            "slot_interval",
            "overlapping_operatory_slots",
            "appointments_per_timeslot",
        ),
        required=("start_date", "days"),
        one_of=("pids", "appointment_type_id"),
    ),
)

APPOINTMENTS: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="walk",
    model="Appointment",
    v2=Row(
        method="GET",
        path="/appointments",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.SLOW,
        location=Need.REQUIRED,
        filters=(
            "start",
            "end",
            "timezone",
            "cancelled",
            "unavailable",
            "nex_only",
            "updated_since",
            "appointment_type_id",
            "foreign_id",
            "patient_ids[]",
            "provider_ids[]",
            "operatory_ids[]",
            "created_by",
            "include[]",
        ),
        required=("start", "end"),
        wire={"patient_ids[]": "patient_id"},
    ),
    v3=Row(
        method="GET",
        path="/appointments",
        paging=Paging.CURSOR,
        max_per_page=1000,
        rate=RateClass.SLOW,
        location=Need.OPTIONAL,
        filters=(
            "start",
            "end",
            "timezone",
            "cancelled",
            "unavailable",
            "nex_only",
            "updated_since",
            "appointment_type_id",
            "foreign_id",
            "patient_ids[]",
            "provider_ids[]",
            "operatory_ids[]",
            "created_by",
            "sort",
        ),
        required=("start", "end"),
        one_of=("location_id", "foreign_id"),
        at_most={"patient_ids": 25},
    ),
)

_APPOINTMENT = Row(
    method="GET",
    path="/appointments/{id}",
    payload=("appt", "appointment"),
    rate=RateClass.SLOW,
    filters=("include[]",),
)

APPOINTMENTS_GET: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="get",
    model="Appointment",
    v2=_APPOINTMENT,
    v3=_APPOINTMENT,
)

_NEW_APPOINTMENT = Row(
    method="POST",
    path="/appointments",
    payload=("appt", "appointment"),
    success=CREATED,
    rate=RateClass.PEOPLE,
    safe=False,
    location=Need.REQUIRED,
    filters=("notify_patient",),
    wrap="appt",
    beside={"appointments_per_timeslot": ("appointments_per_timeslot",)},
    lookup=(
        "Walk appointments around the start time with nex_only=True and the patient's id "
        "to see whether it was booked."
    ),
)

APPOINTMENTS_CREATE: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="create",
    model="Appointment",
    v2=_NEW_APPOINTMENT,
    v3=_NEW_APPOINTMENT,
)

APPOINTMENTS_UPDATE: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="update",
    model="Appointment",
    v2=Row(
        method="PATCH",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.PEOPLE,
        wrap="appt",
        lacks=("start_time", "end_time", "operatory_id", "note"),
    ),
    v3=Row(
        method="PATCH",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.PEOPLE,
        wrap="appt",
    ),
)

_DESCRIPTORS = Row(
    method="GET",
    path="/appointments/{id}/appointment_descriptors",
    paging=Paging.WHOLE,
    rate=RateClass.SLOW,
    filters=("descriptor_type",),
)

APPOINTMENT_DESCRIPTORS: Endpoint[m.AppointmentDescriptor] = Endpoint(
    resource="appointments.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    v2=_DESCRIPTORS,
    v3=_DESCRIPTORS,
)
