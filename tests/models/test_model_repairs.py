"""Repairs and rejections of malformed records; none of them is silent."""

from __future__ import annotations

import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async.codec import Codec
from nexhealth_async.errors import UndecodableRecordError
from nexhealth_async.models import (
    Appointment,
    AppointmentDescriptor,
    Charge,
    Institution,
    InsurancePlan,
    Location,
    Money,
    Patient,
    PatientAlert,
    PatientBio,
    Procedure,
    Record,
    SlotGroup,
)

T = TypeVar("T")
CODEC = Codec()
SENTINEL = "Zephyrine-Q-Canary"

GETTING_STARTED = b"""{
    "id": 143776, "email": null, "first_name": "John", "last_name": "Smith",
    "created_at": "2020-08-12T19:17:22.575Z", "updated_at": "2020-08-12T19:25:17.591Z",
    "account_activated": false, "middle_name": null, "foreign_id": "19",
    "foreign_id_type": "msg-opendental-DataSource-35", "requested_access": false,
    "waitlisted_at": {}, "inst_ids": [], "prov_ids": [], "config": {}, "unsubscribe_emails": false,
    "last_import_id": "e872caee-8e2a-40dd-a403-ca7099040b8d", "invalid_email": [],
    "inactive": true, "last_sync": null, "last_sync_time": "2020-08-12T19:25:17.591Z",
    "unsubscribe_sms": false}"""


def at(hour: int, minute: int = 0, second: int = 0, micro: int = 0, *, off: float = 0) -> datetime:
    zone = datetime.fromisoformat("2020-08-12T00:00:00+00:00").astimezone(UTC).tzinfo
    made = datetime(2020, 8, 12, hour, minute, second, micro, tzinfo=zone)
    return made - timedelta(hours=off)


def decode(model: type[T], **fields: object) -> tuple[T, tuple[str, ...]]:
    return CODEC.decode(model, json.dumps({"id": 1, **fields}).encode())


def refusal(model: type[Record], data: object) -> UndecodableRecordError:
    with pytest.raises(UndecodableRecordError) as caught:
        CODEC.decode(model, json.dumps(data).encode())
    return caught.value


def test_the_published_sample_decodes_and_reports_its_repairs() -> None:
    patient, repairs = CODEC.decode(Patient, GETTING_STARTED)
    assert repairs == ("waitlisted_at",)
    assert patient.id == 143776
    assert patient.waitlisted_at is None
    assert patient.inst_ids == []
    assert patient.config == {}
    assert patient.last_sync_time == datetime(2020, 8, 12, 19, 25, 17, 591_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "field", "sent", "read"),
    [
        (Patient, "waitlisted_at", {}, None),
        (Patient, "waitlisted_at", "", None),
        (Patient, "waitlisted_at", " ", None),
        (Patient, "waitlisted_at", "tomorrow", None),
        (Patient, "waitlisted_at", "2020-13-45T00:00:00Z", None),
        (Patient, "waitlisted_at", 1597260317, None),
        (Appointment, "cancelled_at", {}, None),
        (Patient, "email", 5, "5"),
        (Patient, "email", 62.10, "62.1"),
        (Patient, "email", {}, None),
        (InsurancePlan, "employer_name", 5, "5"),
        (Patient, "guarantor_id", "472", 472),
        (Patient, "guarantor_id", " 472 ", 472),
        (Patient, "guarantor_id", 472.0, 472),
        (Patient, "guarantor_id", {}, None),
        (Patient, "guarantor_id", "", None),
        (Patient, "inactive", "true", True),
        (Patient, "inactive", "False", False),
        (Patient, "inactive", 1, True),
        (Patient, "inactive", 0, False),
        (Patient, "bio", "", None),
        (Patient, "provider", {}, None),
        (Patient, "bio", [], None),
        (Patient, "provider", "", None),
        (Patient, "provider", [], None),
        (Patient, "email", [], None),
        (Patient, "guarantor_id", [], None),
        (Appointment, "misc", "", None),
        (Appointment, "misc", [], None),
        (Institution, "emrs", "dentrix", ("dentrix",)),
        (Institution, "emrs", "", ()),
        (Patient, "location_ids", {}, None),
        (Patient, "location_ids", "", None),
        (Patient, "location_ids", 3, (3,)),
        (Patient, "location_ids", "3", (3,)),
        (Patient, "location_ids", 3.0, (3,)),
        (Charge, "claim_ids", 2222, (2222,)),
        (Patient, "waitlisted_at", ["x"], None),
        (Patient, "waitlisted_at", {"a": 1}, None),
        (Patient, "waitlisted_at", True, None),
        (Location, "latitude", "40.5", 40.5),
        (Location, "latitude", {}, None),
        (Charge, "charged_at", "2026-01-28T00:00:00Z", date(2026, 1, 28)),
        (Charge, "charged_at", "01/28/2026", None),
        (Charge, "charged_at", "0000-00-00", None),
        (Charge, "charged_at", {}, None),
        (Charge, "procedure_id", 34.0, 34),
    ],
)
def test_a_repairable_value_is_repaired_and_reported(
    model: type[Record], field: str, sent: object, read: object
) -> None:
    made, repairs = decode(model, **{field: sent})
    assert getattr(made, field) == read
    assert type(getattr(made, field)) is type(read)
    assert repairs == (field,)


