"""Calls that type checkers must refuse, one to a line. Checked by test_calls.py, never run."""

# pyright: strict

from __future__ import annotations

from datetime import UTC, date, datetime

from nexhealth_async import models as m
from nexhealth_async.scopes import AccountScope, LocationScope, PracticeScope

START = datetime(2031, 1, 6, tzinfo=UTC)
TODAY = date(2031, 1, 6)


def listings(nex: AccountScope) -> None:
    nex.patients.walk(search="Ada")  # wrong: no such filter
    nex.patients.walk(page=2)  # wrong: pages are the walk's business
    nex.patients.walk("Ada")  # wrong: filters are keyword-only
    nex.patients.walk(location_id="7")  # wrong: text for a number
    nex.patients.walk(include="charges")  # wrong: a scalar instead of a list
    nex.patients.walk(include=["charge"])  # wrong: no such part
    nex.patients.walk(name=["Ada"])  # wrong: a list instead of a scalar
    nex.patients.walk(date_of_birth="1990-01-01")  # wrong: text for a date
    nex.patients.walk(updated_since=TODAY)  # wrong: a date for a date-time
    nex.patients.walk(updated_after=START)  # wrong: the name on v2's wire
    nex.patients.walk(drift="retry")  # wrong: no such mode
    nex.patients.walk(on_bad_record=print, limit="3")  # wrong: text for a number
    nex.patients.walk(on_bad_record=len)  # wrong: takes one argument, not two
    nex.institutions.walk(subdomain="demo")  # wrong: institutions take no practice
    nex.locations.walk(per_page=5)  # wrong: this list comes whole
    nex.locations.walk(location_id=7)  # wrong: no such filter
    nex.locations.walk(filter_by_subscription_feature="fax")  # wrong: no such product
    nex.locations.appointment_descriptors.walk()  # wrong: without the location
    nex.providers.walk(ids=3)  # wrong: a scalar instead of a list
    nex.providers.walk(ids=["3"])  # wrong: texts for numbers
    nex.operatories.walk(name="Chair")  # wrong: it is search_name
    nex.appointments.walk()  # wrong: without start and end
    nex.appointments.walk(start=START)  # wrong: without end
    nex.appointments.walk(start="2031-01-06", end="2031-01-07")  # wrong: texts for times
    nex.appointments.walk(start=START, end=START, patient_id=5)  # wrong: it is patient_ids
    nex.appointments.walk(start=START, end=START, patient_ids=5)  # wrong: a scalar for a list
    nex.available_slots.walk(start_date=TODAY, pids=[3])  # wrong: without days
    nex.available_slots.walk(days=3, pids=[3])  # wrong: without start_date
    nex.available_slots.walk(start_date=TODAY, days="3", pids=[3])  # wrong: text for a number
    nex.sync_status.walk(read_status="yellow")  # wrong: no such colour
    nex.patients.list()  # wrong: listings are walked
    nex.patients.iter()  # wrong: listings are walked
    for patient in nex.patients.walk():  # wrong: only `async for` reads a walk
        del patient
    for page in nex.patients.walk().pages():  # wrong: only `async for` reads pages
        del page
    nex.available_slots.walk(start_date=TODAY, days=3, working_hour_source="fax")  # wrong: source
    nex.working_hours.walk(source="manually")  # wrong: no such source
    nex.working_hour_labels.walk(drift="verify")  # wrong: a list with cursors only
    nex.treatment_plans.walk(status="done")  # wrong: no such status
    nex.treatment_plans.walk(location_id=7)  # wrong: plans take no location
    nex.clinical_notes.walk(entered_after=TODAY)  # wrong: a date for a date-time
    nex.procedures.walk(started_after="2031-01-06")  # wrong: text for a date
    nex.patient_recalls.walk(due_before=START)  # wrong: no such filter
    nex.patients.alerts.walk()  # wrong: without the patient
    nex.patients.documents.walk(5, location_id=7)  # wrong: documents take no location
    nex.nex_staff.walk(location_ids=7)  # wrong: a scalar for a list
    nex.document_types.walk(per_page=5)  # wrong: this list comes whole
    nex.onboardings.walk(status="red")  # wrong: no such status
    nex.onboardings.walk(location_id=7)  # wrong: onboardings take no location
    nex.locations.providers.walk()  # wrong: without the location


def scopes(nex: AccountScope, practice: PracticeScope, location: LocationScope) -> None:
    nex.practice(7)  # wrong: a number for a subdomain
    nex.location(7)  # wrong: a location needs its practice
    practice.location("7")  # wrong: text for a number
    practice.institutions.walk()  # wrong: institutions take no practice
    location.institutions.walk()  # wrong: institutions take no location
    location.locations.walk()  # wrong: locations take no location
    location.location_id = 8  # wrong: scopes are frozen


async def awaited(nex: AccountScope, patient: m.Patient) -> None:
    await nex.patients.walk()  # wrong: a walk is not awaitable
    await nex.patients.walk().pages()  # wrong: nor are pages
    patient.to_dict()  # wrong: to_builtins(patient)
    patient.model_dump()  # wrong: to_builtins(patient)
    patient.json()  # wrong: to_json(patient)


async def single(location: LocationScope) -> None:
    await location.patients.get()  # wrong: without the id
    await location.patients.get(id=5)  # wrong: identifiers are positional
    await location.patients.get("5")  # wrong: text for a number
    await location.patients.get(5, location_id=7)  # wrong: a single patient takes no location
    await location.patients.get(5, include=["patient"])  # wrong: no such part
    await location.patients.delete(5)  # wrong: patients cannot be deleted
    await location.patients.alerts.get(5)  # wrong: without the alert
    await location.recall_types.get(5, location_id=7)  # wrong: a single type takes no location
    appointment: m.Appointment = await location.patients.get(5)  # wrong: another record
    del appointment


async def writes(location: LocationScope) -> None:
    await location.patients.create(first_name="Ada")  # wrong: without the rest
    await location.appointments.create(provider_id=3, start_time=START)  # wrong: without a patient
    await location.appointments.create(patient_id=1, provider_id=3, start_time=7)  # wrong: no time
    await location.appointments.update(9, start_time=7)  # wrong: no time
    await location.appointments.update(9, provider_id=3)  # wrong: the provider stays
    await location.appointments.update(9, cancelled="yes")  # wrong: text for a flag
    await location.working_hours.update(6, label_id=3)  # wrong: labels cannot be given
    await location.working_hours.update(6, days=["Mon"])  # wrong: no such day
    await location.working_hours.update(6, days="Monday")  # wrong: a scalar instead of a list
    await location.appointment_types.create(minutes=30)  # wrong: without a name
    await location.appointment_types.create(name="X", parent_type="Chain")  # wrong: no such parent
    await location.patients.alerts.create(5)  # wrong: without a note
    await location.patients.alerts.update(5, 6, note="n")  # wrong: the note stays
    await location.patients.documents.create(5, filename="a.pdf")  # wrong: without the file
    await location.patients.documents.create(5, file="a.pdf")  # wrong: a name for a file
    location.patients.documents.download(7)  # wrong: a number for a document


async def set_up(nex: AccountScope, location: LocationScope) -> None:
    await nex.onboardings.get(7)  # wrong: the id is a text
    await nex.onboardings.create(emr_name="fax")  # wrong: no such system
    await nex.onboardings.create(name="New")  # wrong: it is institution_name
    location.onboardings.walk()  # wrong: onboardings take no location
    location.treatment_plans.walk()  # wrong: plans take no location
