"""Calls that type checkers must accept. Checked, never run."""

# pyright: strict

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import BinaryIO, assert_type

from nexhealth_async import models as m
from nexhealth_async.errors import UndecodableRecordError
from nexhealth_async.pagination.walk import Page, Walk
from nexhealth_async.scopes import AccountScope, LocationScope, PracticeScope

START = datetime(2031, 1, 6, tzinfo=UTC)
END = datetime(2031, 1, 7, tzinfo=UTC)
TODAY = date(2031, 1, 6)


def set_aside(error: UndecodableRecordError, record: bytes) -> None:
    del error, record


def listings(nex: AccountScope) -> None:
    assert_type(nex.institutions.walk(), Walk[m.Institution])
    assert_type(nex.institutions.walk(limit=3), Walk[m.Institution])
    assert_type(nex.locations.walk(), Walk[m.Location])
    nex.locations.walk(subdomain="demo", inactive=False, filter_by_subscription_feature="forms")
    assert_type(nex.locations.appointment_descriptors.walk(7), Walk[m.AppointmentDescriptor])
    assert_type(nex.providers.walk(subdomain="demo"), Walk[m.Provider])
    nex.providers.walk(location_id=7, requestable=True, ids=(1, 2), include=["availabilities"])
    assert_type(nex.operatories.walk(search_name="Chair"), Walk[m.Operatory])
    assert_type(nex.appointment_types.walk(include=["descriptors"]), Walk[m.AppointmentType])
    nex.appointment_types.appointment_descriptors.walk(3, location_id=7, descriptor_type="Code")
    assert_type(nex.procedures.walk(updated_since=START), Walk[m.Procedure])
    assert_type(nex.patients.walk(), Walk[m.Patient])
    nex.patients.walk(location_id=None, subdomain=None, inactive=None, name=None, per_page=None)
    nex.patients.walk(new_patient=None, date_of_birth=TODAY, include=["charges", "payments"])
    nex.patients.walk(per_page=300, prefetch=4, drift="verify", passes=6, after=None, limit=None)
    nex.patients.walk(on_bad_record=set_aside)
    assert_type(nex.working_hours.walk(ignore_past_dates=True), Walk[m.WorkingHours])
    assert_type(
        nex.available_slots.walk(start_date=TODAY, days=7, pids=[3], lids=[7, 8]),
        Walk[m.SlotGroup],
    )
    assert_type(nex.appointments.walk(start=START, end=END), Walk[m.Appointment])
    nex.appointments.walk(start=START, end=END, cancelled=None, patient_ids=[5], nex_only=True)
    nex.appointments.appointment_descriptors.walk(9, subdomain="demo")
    assert_type(nex.sync_status.walk(location_ids=[7]), Walk[m.SyncStatus])
    nex.sync_status.walk(read_status="red")


def listings_of_v3(nex: AccountScope) -> None:
    nex.providers.walk(sort="-updated_at")
    nex.patients.walk(sort="id", updated_since=START, after=None)
    nex.procedures.walk(started_after=TODAY, ended_before=TODAY, sort="updated_at")
    nex.working_hours.walk(label_id=4, source="synced")
    assert_type(nex.working_hour_labels.walk(search_name="A"), Walk[m.WorkingHoursLabel])
    nex.available_slots.walk(
        start_date=TODAY,
        days=3,
        appointment_type_id=8,
        working_hour_label_id=4,
        working_hour_source="manual",
        appointments_per_timeslot=2,
    )
    nex.appointments.walk(start=START, end=END, patient_ids=[1, 2], sort="-updated_at")
    assert_type(nex.treatment_plans.walk(status="accepted"), Walk[m.TreatmentPlan])
    assert_type(nex.clinical_notes.walk(entered_after=START), Walk[m.ClinicalNote])
    assert_type(nex.onboardings.walk(status="complete", per_page=9), Walk[m.Onboarding])


def more_listings(nex: AccountScope) -> None:
    assert_type(nex.patients.documents.walk(5), Walk[m.Document])
    assert_type(nex.patients.alerts.walk(5, include_disabled=True), Walk[m.PatientAlert])
    assert_type(nex.nex_staff.walk(location_ids=[7], drift="verify"), Walk[m.StaffMember])
    assert_type(nex.document_types.walk(active=False), Walk[m.DocumentType])
    assert_type(nex.patient_recalls.walk(due_after=START), Walk[m.PatientRecall])
    assert_type(nex.recall_types.walk(foreign_id="3"), Walk[m.RecallType])
    assert_type(nex.locations.providers.walk(7, requestable=True), Walk[m.Provider])
    assert_type(nex.appointment_categories.walk(location_id=7), Walk[m.AppointmentType])