@pytest.mark.parametrize(
    ("sent", "read", "reported"),
    [
        ("2020-08-12 19:25:17 UTC", at(19, 25, 17), False),
        ("2020-08-12 19:25:17 +0000", at(19, 25, 17), False),
        ("2020-08-12T19:25:17-4:00", at(19, 25, 17, off=-4), False),
        ("2020-08-12T19:25:17-0700", at(19, 25, 17, off=-7), False),
        ("2020-08-12T19:25:17.5+05:30", at(19, 25, 17, 500_000, off=5.5), False),
        ("2020-08-12T19:25:17-07", at(19, 25, 17, off=-7), False),
        ("2020-08-12T19:25Z", at(19, 25), False),
        ("2020-08-12T19:25:17,25Z", at(19, 25, 17, 250_000), False),
        ("2020-08-12T15:11:282Z", at(15, 11, 28, 200_000), True),
        ("2020-08-12", at(0), True),
        ("2020-08-12T19:25:17", at(19, 25, 17), True),
        ("2020-08-12 19:25:17", at(19, 25, 17), True),
    ],
)
@pytest.mark.parametrize("field", ["updated_at", "cancelled_at"])
def test_an_unusual_timestamp_is_read_and_reported_only_if_it_is_ambiguous(
    *, sent: str, read: datetime, reported: bool, field: str
) -> None:
    made, repairs = decode(Appointment, **{field: sent})
    found = getattr(made, field)
    assert found == read
    assert found.tzinfo is not None
    assert repairs == ((field,) if reported else ())


def test_an_unusual_offset_is_kept() -> None:
    made, _ = decode(Appointment, updated_at="2020-08-12T19:25:17-4:00")
    assert made.updated_at is not None
    assert made.updated_at.utcoffset() == timedelta(hours=-4)


@pytest.mark.parametrize(
    ("model", "field"),
    [(Appointment, "cancelled_at"), (Charge, "deleted_at"), (PatientAlert, "disabled_at")],
)
@pytest.mark.parametrize(
    "sent", ["tomorrow", "2020-13-45T00:00:00Z", 1597260317, True, "", " ", []]
)
def test_an_unreadable_essential_timestamp_is_an_error(
    model: type[Record], field: str, sent: object
) -> None:
    error = refusal(model, {"id": 9, field: sent})
    assert (error.record_id, error.path, error.expected) == (9, field, "a date-time")


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (Patient, "inactive"),
        (Patient, "unsubscribe_sms"),
        (Appointment, "confirmed"),
        (Appointment, "patient_missed"),
        (Appointment, "checked_out"),
        (AppointmentDescriptor, "active"),
    ],
)
@pytest.mark.parametrize("sent", [{}, [], "", " "])
def test_an_empty_flag_is_none_and_reported(model: type[Record], field: str, sent: object) -> None:
    made, repairs = decode(model, **{field: sent})
    assert getattr(made, field) is None
    assert repairs == (field,)


@pytest.mark.parametrize("field", ["cancelled", "canceled", "deleted"])
@pytest.mark.parametrize("sent", [{}, [], "", "maybe"])
def test_an_unreadable_essential_flag_is_an_error(field: str, sent: object) -> None:
    error = refusal(Appointment, {"id": 9, field: sent})
    assert (error.record_id, error.path, error.expected) == (9, field, "true or false")


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


OLD_FIELDS = [
    *("account_activated", "config", "contact_email", "display_name", "doctor_name", "inst_ids"),
    *("invalid_email", "last_check_in", "last_import_id", "last_sync", "last_visit", "meta_type"),
    *("npi", "pcp_id", "profile_url", "prov_ids", "requested_access", "unsubscribe_emails"),
]


@given(st.sampled_from(OLD_FIELDS), _ANY_JSON.filter(lambda value: "inf" not in repr(value)))
def test_a_field_known_only_from_old_samples_is_kept_unchanged(field: str, value: object) -> None:
    made, repairs = decode(Patient, **{field: value})
    assert getattr(made, field) == json.loads(json.dumps(value))
    assert repairs == ()


