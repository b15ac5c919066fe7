"""What the methods refuse before anything is sent, and what they pass on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest

from nexhealth_async.errors import InvalidArgument
from nexhealth_async.filters import NewAppointment, NewWorkingHours
from nexhealth_async.resources import (
    Appointments,
    AppointmentTypes,
    AvailableSlots,
    SyncStatuses,
    WorkingHours,
)

NINE = datetime(2031, 1, 6, 9, tzinfo=UTC)
TODAY = date(2031, 1, 6)


class Recorder:
    """A caller that keeps the arguments it was given."""

    def __init__(self) -> None:
        self.arguments: Mapping[str, object] | None = None

    def walk(self, endpoint: object, arguments: Mapping[str, object], *ids: int | str) -> Any:
        del endpoint, ids
        self.arguments = arguments

    async def call(self, endpoint: object, arguments: Mapping[str, object], *ids: int | str) -> Any:
        del endpoint, ids
        self.arguments = arguments

    perform = call


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def booking(**changes: object) -> NewAppointment:
    fields = {"patient_id": 1, "provider_id": 2, "start_time": NINE, **changes}
    return cast("NewAppointment", fields)


async def test_a_note_may_have_128_characters_and_no_more(recorder: Recorder) -> None:
    await Appointments(recorder).create(**booking(note="n" * 128))
    with pytest.raises(InvalidArgument, match="128") as refused:
        await Appointments(recorder).create(**booking(note="secret" * 30))
    assert "secret" not in str(refused.value)


async def test_a_slots_time_is_passed_on_unchanged(recorder: Recorder) -> None:
    text = "2031-01-06T09:00:00.000-05:00"
    await Appointments(recorder).create(**booking(start_time=text))
    assert recorder.arguments is not None
    assert recorder.arguments["start_time"] == text


@pytest.mark.parametrize(
    "start_time", ["2031-01-06T09:00:00", "tomorrow", NINE.replace(tzinfo=None)]
)
async def test_a_booking_without_a_zone_is_refused(
    recorder: Recorder, start_time: datetime | str
) -> None:
    with pytest.raises(InvalidArgument, match="start_time"):
        await Appointments(recorder).create(**booking(start_time=start_time))
    assert recorder.arguments is None


async def test_a_booking_that_ends_before_it_starts_is_refused(recorder: Recorder) -> None:
    with pytest.raises(InvalidArgument, match="end_time is before start_time"):
        await Appointments(recorder).create(**booking(end_time=NINE - timedelta(minutes=1)))


async def test_a_block_names_no_patient(recorder: Recorder) -> None:
    await Appointments(recorder).create(**booking(patient_id=None, unavailable=True))
    assert recorder.arguments is not None
    assert "patient_id" not in recorder.arguments


async def test_an_appointment_that_is_no_block_needs_a_patient(recorder: Recorder) -> None:
    with pytest.raises(InvalidArgument, match="patient_id"):
        await Appointments(recorder).create(**booking(patient_id=None))


def test_appointments_are_walked_forwards(recorder: Recorder) -> None:
    Appointments(recorder).walk(start=NINE, end=NINE)
    with pytest.raises(InvalidArgument, match="end is before start"):
        Appointments(recorder).walk(start=NINE, end=NINE - timedelta(days=1))


def test_appointments_need_times_with_a_zone(recorder: Recorder) -> None:
    with pytest.raises(InvalidArgument, match="end is a date-time without a zone"):
        Appointments(recorder).walk(start=NINE, end=NINE.replace(tzinfo=None))


def test_slots_need_a_provider_or_a_type(recorder: Recorder) -> None:
    slots = AvailableSlots(recorder)
    with pytest.raises(InvalidArgument, match="pids"):
        slots.walk(start_date=TODAY, days=1)
    slots.walk(start_date=TODAY, days=1, pids=[3])
    slots.walk(start_date=TODAY, days=1, appointment_type_id=4)


def test_slots_need_at_least_one_day(recorder: Recorder) -> None:
    with pytest.raises(InvalidArgument, match="days"):
        AvailableSlots(recorder).walk(start_date=TODAY, days=0, pids=[3])


def test_one_location_beside_several_is_refused(recorder: Recorder) -> None:
    with pytest.raises(InvalidArgument, match="lids"):
        AvailableSlots(recorder).walk(
            start_date=TODAY, days=1, pids=[3], lids=[7, 8], location_id=7
        )
    with pytest.raises(InvalidArgument, match="location_ids"):
        SyncStatuses(recorder).walk(location_id=7, location_ids=[7, 8])
    SyncStatuses(recorder).walk()


@pytest.mark.parametrize("names", [(), ("days", "specific_date"), ("days", "custom_recurrence")])
async def test_working_hours_are_of_exactly_one_kind(
    recorder: Recorder, names: tuple[str, ...]
) -> None:
    kinds = {
        "days": ["Monday"],
        "specific_date": TODAY,
        "custom_recurrence": {"num": 3, "unit": "week", "ref": TODAY},
    }
    hours = {"provider_id": 2, "begin_time": "09:00", "end_time": "17:00"}
    fields = cast("NewWorkingHours", hours | {name: kinds[name] for name in names})
    with pytest.raises(InvalidArgument, match="exactly one of days"):
        await WorkingHours(recorder).create(**fields)


async def test_an_appointment_type_takes_time(recorder: Recorder) -> None:
    with pytest.raises(InvalidArgument, match="minutes"):
        await AppointmentTypes(recorder).create(name="Cleaning", minutes=0)


def test_a_noun_shows_nothing_of_its_session(recorder: Recorder) -> None:
    assert repr(Appointments(recorder)) == "<Appointments>"
