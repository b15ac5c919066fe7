"""Every event of the catalogues is read, in every observed shape, without loss."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async import Codec, InvalidArgumentError, InvalidWebhookError, models
from nexhealth_async.models import Appointment, Patient, PatientBio, SyncStatus
from nexhealth_async.webhooks import (
    EVENTS as CATALOGUE,
)
from nexhealth_async.webhooks import (
    MAX_BODY_BYTES,
    Event,
    parse,
    receive,
    sign,
    unreadable_event,
)
from tests.webhooks.payloads import EVENTS, OUTCOMES, delivery, sample

SENTINEL = "Zaphquill"


def outcomes(event: str) -> tuple[str | None, ...]:
    if event.endswith("_insertion"):
        return ("complete", "failed", "timed_out", "incomplete")
    return OUTCOMES.get(event, (None,))


CASES = [
    pytest.param(kind, event, outcome, id=f"{event}.{outcome}" if outcome else event)
    for kind, (_, _, events) in EVENTS.items()
    for event in events
    for outcome in outcomes(event)
]


def plural(name: str) -> str:
    return name + ("es" if name.endswith("s") else "s")


@pytest.mark.parametrize(("kind", "event", "outcome"), CASES)
def test_every_event_of_the_catalogues_is_read_in_every_shape(
    kind: str, event: str, outcome: str | None
) -> None:
    model_name, key, _ = EVENTS[kind]
    record = sample(model_name)
    model: Any = getattr(models, model_name, None)
    expected = Codec().decode(model, msgspec.json.encode(record))[0] if model else record
    shapes: dict[str, Any] = {
        "singular": {key: record},
        "plural": {plural(key): [record, record]},
        "bare": record,
        "list": [record],
    }
    name = f"{event}.{outcome}" if outcome else event
    snake = key if kind != "PatientInsuranceCoverage" else "patient_insurance_coverage"
    for shape, data in shapes.items():
        for spelled in (kind, snake, None, "Unheard"):
            found = parse(delivery(name, data, resource_type=spelled))
            assert found.records == (expected,) * (2 if shape == "plural" else 1), shape
            assert (found.event, found.outcome, found.name) == (event, outcome, name)
            assert found.resource_type == kind
            assert found.is_known
            assert not found.faults
            assert (found.subdomain, found.institution_id) == ("demo-practice", 19089)
            assert found.event_time == datetime(2026, 1, 28, 14, tzinfo=UTC)
            assert found.raw["data"] == data


def test_the_librarys_catalogue_matches_the_pages() -> None:
    assert {kind: set(names) for kind, names in CATALOGUE.items()} == {
        kind: set(events) for kind, (_, _, events) in EVENTS.items()
    }


SHAPES_SEEN = {
    "an appointment as written": ("appointment_insertion.complete", "Appointment", "appt"),
    "a patient as v2 writes": ("patient_created", "Patient", "user"),
    "a coverage by its short name": (
        "patient_insurance_created",
        "InsuranceCoverage",
        "insurance_coverage",
    ),
    "under a name nobody knows": ("appointment_updated", "Appointment", "visit"),
}


@pytest.mark.parametrize(("event", "model", "key"), SHAPES_SEEN.values(), ids=SHAPES_SEEN)
def test_other_names_inside_data_are_read(event: str, model: str, key: str) -> None:
    record = sample(model)
    for data in (record, [record]):
        found = parse(delivery(event, {key: data}))
        assert found.of(getattr(models, model)) == found.records
        assert len(found.records) == 1


def test_an_appointment_with_an_included_patient_is_not_a_patient() -> None:
    record = {**sample("Appointment"), "patient": sample("Patient")}
    bare, wrapped = (
        parse(delivery("appointment_updated", data)) for data in (record, {"appointment": record})
    )
    assert bare.records == wrapped.records
    (appointment,) = bare.of(Appointment)
    assert appointment.patient is not None
    assert bare.of(Patient) == ()


def test_unknown_events_are_kept_with_all_their_data() -> None:
    body = delivery(
        "chair_polished.twice",
        {"chair": {"id": 5, "shine": 0.75}},
        resource_type="Chair",
        seen_by=["a"],
    )
    found = parse(body)
    assert (found.resource_type, found.event, found.outcome) == ("Chair", "chair_polished", "twice")
    assert found.records == ({"id": 5, "shine": 0.75},)
    assert not found.is_known
    assert found.raw["seen_by"] == ["a"]
    assert found.body == body


def test_new_events_of_a_known_resource_are_typed() -> None:
    found = parse(delivery("appointment_teleported", {"appointment": sample("Appointment")}))
    assert len(found.of(Appointment)) == 1


def test_events_without_a_resource_type_of_their_own_are_known() -> None:
    found = parse(
        delivery("medical_history_patient_items_updated", [{"id": 1}], resource_type="Whatever")
    )
    assert found.is_known
    assert (found.resource_type, found.records) == ("Whatever", ({"id": 1},))


NOTHING: list[Any] = [None, {}, [], "", 0, False, {"appointment": None}, {"appointments": []}]


@pytest.mark.parametrize("data", NOTHING, ids=repr)
def test_an_event_without_records_is_an_event(data: Any) -> None:
    assert parse(delivery("appointment_created", data)).of(Appointment) == ()


def test_only_the_name_of_an_event_is_required() -> None:
    found = parse(b'{"event_name":"appointment_created"}')
    assert found == Event(
        resource_type="Appointment",
        event="appointment_created",
        key=found.key,
        body=b'{"event_name":"appointment_created"}',
    )


def test_small_errors_are_repaired_and_listed() -> None:
    records: list[dict[str, Any]] = [
        sample("Appointment"),
        {**sample("Appointment"), "id": "8", "start_time": {}},
    ]
    found = parse(delivery("appointment_created", {"appointments": records}, institution_id="7"))
    assert found.repairs == ("[1].id", "[1].start_time")
    assert [one.id for one in found.of(Appointment)] == [1232026135, 8]
    assert found.institution_id == 7


def test_an_unreadable_record_loses_neither_the_event_nor_the_others() -> None:
    broken = {**sample("Appointment"), "id": 9, "cancelled_at": SENTINEL, "note": SENTINEL}
    found = parse(delivery("appointment_created", [sample("Appointment"), broken, 5]))
    assert [one.id for one in found.of(Appointment)] == [1232026135]
    assert found.records[1] == broken
    assert [fault.path for fault in found.faults] == ["cancelled_at", ""]
    assert found.faults[0].record_id == 9
    assert all(fault.__traceback__ is None is fault.__context__ for fault in found.faults)
    assert SENTINEL not in f"{found!r} {found.faults!r}"


def here(_value: object, _type: object) -> PatientBio:
    return PatientBio(city="HERE")


def test_a_codec_with_the_users_hooks_is_used() -> None:
    codec = Codec()
    codec.register_structure_hook(PatientBio, here)
    found = parse(delivery("patient_created", {"patient": sample("Patient")}), codec=codec)
    assert found.of(Patient)[0].bio == PatientBio(city="HERE")


PREVIOUS: dict[str, Any] = {
    "beside data": ({}, {"previous_attributes": {"note": "old"}}),
    "in data": ({"previous_attributes": {"note": "old"}}, {}),
}


@pytest.mark.parametrize(("inside", "beside"), PREVIOUS.values(), ids=PREVIOUS)
def test_previous_attributes_are_found(inside: dict[str, Any], beside: dict[str, Any]) -> None:
    data = {"appointment": sample("Appointment"), **inside}
    found = parse(delivery("appointment_updated.failed", data, **beside))
    assert found.previous_attributes == {"note": "old"}
    assert len(found.of(Appointment)) == 1
    within = {"appointment": {**sample("Appointment"), "previous_attributes": {"note": "old"}}}
    assert parse(delivery("appointment_updated", within)).previous_attributes == {"note": "old"}
    assert parse(delivery("appointment_updated", {})).previous_attributes is None


def test_delivery_errors_are_kept_unchanged() -> None:
    assert parse(delivery("x", {}, delivery_errors=["a", {"b": 1}])).delivery_errors == (
        "a",
        {"b": 1},
    )
    assert parse(delivery("x", {}, delivery_errors="a")).delivery_errors == ("a",)
    assert parse(delivery("x", {}, delivery_errors=None)).delivery_errors == ()


TIMES: list[tuple[Any, datetime | None]] = [
    ("2026-01-28T14:00:00Z", datetime(2026, 1, 28, 14, tzinfo=UTC)),
    ("2026-01-28 14:00:00 UTC", datetime(2026, 1, 28, 14, tzinfo=UTC)),
    ("2026-01-28T09:00:00-0500", datetime(2026, 1, 28, 14, tzinfo=UTC)),
    ("soon", None),
    (None, None),
    ({}, None),
    ([1], None),
]


@pytest.mark.parametrize(("sent", "read"), TIMES, ids=repr)
def test_the_time_of_an_event_is_read_if_possible(sent: Any, read: datetime | None) -> None:
    assert parse(delivery("appointment_created", {}, event_time=sent)).event_time == read


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "text": SENTINEL.encode(),
    "cut short": delivery("appointment_created", {"appointment": sample("Appointment")})[:-5],
    "a list": b"[]",
    "null": b"null",
    "no name": b'{"resource_type":"Appointment","data":{}}',
    "a name that is no text": b'{"event_name":7}',
    "an empty name": b'{"event_name":""}',
    "an endless name": b'{"event_name":"' + b"a" * 201 + b'"}',
    "no UTF-8": b'{"event_name":"' + SENTINEL.encode() + b'\xff"}',
    "too deep": b'{"event_name":"x","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "too large": b'{"event_name":"x","data":"' + b"x" * MAX_BODY_BYTES + b'"}',
    "too many": b'{"event_name":"patient_created","data":[' + b"{}," * 1000 + b"{}]}",
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_by_one_error_without_its_content(body: bytes) -> None:
    with pytest.raises(InvalidWebhookError) as refused:
        parse(body)
    shown = "".join(traceback.format_exception(refused.value))
    assert SENTINEL not in shown
    assert refused.value.__cause__ is None is refused.value.__context__
    with pytest.raises(InvalidWebhookError):
        receive("secret", sign("secret", body, "2026-01-01T00:00:00Z"), body)
    found = unreadable_event(body)
    assert (found.event, found.records, found.body) == ("", (), body)
    assert found.key == unreadable_event(body).key
    assert not found.is_known
    assert SENTINEL not in repr(found)


def test_the_maximum_body_size_can_be_chosen() -> None:
    body = delivery("appointment_created", {})
    assert parse(body, max_bytes=len(body)).event == "appointment_created"
    with pytest.raises(InvalidWebhookError, match="bytes"):
        parse(body, max_bytes=len(body) - 1)


def test_text_instead_of_bytes_is_a_programming_error() -> None:
    text: Any = '{"event_name":"x"}'
    with pytest.raises(InvalidArgumentError, match="raw bytes"):
        parse(text)


class SignatureComputed(Exception):
    """Record that the signature of a body was computed."""


def test_a_body_that_is_too_large_is_refused_before_it_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def new(*_: object) -> None:
        raise SignatureComputed

    monkeypatch.setattr("nexhealth_async.webhooks.signature.hmac.new", new)
    for size, expected in (
        (MAX_BODY_BYTES + 1, InvalidWebhookError),
        (MAX_BODY_BYTES, SignatureComputed),
    ):
        body = b"x" * size
        headers = {"timestamp": "2026-01-01T00:00:00Z", "signature": "0" * 64}
        for form in (body, bytearray(body), memoryview(body)):
            with pytest.raises(expected):
                receive("secret", headers, form)


TESTS: dict[str, tuple[dict[str, str], dict[str, Any], bool]] = {
    "body and header": ({"Nex-Webhook-Test": "true"}, {"test": True}, True),
    "the body alone": ({}, {"test": True}, True),
    "the header alone": ({"nex-webhook-test": "1"}, {}, True),
    "neither": ({}, {}, False),
    "a body that says no": ({"Nex-Webhook-Test": "false"}, {"test": False}, False),
    "a body that says something else": ({}, {"test": "maybe"}, False),
}


@pytest.mark.parametrize(("headers", "members", "expected"), TESTS.values(), ids=TESTS)
def test_a_test_delivery_is_distinguished_from_a_real_one(
    headers: dict[str, str], members: dict[str, Any], *, expected: bool
) -> None:
    body = delivery("appointment_created", {"appointment": sample("Appointment")}, **members)
    signed = {**headers, **sign("secret", body, datetime.now(UTC))}
    event = receive("secret", signed, body)
    assert event is not None
    assert event.is_test is expected
    assert len(event.of(Appointment)) == 1


def test_receive_verifies_and_reads() -> None:
    body = delivery("appointment_created", {"appointment": sample("Appointment")})
    found = receive("secret", sign("secret", body, datetime.now(UTC)), body)
    assert found == parse(body)


@pytest.mark.parametrize("name", [SENTINEL, f"appointment_created.{SENTINEL}"])
def test_reprs_show_no_personal_data(name: str) -> None:
    record = {**sample("Patient"), "name": SENTINEL}
    data = {"patient": record, "previous_attributes": {"name": SENTINEL}}
    found = parse(
        delivery(name, data, subdomain=SENTINEL, resource_type=SENTINEL, delivery_errors=[SENTINEL])
    )
    assert SENTINEL not in repr(found)
    assert SENTINEL not in str(dict(found.__rich_repr__()))
    assert found.key in repr(found)
    assert found.records


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)
members = st.sampled_from(
    ["resource_type", "event_name", "event_time", "subdomain", "institution_id", "data"]
)
known = st.sampled_from([event for events in CATALOGUE.values() for event in events])


def named(rest: dict[str, Any], name: Any) -> bytes:
    return msgspec.json.encode({**rest, "event_name": name})


bodies = st.binary(max_size=300) | st.builds(named, st.dictionaries(members, json), known | json)


@given(body=bodies)
def test_any_input_is_an_event_or_refused(body: bytes) -> None:
    try:
        found = parse(body)
    except InvalidWebhookError:
        found = unreadable_event(body)
    assert found.key
    assert hash(found) is not None
    assert repr(found)


def test_events_are_hashable() -> None:
    body = delivery("chair_polished", {"id": 1})
    assert len({parse(body), parse(body)}) == 1
    assert attrs.evolve(parse(body), records=()) != parse(body)


def test_records_without_an_id_are_read_where_the_api_has_none() -> None:
    zone = timezone(timedelta(hours=-5))
    data = {
        "institution_id": 3,
        "read_status": "red",
        "read_status_at": "2026-01-28T09:00:00-05:00",
    }
    (status,) = parse(delivery("sync_status_read_change.red", data)).of(SyncStatus)
    assert status.read_status == "red"
    assert status.read_status_at == datetime(2026, 1, 28, 9, tzinfo=zone)