def test_the_scheduling_guides_sample_decodes() -> None:
    patient, repairs = decode(
        Patient, inst_ids=[[1, 2]], prov_ids=[[504]], invalid_email=[[""]], last_sync=True
    )
    assert (patient.inst_ids, patient.prov_ids) == ([[1, 2]], [[504]])
    assert (patient.invalid_email, patient.last_sync) == ([[""]], True)
    assert repairs == ()


@pytest.mark.parametrize(("sent", "read"), [(9001, 9001), ("A9-1", "A9-1"), ("12", "12")])
def test_a_descriptor_id_is_a_number_or_text(sent: int | str, read: int | str) -> None:
    made, repairs = CODEC.decode(AppointmentDescriptor, json.dumps({"id": sent}).encode())
    assert made.id == read
    assert repairs == ()


@pytest.mark.parametrize(
    ("model", "fields", "path", "expected"),
    [
        (Patient, {"bio": [1]}, "bio", "an object"),
        (Patient, {"bio": "x"}, "bio", "an object"),
        (Patient, {"bio": 7}, "bio", "an object"),
        (Appointment, {"misc": [1]}, "misc", "an object"),
        (Patient, {"email": {"a": 1}}, "email", "text"),
        (Patient, {"email": ["a"]}, "email", "text"),
        (Patient, {"email": True}, "email", "text"),
        (Patient, {"inactive": "no"}, "inactive", "true or false"),
        (Patient, {"inactive": 2}, "inactive", "true or false"),
        (Patient, {"inactive": "1"}, "inactive", "true or false"),
        (Patient, {"inactive": {"a": 1}}, "inactive", "true or false"),
        (Patient, {"inactive": [False]}, "inactive", "true or false"),
        (Patient, {"inactive": 1.0}, "inactive", "true or false"),
        (Patient, {"guarantor_id": 4.5}, "guarantor_id", "a whole number"),
        (Patient, {"guarantor_id": "4.5"}, "guarantor_id", "a whole number"),
        (Patient, {"guarantor_id": "x"}, "guarantor_id", "a whole number"),
        (Patient, {"guarantor_id": True}, "guarantor_id", "a whole number"),
        (Patient, {"guarantor_id": "9" * 5000}, "guarantor_id", "a whole number"),
        (Patient, {"location_ids": True}, "location_ids", "a list"),
        (Patient, {"location_ids": "x"}, "location_ids", "a whole number"),
        (Patient, {"location_ids": {"a": 1}}, "location_ids", "a list"),
        (Patient, {"location_ids": [1, "x"]}, "location_ids[1]", "a whole number"),
        (Patient, {"last_sync_time": ["x"]}, "last_sync_time", "a date-time"),
        (Patient, {"last_sync_time": {"a": 1}}, "last_sync_time", "a date-time"),
        (Institution, {"emrs": 5}, "emrs", "a list"),
        (Patient, {"balance": {}}, "balance", "an amount of money"),
        (Patient, {"balance": []}, "balance", "an amount of money"),
        (Patient, {"balance": ""}, "balance.amount", "an amount of money"),
        (Patient, {"balance": {"amount": ""}}, "balance.amount", "an amount of money"),
        (Patient, {"balance": {"amount": {}}}, "balance.amount", "an amount of money"),
        (Patient, {"bio": {"date_of_birth": [1]}}, "bio.date_of_birth", "a date"),
        (Patient, {"bio": {"date_of_birth": True}}, "bio.date_of_birth", "a date"),
        (Patient, {"balance": {"amount": "NaN"}}, "balance.amount", "an amount of money"),
        (Patient, {"balance": {"amount": "-Infinity"}}, "balance.amount", "an amount of money"),
        (Patient, {"balance": {"amount": "12 dollars"}}, "balance.amount", "an amount of money"),
        (Patient, {"balance": {"amount": True}}, "balance.amount", "an amount of money"),
        (Patient, {"balance": [1]}, "balance", "an amount of money"),
        (Patient, {"balance": True}, "balance", "an amount of money"),
        (Patient, {"provider": {"name": "x"}}, "provider.id", "a whole number"),
        (
            Patient,
            {"upcoming_appts": [{"id": 1}, {"id": 2, "confirmed": "?"}]},
            "upcoming_appts[1].confirmed",
            "true or false",
        ),
        (Location, {"latitude": "north"}, "latitude", "a number"),
        (Location, {"latitude": True}, "latitude", "a number"),
        (Procedure, {"body_site": {"tooth": {"a": 1}}}, "body_site.tooth", "a list"),
    ],
)
def test_an_irreparable_value_is_refused_with_its_path(
    model: type[Record], fields: dict[str, object], path: str, expected: str
) -> None:
    error = refusal(model, {"id": 77, **fields})
    assert (error.model, error.record_id) == (model.__name__, 77)
    assert (error.path, error.expected) == (path, expected)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"id": None},
        {"id": "x"},
        {"id": True},
        {"id": 1.5},
        {"id": [1]},
        {"id": {}},
        {"name": "x"},
    ],
)
def test_a_record_without_a_readable_id_is_refused(record: object) -> None:
    error = refusal(Patient, record)
    assert (error.record_id, error.path, error.expected) == (None, "id", "a whole number")


