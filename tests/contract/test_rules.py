"""Validation in the methods before anything is sent, and the arguments they pass on."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest

from nexhealth_async import NexHealth
from nexhealth_async._client.client import Client
from nexhealth_async._protocol.operations import Endpoint
from nexhealth_async._protocol.requests import PlannedCall, plan
from nexhealth_async.errors import InvalidArgumentError, MissingScopeError, NotInVersionError
from nexhealth_async.resources import ENDPOINTS, available_slots, onboardings, patients
from nexhealth_async.resources.appointment_types import AppointmentTypes
from nexhealth_async.resources.appointments import LIST as LIST_APPOINTMENTS
from nexhealth_async.resources.appointments import Appointments, NewAppointment
from nexhealth_async.resources.available_slots import AvailableSlots
from nexhealth_async.resources.nex_staff import NexStaff
from nexhealth_async.resources.onboardings import Onboardings
from nexhealth_async.resources.patients import Patients
from nexhealth_async.resources.sync_status import SyncStatuses
from nexhealth_async.resources.working_hours import NewWorkingHours, WorkingHours
from nexhealth_async.sandbox import Sandbox

NINE = datetime(2031, 1, 6, 9, tzinfo=UTC)
TODAY = date(2031, 1, 6)


class ArgumentRecorder(Client):
    """A client that records the arguments."""

    def __init__(self) -> None:
        self.arguments: Mapping[str, object] | None = None

    def walk(self, endpoint: object, arguments: Mapping[str, object], *ids: int | str) -> Any:
        del endpoint, ids
        self.arguments = arguments

    async def call(self, endpoint: object, arguments: Mapping[str, object], *ids: int | str) -> Any:
        del endpoint, ids
        self.arguments = arguments

    execute = call

    async def call_with_status(
        self, endpoint: object, arguments: Mapping[str, object], *ids: int | str
    ) -> Any:
        return await self.call(endpoint, arguments, *ids), 200

    def pending_write(self, *identity: object, subdomain: object = None) -> Any:
        raise NotImplementedError(identity, subdomain)

    def download(self, url: str | None) -> Any:
        raise NotImplementedError(url)


@pytest.fixture
def recorder() -> ArgumentRecorder:
    return ArgumentRecorder()


def booking(**changes: object) -> NewAppointment:
    fields = {"patient_id": 1, "provider_id": 2, "start_time": NINE, **changes}
    return cast("NewAppointment", fields)


async def test_a_note_has_at_most_128_characters(recorder: ArgumentRecorder) -> None:
    await Appointments(recorder).create(**booking(note="n" * 128))
    with pytest.raises(InvalidArgumentError, match="128") as refused:
        await Appointments(recorder).create(**booking(note="secret" * 30))
    assert "secret" not in str(refused.value)


async def test_a_slots_time_is_sent_unchanged(recorder: ArgumentRecorder) -> None:
    text = "2031-01-06T09:00:00.000-05:00"
    await Appointments(recorder).create(**booking(start_time=text))
    assert recorder.arguments is not None
    assert recorder.arguments["start_time"] == text


@pytest.mark.parametrize(
    "start_time", ["2031-01-06T09:00:00", "tomorrow", NINE.replace(tzinfo=None)]
)
async def test_a_booking_without_a_zone_is_refused(
    recorder: ArgumentRecorder, start_time: datetime | str
) -> None:
    with pytest.raises(InvalidArgumentError, match="start_time"):
        await Appointments(recorder).create(**booking(start_time=start_time))
    assert recorder.arguments is None


async def test_a_booking_that_ends_before_it_starts_is_refused(recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="end_time must not be before start_time"):
        await Appointments(recorder).create(**booking(end_time=NINE - timedelta(minutes=1)))


async def test_a_block_refuses_a_patient(recorder: ArgumentRecorder) -> None:
    await Appointments(recorder).create(**booking(patient_id=None, unavailable=True))
    assert recorder.arguments is not None
    assert "patient_id" not in recorder.arguments


async def test_an_appointment_requires_a_patient_unless_it_is_a_block(
    recorder: ArgumentRecorder,
) -> None:
    with pytest.raises(InvalidArgumentError, match="patient_id"):
        await Appointments(recorder).create(**booking(patient_id=None))


def test_appointments_are_walked_forwards(recorder: ArgumentRecorder) -> None:
    Appointments(recorder).walk(start=NINE, end=NINE)
    with pytest.raises(InvalidArgumentError, match="end must not be before start"):
        Appointments(recorder).walk(start=NINE, end=NINE - timedelta(days=1))


def test_appointment_times_require_a_zone(recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="end has no time zone"):
        Appointments(recorder).walk(start=NINE, end=NINE.replace(tzinfo=None))


@pytest.mark.parametrize("version", ["v2", "v3.0.0"])
def test_slots_require_a_provider_or_a_type(version: str) -> None:
    with pytest.raises(InvalidArgumentError, match="pids, appointment_type_id"):
        planned(available_slots.LIST, version, start_date=TODAY, days=1)
    planned(available_slots.LIST, version, start_date=TODAY, days=1, pids=[3])
    planned(available_slots.LIST, version, start_date=TODAY, days=1, appointment_type_id=4)


ONE_OF = [endpoint for endpoint in ENDPOINTS if endpoint.v3 is not None and endpoint.v3.one_of]


@pytest.mark.parametrize("endpoint", ONE_OF, ids=lambda one: str(one.resource))
def test_v3_lists_that_require_a_filter_are_refused_without_it(endpoint: Endpoint[object]) -> None:
    assert endpoint.v3 is not None
    needed: dict[str, object] = dict.fromkeys(endpoint.v3.required, TODAY)
    one_of = endpoint.v3.one_of
    needed["location_id"] = None if "location_id" in one_of else 7
    with pytest.raises(InvalidArgumentError, match=", ".join(one_of)):
        planned(endpoint, "v3.0.0", **needed)
    with pytest.raises(InvalidArgumentError, match="at least one of"):
        planned(endpoint, "v3.0.0", **(needed | dict.fromkeys(one_of)))
    for name in one_of:
        value = [1] if f"{name}[]" in endpoint.v3.filters else 1
        planned(endpoint, "v3.0.0", **(needed | {name: value}))


def test_an_appointment_of_v3_can_be_read_without_its_location() -> None:
    times: dict[str, object] = {"start": NINE, "end": NINE}
    found = planned(LIST_APPOINTMENTS, "v3.0.0", location_id=None, foreign_id="a", **times)
    assert "location_id" not in found.sent_filters
    with pytest.raises(MissingScopeError):
        planned(LIST_APPOINTMENTS, "v2", location_id=None, foreign_id="a", **times)


def test_a_filter_with_several_values_has_a_maximum() -> None:
    times: dict[str, object] = {"start": NINE, "end": NINE}
    planned(LIST_APPOINTMENTS, "v3.0.0", patient_ids=range(1, 26), **times)
    with pytest.raises(InvalidArgumentError, match="patient_ids takes at most 25 values"):
        planned(LIST_APPOINTMENTS, "v3.0.0", patient_ids=range(1, 27), **times)
    with pytest.raises(NotInVersionError, match="one id"):
        planned(LIST_APPOINTMENTS, "v2", patient_ids=[1, 2], **times)


LACKING = [
    (version, endpoint, name)
    for endpoint in ENDPOINTS
    for version, row in (("v2", endpoint.v2), ("v3.0.0", endpoint.v3))
    for name in (row.unsupported if row else ())
]


@pytest.mark.parametrize(("version", "endpoint", "name"), LACKING)
def test_a_body_field_of_the_other_version_is_refused(
    version: str, endpoint: Endpoint[object], name: str
) -> None:
    row, other = (endpoint.v2, "v3") if version == "v2" else (endpoint.v3, "v2")
    assert row is not None
    ids = range(1, 1 + row.path.count("{"))
    with pytest.raises(NotInVersionError, match=f"accepts {name} only in {other}"):
        planned(endpoint, version, *ids, **{name: True})


FILTERS_LACKING = [
    (version, endpoint, name.removesuffix("[]"))
    for endpoint in ENDPOINTS
    if endpoint.v2 and endpoint.v3
    for version, own, other in (
        ("v2", endpoint.v2, endpoint.v3),
        ("v3.0.0", endpoint.v3, endpoint.v2),
    )
    for name in other.filters
    if name not in own.filters and name not in own.path_from
]


@pytest.mark.parametrize(("version", "endpoint", "name"), FILTERS_LACKING)
def test_a_filter_of_the_other_version_is_refused(
    version: str, endpoint: Endpoint[object], name: str
) -> None:
    row, other = (endpoint.v2, "v3") if version == "v2" else (endpoint.v3, "v2")
    assert row is not None
    required: dict[str, object] = dict.fromkeys((*row.required, *row.path_from), 1)
    with pytest.raises(NotInVersionError, match=f"accepts {name} only in {other}"):
        planned(endpoint, version, **required, **{name: True})


@pytest.mark.parametrize("version", ["v2", "v3.0.0"])
@pytest.mark.parametrize(
    ("endpoint", "name", "more"),
    [
        (patients.LIST, "new_patient", {}),
        (LIST_APPOINTMENTS, "cancelled", {"start": NINE, "end": NINE}),
    ],
)
def test_an_omitted_filter_is_not_sent(
    version: str, endpoint: Endpoint[object], name: str, more: dict[str, object]
) -> None:
    assert name not in planned(endpoint, version, **more).sent_filters
    assert name not in planned(endpoint, version, **more, **{name: None}).sent_filters
    assert (name, "false") in planned(endpoint, version, **more, **{name: False}).query


@pytest.mark.parametrize("return_existing", [True, False, None])
def test_creating_a_patient_is_safe_if_an_existing_one_may_be_returned(
    return_existing: object,
) -> None:
    fields: dict[str, object] = {"first_name": "Ada", "return_existing_if_match": return_existing}
    made = planned(patients.CREATE, "v3.0.0", **fields)
    assert made.safe is (return_existing is True)
    assert made.request(headers={}).fresh_connection is not made.safe
    assert not planned(patients.CREATE, "v2", first_name="Ada").safe


def test_an_onboarding_names_its_practice_in_the_body() -> None:
    made = planned(onboardings.CREATE, "v3.0.0", subdomain="demo", emr_name="ecw")
    assert made.query == ()
    assert json.loads(made.body or b"") == {"onboarding": {"subdomain": "demo", "emr_name": "ecw"}}
    made = planned(onboardings.CREATE, "v3.0.0", institution_name="New")
    assert json.loads(made.body or b"") == {"onboarding": {"institution_name": "New"}}


async def test_an_onboarding_needs_a_practice_or_a_name(recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="institution_name, subdomain"):
        await Onboardings(recorder).create(emr_name="ecw")
    assert recorder.arguments is None


async def test_working_hours_are_changed_to_one_kind_at_most(recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="at most one of days"):
        await WorkingHours(recorder).update(6, days=["Monday"], specific_date=TODAY)
    await WorkingHours(recorder).update(6, active=False)


async def test_a_moved_appointment_has_zones_and_a_short_note(recorder: ArgumentRecorder) -> None:
    appointments = Appointments(recorder)
    with pytest.raises(InvalidArgumentError, match="128"):
        await appointments.update(9, note="n" * 129)
    with pytest.raises(InvalidArgumentError, match="start_time"):
        await appointments.update(9, start_time=NINE.replace(tzinfo=None))
    with pytest.raises(InvalidArgumentError, match="end_time must not be before start_time"):
        await appointments.update(9, start_time=NINE, end_time=NINE - timedelta(minutes=1))
    assert recorder.arguments is None


def planned(
    endpoint: Endpoint[object],
    version: str,
    *ids: int,
    **arguments: object,
) -> PlannedCall:
    """Plan a call in the scope of a practice, and of a location unless another or None is given."""
    own = arguments.pop("location_id", 7)
    return plan(
        endpoint,
        version,
        ids=ids,
        subdomain="demo-practice",
        location_id=cast("int | None", own),
        arguments=arguments,
    )


def test_slots_need_at_least_one_day(recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="days"):
        AvailableSlots(recorder).walk(start_date=TODAY, days=0, pids=[3])


def test_one_location_together_with_several_is_refused(recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="lids"):
        AvailableSlots(recorder).walk(
            start_date=TODAY, days=1, pids=[3], lids=[7, 8], location_id=7
        )
    with pytest.raises(InvalidArgumentError, match="location_ids"):
        SyncStatuses(recorder).walk(location_id=7, location_ids=[7, 8])
    with pytest.raises(InvalidArgumentError, match="location_ids"):
        NexStaff(recorder).walk(location_id=7, location_ids=[7, 8])
    SyncStatuses(recorder).walk()


@pytest.mark.parametrize("names", [(), ("days", "specific_date"), ("days", "custom_recurrence")])
async def test_working_hours_are_of_exactly_one_kind(
    recorder: ArgumentRecorder, names: tuple[str, ...]
) -> None:
    kinds = {
        "days": ["Monday"],
        "specific_date": TODAY,
        "custom_recurrence": {"num": 3, "unit": "week", "ref": TODAY},
    }
    hours = {"provider_id": 2, "begin_time": "09:00", "end_time": "17:00"}
    fields = cast("NewWorkingHours", hours | {name: kinds[name] for name in names})
    with pytest.raises(InvalidArgumentError, match="exactly one of days"):
        await WorkingHours(recorder).create(**fields)


async def test_an_appointment_type_takes_time(recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="minutes"):
        await AppointmentTypes(recorder).create(name="Cleaning", minutes=0)


def test_the_repr_of_a_resource_shows_nothing_of_its_session(recorder: ArgumentRecorder) -> None:
    assert repr(Appointments(recorder)) == "<Appointments>"


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (date(2026, 6, 1), "not date"),
        (1780000000, "not int"),
        ("2026-06-01", "not this text"),
        ("tomorrow", "not this text"),
        (datetime(2026, 6, 1), "no time zone"),  # noqa: DTZ001 - which is the case
    ],
)
def test_an_invalid_start_is_refused(recorder: ArgumentRecorder, start: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"start .*{says}"):
        Appointments(recorder).walk(start=start, end=NINE)


async def test_unknown_arguments_are_refused_before_anything_is_sent(
    recorder: ArgumentRecorder,
) -> None:
    unknown: dict[str, Any] = {"firstname": "A", "provider_id": 1}
    with pytest.raises(TypeError, match=r"firstname \(did you mean first_name\?\); it takes bio, "):
        await Patients(recorder).create(**unknown)
    misspelt: dict[str, Any] = {"lastname": "x"}
    with pytest.raises(TypeError, match=r"Patients\.walk\(\) got unexpected arguments: lastname"):
        Patients(recorder).walk(**misspelt)
    slot: Any = "2026-06-03T09:00"
    with pytest.raises(InvalidArgumentError, match=r"slot must be a FreeSlot .* not str"):
        await Appointments(recorder).book(slot, patient_id=1)
    with pytest.raises(InvalidArgumentError, match="days must be a whole number"):
        AvailableSlots(recorder).walk(start_date="2026-06-01", days="1", pids=[1])  # type: ignore[arg-type]


async def test_a_refused_keyword_leaves_no_values_in_frames_of_the_library(
    recorder: ArgumentRecorder,
) -> None:
    values: dict[str, Any] = {"first_name": "Hypatia", "frist_name": "Hypatia"}
    with pytest.raises(TypeError) as awaited:
        await Patients(recorder).create(**values)
    with pytest.raises(TypeError) as called:
        Patients(recorder).walk(**values)
    for caught in (awaited, called):
        frames = [frame for frame, _ in traceback.walk_tb(caught.tb)]
        ours = [frame for frame in frames if "nexhealth_async/" in frame.f_code.co_filename]
        assert ours
        assert not [frame for frame in ours if "Hypatia" in repr(frame.f_locals)]


EVERY_LIST = [
    pytest.param(endpoint, version, id=f"{endpoint.resource}.{endpoint.verb}-{version}")
    for endpoint in ENDPOINTS
    for version, row in (("v2", endpoint.v2), ("v3.0.0", endpoint.v3))
    if row is not None and row.method == "GET"
]


@pytest.mark.parametrize(("endpoint", "version"), EVERY_LIST)
def test_a_filter_of_none_is_omitted(endpoint: Endpoint[object], version: str) -> None:
    row = endpoint.v2 if version == "v2" else endpoint.v3
    assert row is not None
    samples = {"start": NINE, "end": NINE, "start_date": TODAY, "days": 3, "subdomain": "demo"}
    needed = {*row.required, *row.path_from, *row.one_of[:1]}
    text = {name: samples.get(name, 7) for name in needed}
    ids = [7] * (row.path.count("{") - len(row.path_from))
    unset = dict.fromkeys(name.removesuffix("[]") for name in row.filters)
    full = planned(endpoint, version, *ids, **{**unset, "subdomain": None, **text})
    assert sorted(full.query) == sorted(planned(endpoint, version, *ids, **text).query)


@pytest.mark.parametrize("options", [{}, dict.fromkeys(("per_page", "prefetch", "drift", "limit"))])
async def test_options_of_a_walk_may_be_none(options: dict[str, None]) -> None:
    async with (
        Sandbox(patients=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url, version="v2") as nex,
    ):
        here = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        walk = here.patients.walk(name=None, passes=None, after=None, **options)
        assert len([one async for one in walk]) == len(sandbox.patients)


@pytest.mark.parametrize(
    "text", ["2125550133", "+1 (212) 555-0133", "212.555.0133", "1-212-555-0133"]
)
def test_a_phone_number_is_searched_as_ten_digits(text: str, recorder: ArgumentRecorder) -> None:
    Patients(recorder).walk(phone_number=text)
    assert recorder.arguments == {"phone_number": "2125550133"}


@pytest.mark.parametrize("text", ["555-0133", "", "22125550133", "212555013x"])
def test_an_invalid_phone_number_is_refused(text: str, recorder: ArgumentRecorder) -> None:
    with pytest.raises(InvalidArgumentError, match="ten digits") as caught:
        Patients(recorder).walk(phone_number=text)
    assert recorder.arguments is None
    assert "555" not in str(caught.value)


async def test_all_missing_fields_are_named_together(recorder: ArgumentRecorder) -> None:
    create: Any = Patients(recorder).create
    with pytest.raises(
        InvalidArgumentError,
        match=r"provider_id, last_name, email, bio\.date_of_birth, bio\.phone_number:",
    ):
        await create(first_name="Ada", email=None, bio={})
    book: Any = Appointments(recorder).create
    with pytest.raises(InvalidArgumentError, match="patient_id, provider_id, start_time"):
        await book()
    walk: Any = Appointments(recorder).walk
    with pytest.raises(InvalidArgumentError, match="start, end"):
        walk()
    assert recorder.arguments is None


async def test_a_field_where_none_has_a_meaning_may_be_none(recorder: ArgumentRecorder) -> None:
    await Appointments(recorder).create(
        patient_id=None, provider_id=7, start_time=NINE, unavailable=True
    )
    assert recorder.arguments is not None
    assert recorder.arguments["unavailable"] is True
