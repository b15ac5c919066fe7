"""Every observed envelope is read, and any other raises only our own errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async._protocol.envelopes import (
    ParsedBody,
    read_data,
    read_empty,
    read_list,
    read_record,
    read_token,
)
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.operations import LOGIN, Endpoint, OperationSpec
from nexhealth_async.errors import (
    APIError,
    FirewallBlockedError,
    InvalidRequestError,
    MalformedBodyError,
    NexHealthError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    UnexpectedStructureError,
)
from nexhealth_async.resources import (
    appointment_descriptors,
    appointment_types,
    appointments,
    locations,
    patients,
)

Reader: TypeAlias = Callable[[Response, OperationSpec], object]

SENTINEL = "Zephyrine-Q-Canary"


def v2(endpoint: Endpoint[object]) -> OperationSpec:
    assert endpoint.v2 is not None
    return endpoint.v2


PATIENTS, PATIENT, MADE = v2(patients.LIST), v2(patients.GET), v2(patients.CREATE)
BOOKED, LOCATIONS, TYPES = v2(appointments.CREATE), v2(locations.LIST), v2(appointment_types.LIST)
GONE = v2(appointment_types.DELETE)
READERS: tuple[tuple[Reader, OperationSpec], ...] = (
    (read_list, PATIENTS),
    (read_list, LOCATIONS),
    (read_record, PATIENT),
    (read_record, MADE),
    (read_empty, GONE),
    (read_data, PATIENT),
    (read_token, LOGIN),
)


def reply(body: object, status: int = 200) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, body=raw)


def envelope(data: object = None, **more: object) -> dict[str, object]:
    return {"code": True, "description": None, "error": None, "data": data, **more}


# What has been seen


@pytest.mark.parametrize(
    ("row", "data"),
    [
        (PATIENTS, {"patients": [{"id": 1}, {"id": 2}]}),
        (PATIENTS, [{"id": 1}, {"id": 2}]),
        (PATIENTS, [{"patients": [{"id": 1}, {"id": 2}]}]),
        (PATIENTS, [{"patients": [{"id": 1}]}, {"patients": [{"id": 2}]}]),
        (v2(appointments.LIST), [{"id": 1}, {"id": 2}]),
        (v2(appointments.LIST), {"appointments": [{"id": 1}, {"id": 2}]}),
        (
            v2(appointment_descriptors.LIST_OF_TYPE),
            {"appointment_descriptors": [{"id": 1}, {"id": 2}]},
        ),
        (LOCATIONS, [{"id": 9, "locations": [{"id": 1}]}, {"id": 8, "locations": [{"id": 2}]}]),
    ],
    ids=[
        *("nested", "plain", "nested in a list", "nested in several"),
        *("plain too", "under its resource", "under its path", "in groups"),
    ],
)
def test_a_list_is_found_in_every_known_position(row: OperationSpec, data: object) -> None:
    page = read_list(reply(envelope(data, count=105)), row)
    assert [json.loads(bytes(record))["id"] for record in page.records] == [1, 2]
    assert page.count == 105


def test_locations_get_their_institution() -> None:
    group = {"id": 9, "name": "Demo", "subdomain": "demo-practice", "locations": [{"id": 1}]}
    page = read_list(reply(envelope([group])), LOCATIONS)
    assert json.loads(bytes(page.records[0])) == {
        "id": 1,
        "institution_id": 9,
        "institution_name": "Demo",
        "subdomain": "demo-practice",
    }


def test_a_malformed_location_is_left_to_the_decoder() -> None:
    page = read_list(reply(envelope([{"id": 9, "locations": [5, {"id": 1}]}])), LOCATIONS)
    assert bytes(page.records[0]) == b"5"


@pytest.mark.parametrize(
    ("row", "data"),
    [
        (PATIENT, {"id": 7}),
        (PATIENT, {"user": {"id": 7}}),
        (PATIENT, {"patient": {"id": 7}}),
        (MADE, {"user": {"id": 7}}),
        (MADE, {"id": 7, "user": {"id": 8}}),
        (BOOKED, {"appt": {"id": 7}, "stripe_client_secret": None}),
        (BOOKED, {"id": 7}),
        (v2(appointments.GET), {"id": 7}),
    ],
)
def test_a_record_is_found_in_every_known_position(row: OperationSpec, data: object) -> None:
    record = read_record(reply(envelope(data, count=None)), row).record
    assert record is not None
    assert json.loads(bytes(record))["id"] == 7


@pytest.mark.parametrize(
    "error",
    [None, [], "", " ", [[]], [""], {}, [None]],
    ids=repr,
)
@pytest.mark.parametrize(
    "description",
    [None, [], "Appointment created", "Authenticated", [["Description"]], ["Description"], {}],
    ids=repr,
)
def test_an_empty_error_and_a_description_are_not_warnings(
    error: object, description: object
) -> None:
    page = read_list(reply(envelope([], error=error, description=description, count=0)), PATIENTS)
    assert page.warnings == ()
    assert page.ignored == frozenset()


@pytest.mark.parametrize(
    "error",
    ["beware", ["beware"], [["beware"]], [[["beware"]]], {"base": ["beware"]}, [None, "beware"]],
    ids=repr,
)
def test_an_error_in_a_success_is_a_warning(error: object) -> None:
    page = read_list(reply(envelope([{"id": 1}], error=error, count=1)), PATIENTS)
    assert page.warnings == ("beware",)
    assert len(page.records) == 1


SENTENCE = "Note that following parameters are ignored: per_page, include[]."


@pytest.mark.parametrize("where", ["description", "error"])
@pytest.mark.parametrize("shape", [SENTENCE, [SENTENCE], [[SENTENCE]]], ids=["text", "list", "2"])
def test_ignored_parameters_are_read_in_both_positions(where: str, shape: object) -> None:
    body = {**envelope([{"id": 1}]), where: shape}
    for reading in (read_list(reply(body), TYPES), read_data(reply(body), TYPES)):
        assert isinstance(reading, ParsedBody)
        assert reading.ignored == {"per_page", "include"}
        assert reading.warnings == (SENTENCE,)


def test_a_very_long_warning_is_truncated_and_none_is_omitted() -> None:
    said = ["x" * 5_000] + [f"w{n}" for n in range(300)]
    warnings = read_list(reply(envelope([], error=said)), PATIENTS).warnings
    assert len(warnings) == 301
    assert len(warnings[0]) == 1_000


@pytest.mark.parametrize(
    ("count", "read"),
    [
        ("105", 105),
        ("0", 0),
        ("-0", 0),
        ("105.0", 105),
        ('"105"', 105),
        ("9223372036854775807", 2**63 - 1),
        ("null", None),
        ("-1", None),
        ("true", None),
        ("1.5", None),
        ('""', None),
        ('"many"', None),
        ('"-5"', None),
        ('"' + "9" * 30 + '"', None),
        ("[]", None),
        ("9223372036854775808", None),
        ("1e30", None),
        ("1e400", None),
        ("9" * 5_000, None),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_valid_count_is_read(count: str, read: int | None) -> None:
    body = b'{"code":true,"data":[{"id":1}],"count":' + count.encode() + b"}"
    assert read_list(reply(body), PATIENTS).count == read
    assert read_data(reply(body), PATIENTS).count == read


def test_a_missing_count_is_none() -> None:
    assert read_list(reply({"data": []}), PATIENTS).count is None


@pytest.mark.parametrize("info", ["null", "[]", "5", '"x"', '{"end_cursor":1e400}'])
def test_unreadable_page_info_is_none(info: str) -> None:
    body = b'{"code":true,"data":[],"page_info":' + info.encode() + b"}"
    assert read_list(reply(body), PATIENTS).page_info is None


def test_page_info_is_returned() -> None:
    info = {"has_next_page": True, "end_cursor": "abc"}
    assert read_list(reply(envelope([], page_info=info)), PATIENTS).page_info == info


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_is_valid_where_no_data_are_expected(status: int, body: bytes) -> None:
    assert read_empty(reply(body, status), GONE).record is None
    assert read_data(reply(body, status), GONE).data is None


def test_of_duplicate_keys_the_last_counts() -> None:
    body = b'{"code":false,"data":[1],"code":true,"data":[{"id":1},{"id":2}],"count":9,"count":2}'
    page = read_list(reply(body), PATIENTS)
    assert (len(page.records), page.count) == (2, 2)


# What fails


@pytest.mark.parametrize("status", [200, 201, 400, 422])
@pytest.mark.parametrize("error", [["no"], "no", [["no"]], {"base": ["no"]}], ids=repr)
def test_code_false_is_an_error_for_every_status(status: int, error: object) -> None:
    body = {"code": False, "description": None, "data": None, "error": error}
    for read, row in READERS:
        with pytest.raises(InvalidRequestError) as caught:
            read(reply(body, status), row)
        assert caught.value.texts == ("no",)
        assert caught.value.status == status


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 399])
def test_a_redirect_is_an_error(status: int) -> None:
    for read, row in READERS:
        with pytest.raises(UnexpectedStructureError, match="redirect"):
            read(reply(envelope([]), status), row)


LONE = rb"\ud83d"


def test_a_lone_surrogate_loses_no_other_record_and_is_reported() -> None:
    body = b'{"data":[{"id":1,"name":"A"},{"id":2,"name":"B%b","bio":{"city":"%b"}}]}'
    reading = read_list(reply(body % (LONE, LONE)), PATIENTS)
    assert [msgspec.json.decode(record) for record in reading.records] == [
        {"id": 1, "name": "A"},
        {"id": 2, "name": "B\ufffd", "bio": {"city": "\ufffd"}},
    ]
    assert reading.repairs == {1: ("name", "bio.city")}


def test_a_replacement_character_in_the_response_is_not_a_repair() -> None:
    body = rb'{"data":[{"id":1,"name":"\ufffd"},{"id":2,"name":"\ud83d"}]}'
    reading = read_list(reply(body), PATIENTS)
    assert reading.repairs == {1: ("name",)}


def test_an_id_with_a_lone_surrogate_is_null_since_two_could_be_equal() -> None:
    body = rb'{"data":[{"id":"a\ud83d","name":"A"},{"id":"a\ud83e","name":"B"}]}'
    reading = read_list(reply(body), PATIENTS)
    assert [msgspec.json.decode(record)["id"] for record in reading.records] == [None, None]
    assert reading.repairs == {0: ("id",), 1: ("id",)}


def test_a_cursor_with_a_lone_surrogate_is_none() -> None:
    body = rb'{"data":[{"id":1}],"page_info":{"has_next_page":true,"end_cursor":"\ud83d"}}'
    assert read_list(reply(body), PATIENTS).page_info is None


def test_an_institutions_name_with_a_lone_surrogate_is_repaired_in_each_location() -> None:
    body = rb'{"data":[{"id":5,"name":"\ud83d","locations":[{"id":1},{"id":2}]}]}'
    reading = read_list(reply(body), LOCATIONS)
    assert reading.repairs == {0: ("institution_name",), 1: ("institution_name",)}


def test_a_single_record_and_free_data_are_read_despite_a_lone_surrogate() -> None:
    answer = reply(rb'{"data":{"id":1,"name":"\ud83d"}}')
    record = read_record(answer, PATIENT).record
    assert record is not None
    assert msgspec.json.decode(record) == {"id": 1, "name": "\ufffd"}
    assert read_data(answer, PATIENT).data == {"id": 1, "name": "\ufffd"}


def test_an_error_response_keeps_its_sentences_despite_a_lone_surrogate() -> None:
    body = rb'{"code":false,"error":["The slot is taken \ud83d"]}'
    with pytest.raises(InvalidRequestError) as caught:
        read_list(reply(body, 400), PATIENTS)
    assert caught.value.texts == ("The slot is taken \ufffd",)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<html>", "web page"),
        (b'{"code":true,"data":[{"id":1}', "truncated"),
        (b'{"code":true,"data":[NaN]}', "malformed"),
        (b"[]", "not in the API's form"),
        (b"OK", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 1_000_000, "malformed"),
        (b'{"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "malformed"),
        (b'{"data":{"a\xff":[1]}}', "malformed"),
    ],
    ids=lambda value: repr(value)[:32],
)
def test_a_broken_success_is_a_broken_body(body: bytes, says: str) -> None:
    with pytest.raises(MalformedBodyError, match=says) as caught:
        read_list(reply(body), PATIENTS)
    assert caught.value.status == 200
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "a decoder's error quotes the body"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, b"<html>blocked</html>", FirewallBlockedError),
        (403, b"error code: 1010", FirewallBlockedError),
        (403, b"", FirewallBlockedError),
        (403, b'{"code":false,"error":[1e400]}', PermissionDeniedError),
        (403, b'{"code":false,"error":["Access', PermissionDeniedError),
        (403, b' {"code":false', PermissionDeniedError),
        (403, b'"code"', FirewallBlockedError),
        (404, b"", NotFoundError),
        (500, b"<html>", ServerError),
        (502, b"", ServerError),
        (400, b'{"error":1e400}', InvalidRequestError),
        (400, b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}", InvalidRequestError),
    ],
    ids=lambda value: repr(value)[:32],
)
def test_an_error_response_with_an_unreadable_body_is_read_by_its_status(
    status: int, body: bytes, kind: type[APIError]
) -> None:
    for read, row in READERS:
        with pytest.raises(APIError) as caught:
            read(reply(body, status), row)
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("data", "count", "says"),
    [
        (None, None, "null"),
        (None, 3, "null"),
        ("x", None, "text"),
        (5, None, "number"),
        (True, None, "boolean"),
        ({"others": []}, None, "without the expected list"),
        ({"patients": {}}, None, "without the expected list"),
    ],
)
def test_a_malformed_list_is_not_an_empty_list(data: object, count: object, says: str) -> None:
    with pytest.raises(UnexpectedStructureError, match=says):
        read_list(reply(envelope(data, count=count)), PATIENTS)


def test_null_with_a_count_of_zero_is_an_empty_list() -> None:
    assert read_list(reply(envelope(None, count=0)), PATIENTS).records == ()


@pytest.mark.parametrize("group", [5, None, {"id": 9}, {"id": 9, "locations": {}}], ids=repr)
def test_a_group_without_its_list_is_an_error(group: object) -> None:
    with pytest.raises(UnexpectedStructureError, match="locations"):
        read_list(reply(envelope([group])), LOCATIONS)


@pytest.mark.parametrize("data", [[], [{"id": 1}], "x", 5], ids=repr)
def test_a_malformed_record_is_an_error(data: object) -> None:
    with pytest.raises(UnexpectedStructureError):
        read_record(reply(envelope(data)), PATIENT)


def test_null_is_not_found_for_a_lookup_and_unexpected_after_a_write() -> None:
    with pytest.raises(NotFoundError):
        read_record(reply(envelope(None)), PATIENT)
    with pytest.raises(UnexpectedStructureError):
        read_record(reply(envelope(None)), MADE)


def test_a_login_returns_its_token() -> None:
    body = {"code": True, "data": {"token": "aaa.bbb.c-_"}, "description": "Authenticated"}
    assert read_token(reply({**body, "error": []}, 201), LOGIN) == "aaa.bbb.c-_"


@pytest.mark.parametrize(
    "token",
    ["", " ", "a b", "a\nb", "a\r\nX: y", "a\x00b", "a\x1fb", "a\x7fb", "é", 5, None, ["a"], {}],
    ids=repr,
)
def test_a_token_that_no_header_can_hold_is_refused(token: object) -> None:
    with pytest.raises(UnexpectedStructureError, match="holds no token") as caught:
        read_token(reply(envelope({"token": token})), LOGIN)
    assert caught.value.status == 200


# Anything else

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", SENTENCE]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "patients", "locations", "token", "user"]) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = ["code", "description", "error", "data", "count", "page_info"]
ENVELOPES = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6)
STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 415, 422, 429, 500, 503])


def check_all(body: bytes, status: int) -> None:
    for read, row in READERS:
        try:
            read(reply(body, status), row)
        except NexHealthError as error:
            assert error.operation == row.operation  # noqa: PT017 - nothing at all may be raised too


@given(ENVELOPES | JSON, STATUSES)
@settings(max_examples=150, deadline=None)
def test_no_json_raises_a_foreign_error(body: object, status: int) -> None:
    check_all(json.dumps(body).encode(), status)


@given(st.binary(max_size=80), STATUSES)
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_a_foreign_error(body: bytes, status: int) -> None:
    check_all(body, status)


@given(ENVELOPES, st.data())
@settings(max_examples=150, deadline=None)
def test_no_malformed_envelope_raises_a_foreign_error(
    body: dict[str, object], data: st.DataObject
) -> None:
    whole = bytearray(json.dumps(body).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    check_all(bytes(whole), 200)


@pytest.mark.parametrize(
    "body",
    [
        {"code": False, "error": [f"A patient named {SENTINEL} is invalid"]},
        {"code": True, "data": SENTINEL},
        {"code": True, "data": {SENTINEL: 5}},
        {"code": True, "data": [{"id": 9, "name": SENTINEL}], "error": [SENTINEL]},
        [SENTINEL],
    ],
    ids=["refused", "text", "object", "group", "no envelope"],
)
@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500])
def test_no_message_or_repr_shows_the_body(body: object, status: int) -> None:
    for read, row in READERS:
        try:
            shown = repr(read(reply(body, status), row))
        except NexHealthError as error:
            shown = f"{error} {error!r} {error.__cause__}"
        assert SENTINEL not in shown