@pytest.mark.parametrize("data", [b"[]", b"null", b'"x"', b"7", b"true"])
def test_a_record_that_is_not_an_object_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableRecordError) as caught:
        CODEC.decode(SlotGroup, data)
    assert (caught.value.record_id, caught.value.path) == (None, "")
    assert caught.value.expected == "an object"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"id":1} x',
        b'{"id":1,"x":NaN}',
        b'{"id":1,"email":"\xff"}',
        b'{"id":1,"email":"\\ud800"}',
        b'{"id":1,"guarantor_id":1e99999999999999999999}',
        b"<html>",
    ],
)
def test_invalid_json_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableRecordError) as caught:
        CODEC.decode(Patient, data)
    assert (caught.value.expected, caught.value.path) == ("JSON", "")


def test_a_malformed_unknown_field_has_no_effect() -> None:
    assert CODEC.decode(Patient, b'{"id":1,"unheard_of":"\xff"}') == (Patient(id=1), ())


def test_a_readable_id_of_another_type_names_the_refused_record() -> None:
    assert refusal(Patient, {"id": "12", "bio": [1]}).record_id == 12
    assert decode(Patient, id="12") == (Patient(id=12), ("id",))
    assert decode(Patient, id=12.0) == (Patient(id=12), ("id",))


@pytest.mark.parametrize("field", ["guarantor", "config", "unheard_of"])
def test_extreme_nesting_is_refused_without_exhausting_the_stack(field: str) -> None:
    depth = 20_000
    data = b'{"id":1,"%s":' % field.encode() * depth + b"{}" + b"}" * depth
    with pytest.raises(UndecodableRecordError) as caught:
        CODEC.decode(Patient, data)
    assert caught.value.expected == "fewer nested levels"
    nested: dict[str, object] = {"id": 1}
    for _ in range(sys.getrecursionlimit()):
        nested = {"id": 1, "guarantor": nested}
    with pytest.raises(UndecodableRecordError) as caught:
        CODEC.structure_record(Patient, nested)
    assert (caught.value.expected, caught.value.record_id) == ("fewer nested levels", 1)


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ('"62.10"', "62.10"),
        ("62.1", "62.1"),
        ("0.1", "0.1"),
        ("-5", "-5"),
        ("1e2", "1E+2"),
        ("123456789012345678.99", "123456789012345678.99"),
    ],
)
def test_money_is_exact_from_text_and_from_numbers(sent: str, amount: str) -> None:
    data = f'{{"id":1,"balance":{{"amount":{sent},"currency":"USD"}}}}'
    made, repairs = CODEC.decode(Patient, data.encode())
    assert made.balance == Money(amount=Decimal(amount), currency="USD")
    assert made.balance is not None
    assert str(made.balance.amount) == amount
    assert repairs == ()


@pytest.mark.parametrize(
    ("sent", "money", "repair"),
    [
        ("12.50", "12.50", "balance.currency"),
        (12.5, "12.5", "balance.currency"),
        ({"amount": "12.50"}, "12.50", "balance.currency"),
        ({"amount": "12.50", "currency": {}}, "12.50", "balance.currency"),
        ({"amount": None, "currency": "USD"}, None, "balance"),
    ],
)
def test_a_missing_currency_is_not_invented(sent: object, money: str | None, repair: str) -> None:
    made, repairs = decode(Patient, balance=sent)
    assert made.balance == (money and Money(amount=Decimal(money), currency=""))
    assert repairs == (repair,)


def test_a_float_from_a_parsed_record_is_the_number_that_was_written() -> None:
    made, _ = CODEC.structure_record(
        Patient, {"id": 1, "balance": {"amount": 62.1, "currency": "USD"}}
    )
    assert made.balance is not None
    assert made.balance.amount == Decimal("62.1")