def scopes(nex: AccountScope) -> None:
    practice = assert_type(nex.practice("demo"), PracticeScope)
    assert_type(practice.subdomain, str)
    location = assert_type(practice.location(7), LocationScope)
    assert_type(location.location_id, int)
    assert_type(practice.locations.walk(), Walk[m.Location])
    assert_type(location.patients.walk(), Walk[m.Patient])
    location.appointments.walk(start=START, end=END)


async def single(nex: AccountScope, location: LocationScope) -> None:
    assert_type(await nex.institutions.get(1), m.Institution)
    assert_type(await nex.locations.get(7), m.Location)
    assert_type(await location.patients.get(5, include=["upcoming_appts"]), m.Patient)
    assert_type(await location.providers.get(3), m.Provider)
    assert_type(await location.operatories.get(2), m.Operatory)
    assert_type(await location.procedures.get(4, subdomain="demo"), m.Procedure)
    assert_type(await location.appointments.get(9, include=["patient"]), m.Appointment)
    assert_type(await location.working_hours.get(6), m.WorkingHours)
    assert_type(await location.appointment_types.get(8), m.AppointmentType)
    assert_type(await location.patients.alerts.get(5, 6), m.PatientAlert)
    assert_type(await location.document_types.get(2, location_id=7), m.DocumentType)
    assert_type(await location.patient_recalls.get(2), m.PatientRecall)
    assert_type(await location.recall_types.get(2), m.RecallType)
    assert_type(await nex.treatment_plans.get(2, subdomain="demo"), m.TreatmentPlan)
    assert_type(await nex.onboardings.get("h4sh"), m.Onboarding)


async def writes(location: LocationScope, slot: m.Slot, text: str) -> None:
    patient = await location.patients.create(
        provider_id=3,
        first_name="Ada",
        last_name="Example",
        email="ada@example.com",
        bio={"date_of_birth": date(1990, 1, 1), "phone_number": "5550100100", "gender": "Other"},
    )
    assert_type(patient, m.Patient)
    assert slot.time is not None
    booked = await location.appointments.create(
        patient_id=patient.id, provider_id=3, start_time=slot.time, notify_patient=True
    )
    assert_type(booked, m.Appointment)
    await location.appointments.create(
        patient_id=None, provider_id=3, start_time=text, unavailable=True
    )
    await location.appointments.create(
        patient_id=patient.id,
        provider_id=3,
        start_time=START,
        is_guardian=True,
        patient={"first_name": "Bo", "last_name": "Example", "bio": {"date_of_birth": TODAY}},
    )
    assert_type(await location.appointments.update(booked.id, cancelled=True), m.Appointment)
    hours = await location.working_hours.create(
        provider_id=3,
        begin_time="09:00",
        end_time="17:00",
        custom_recurrence={"num": 3, "unit": "week", "ref": TODAY},
    )
    assert_type(hours, m.WorkingHours)
    await location.working_hours.update(
        hours.id, days=["Monday", "Friday"], appointment_type_ids=[]
    )
    assert_type(await location.working_hours.delete(hours.id), None)
    kind = await location.appointment_types.create(name="Cleaning", minutes=30)
    assert_type(kind, m.AppointmentType)
    await location.appointment_types.update(kind.id, bookable_online=True)
    await location.appointment_types.delete(kind.id)


async def more_writes(nex: AccountScope, location: LocationScope, open_file: BinaryIO) -> None:
    await location.patients.create(
        provider_id=3,
        first_name="Ada",
        last_name="Example",
        email="ada@example.com",
        bio={"date_of_birth": TODAY, "phone_number": "5550100100"},
        return_existing_if_match=True,
    )
    await location.appointments.update(9, start_time=START, end_time=END, operatory_id=2, note="n")
    await location.working_hours.update(6, provider_id=3)
    await location.working_hours.update(
        6, custom_recurrence={"num": 3, "unit": "week", "ref": TODAY}
    )
    alert = await location.patients.alerts.create(5, note="Allergic")
    assert_type(await location.patients.alerts.update(5, alert.id, disabled=True), m.PatientAlert)
    document = await location.patients.documents.create(5, file=b"%PDF", filename="consent.pdf")
    assert_type(document, m.Document)
    await location.patients.documents.create(5, file=open_file, document_type_id=2)
    location.patients.documents.download(document)
    assert_type(await nex.onboardings.create(subdomain="demo", emr_name="ecw"), m.Onboarding)


async def walking(location: LocationScope) -> None:
    async for patient in location.patients.walk():
        assert_type(patient, m.Patient)
    async for page in location.patients.walk(per_page=300).pages():
        assert_type(page, Page[m.Patient])
        assert_type(page.items, tuple[m.Patient, ...])
    assert_type(await location.patients.walk().count(), int)
    assert_type(location.patients.walk().raw(), Walk[dict[str, object]])
    assert_type(location.patients.walk().raw_json(), Walk[bytes])