def test_money_cannot_be_made_from_text_without_a_number() -> None:
    for amount in ("NaN", "Infinity", "sNaN"):
        with pytest.raises(ValueError, match="finite"):
            Money(amount=Decimal(amount), currency="USD")


def test_the_paths_of_repairs_contain_objects_and_lists() -> None:
    made, repairs = decode(
        Patient,
        bio={"date_of_birth": {}, "city": 5},
        upcoming_appts=[
            {"id": 1, "start_time": "x"},
            {"id": "2"},
            {},
            None,
            {"id": 3, "confirmed": 1},
        ],
        guarantor={"id": 4, "children": [{"id": 5, "bio": {"new_patient": "true"}}]},
        location_ids=[1, "2", None],
    )
    assert repairs == (
        "bio.date_of_birth",
        "bio.city",
        "upcoming_appts[0].start_time",
        "upcoming_appts[1].id",
        "upcoming_appts[2]",
        "upcoming_appts[3]",
        "upcoming_appts[4].confirmed",
        "guarantor.children[0].bio.new_patient",
        "location_ids[1]",
        "location_ids[2]",
    )
    assert made.bio == PatientBio(city="5")
    assert made.upcoming_appts is not None
    assert [appt.id for appt in made.upcoming_appts] == [1, 2, 3]
    assert made.location_ids == (1, 2)


def test_a_date_without_leading_zeros_is_unambiguous() -> None:
    made, repairs = decode(Patient, bio={"date_of_birth": "1978-1-5"})
    assert made.bio == PatientBio(date_of_birth=date(1978, 1, 5))
    assert repairs == ()


def test_parsed_records_may_hold_dates_already() -> None:
    made, repairs = CODEC.structure_record(
        Appointment,
        {
            "id": 1,
            "start_time": at(9),
            "end_time": at(9).replace(tzinfo=None),
            "created_at": date(2020, 8, 12),
        },
    )
    assert (made.start_time, made.end_time, made.created_at) == (at(9), at(9), at(0))
    assert repairs == ("end_time", "created_at")


@pytest.mark.parametrize(
    ("model", "record"),
    [
        (Patient, {"id": 1, "email": {"x": SENTINEL}}),
        (Patient, {"id": 1, "bio": {"date_of_birth": [SENTINEL]}}),
        (Patient, {"id": SENTINEL}),
        (Patient, {"id": 1, "guarantor_id": SENTINEL}),
        (Appointment, {"id": 1, "cancelled_at": SENTINEL}),
        (Patient, {"id": 1, "balance": {"amount": SENTINEL, "currency": "USD"}}),
        (Patient, {"id": 1, "children": [{"id": 2, "inactive": SENTINEL}]}),
    ],
)
def test_errors_do_not_contain_the_value(model: type[Record], record: object) -> None:
    caught = UndecodableRecordError(model="", path="", expected="")
    try:
        json.loads(SENTINEL)
    except ValueError:
        try:
            CODEC.decode(model, json.dumps(record).encode())
        except UndecodableRecordError as error:
            caught = error
    assert caught.model == model.__name__
    assert caught.__cause__ is None
    assert caught.__context__ is None
    assert SENTINEL not in "".join(traceback.format_exception(caught))
    assert SENTINEL not in repr(vars(caught))


def test_errors_about_invalid_bytes_do_not_contain_the_body() -> None:
    with pytest.raises(UndecodableRecordError) as caught:
        CODEC.decode(Patient, b'{"id":1,"name":"' + SENTINEL.encode() + b'\xff"}')
    assert caught.value.__context__ is None
    assert SENTINEL not in "".join(traceback.format_exception(caught.value))


@given(
    st.sampled_from([attribute.name for attribute in attrs.fields(Patient)]),
    _ANY_JSON,
)
def test_any_value_of_a_field_is_read_or_refused_without_a_crash(field: str, value: object) -> None:
    try:
        made, repairs = CODEC.structure_record(Patient, {"id": 1, field: value})
    except UndecodableRecordError as error:
        assert error.path == field or error.path.startswith((f"{field}.", f"{field}["))  # noqa: PT017
    else:
        assert isinstance(made, Patient)
        assert all(path.startswith(field) for path in repairs)


def test_threads_share_a_codec_but_not_their_repairs() -> None:
    codec = Codec()

    def work(number: int) -> tuple[Patient, tuple[str, ...]]:
        extra = f',"bio":{{"city":{number}}}' if number % 2 else ""
        return codec.decode(Patient, f'{{"id":{number}{extra}}}'.encode())

    with ThreadPoolExecutor(8) as pool:
        for number, (made, repairs) in enumerate(pool.map(work, range(400))):
            assert made.id == number
            assert repairs == (("bio.city",) if number % 2 else ())
