"""Requests on the wire: query, path, body, headers; and invalid arguments."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async._protocol.operations import (
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async._protocol.requests import (
    PlannedCall,
    check_base_url,
    check_subdomain,
    plan,
    raw_call,
    spec_for,
    version_headers,
    version_name,
)
from nexhealth_async.errors import InvalidArgumentError, MissingScopeError, NotInVersionError
from nexhealth_async.resources import (
    appointment_categories,
    appointment_types,
    appointments,
    available_slots,
    institutions,
    locations,
    patients,
    procedures,
    providers,
    sync_status,
)

SENTINEL = "Zephyrine-Q-Canary"


class SizeEnum(IntEnum):
    LARGE = 3


class MixedEnum(int, Enum):
    LARGE = 3


class WordEnum(StrEnum):
    ADA = "ada"


class ZoneWithoutOffset(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return None


def call(
    endpoint: Endpoint[object],
    *ids: int | str,
    version: str = "v2",
    subdomain: str | None = "demo-practice",
    location_id: int | None = 7,
    **arguments: object,
) -> PlannedCall:
    return plan(
        endpoint,
        version,
        ids=ids,
        subdomain=subdomain,
        location_id=location_id,
        arguments=arguments,
    )


def target(made: PlannedCall, *extra: tuple[str, str]) -> str:
    return made.request(*extra, headers={}).target


def sent(made: PlannedCall, *extra: tuple[str, str]) -> list[tuple[str, str]]:
    return parse_qsl(
        urlsplit(target(made, *extra)).query, keep_blank_values=True, strict_parsing=True
    )


def body(made: PlannedCall) -> object:
    assert made.body is not None
    return json.loads(made.body)


# The query

TEXT = st.text(min_size=1).filter(lambda text: bool(text.strip()))


@settings(max_examples=80, deadline=None)
@given(TEXT)
def test_any_text_survives_the_round_trip(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(InvalidArgumentError):
            call(patients.LIST, name=text)
        return
    made = call(patients.LIST, name=text)
    assert ("name", text) in sent(made)
    assert target(made).isascii()
    assert not set(target(made)) & set(" +#<>\"'\\^`{|}\r\n\t\0")


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(TEXT, TEXT | st.lists(TEXT, min_size=1, max_size=3), max_size=4))
def test_any_parameters_of_a_free_call_survive_the_round_trip(
    params: dict[str, str | list[str]],
) -> None:
    expected: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, list):
            expected += [(f"{name.removesuffix('[]')}[]", item) for item in value]
        else:
            expected.append((name, value))
    try:
        json.dumps(expected, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        with pytest.raises(InvalidArgumentError):
            raw_call("GET", "/patients", params=params)
        return
    made = raw_call("GET", "/patients", params=params)
    assert (sent(made) if expected else []) == expected


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=5))
def test_several_values_repeat_the_bracketed_name(ids: list[int]) -> None:
    made = call(providers.LIST, ids=ids)
    assert [pair for pair in sent(made) if pair[0] == "ids[]"] == [("ids[]", str(n)) for n in ids]


@settings(max_examples=80, deadline=None)
@given(st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=5)))))
def test_a_plus_is_always_encoded(moment: datetime) -> None:
    made = call(patients.LIST, updated_since=moment)
    assert "+" not in target(made)
    assert ("updated_since", moment.isoformat()) in sent(made)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (2**63, "9223372036854775808"),
        (SizeEnum.LARGE, "3"),
        (MixedEnum.LARGE, "3"),
        (WordEnum.ADA, "ada"),
        (2.5, "2.5"),
        (Decimal("2.50"), "2.50"),
        (date(2026, 2, 3), "2026-02-03"),
        (datetime(2026, 2, 3, 4, 5, tzinfo=UTC), "2026-02-03T04:05:00+00:00"),
        ("2026-02-03T04:05:00+0000", "2026-02-03T04:05:00+0000"),
        (" a&b=c ", " a&b=c "),
    ],
    ids=repr,
)
def test_values_are_encoded_as_the_api_reads_them(value: object, text: str) -> None:
    assert ("name", text) in sent(call(patients.LIST, name=value))
    assert sent(raw_call("GET", "/x", params={"name": value})) == [("name", text)]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "\ud800",
        b"ada",
        object(),
        {"a": 1},
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        datetime(2026, 2, 3),  # noqa: DTZ001 - without a zone, which is the case
        datetime(2026, 2, 3, tzinfo=ZoneWithoutOffset()),
        timedelta(1),
        (n for n in range(3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_the_api_would_misread_are_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError):
        call(patients.LIST, name=value)
    with pytest.raises(InvalidArgumentError):
        call(providers.LIST, ids=[1, value])
    with pytest.raises(InvalidArgumentError):
        raw_call("GET", "/x", params={"name": value})


@pytest.mark.parametrize("empty", [[], (), set[int](), range(0)], ids=repr)
def test_an_empty_list_is_refused_since_it_would_match_everything(empty: object) -> None:
    with pytest.raises(InvalidArgumentError, match="empty"):
        call(providers.LIST, ids=empty)
    with pytest.raises(InvalidArgumentError, match="empty"):
        raw_call("GET", "/providers", params={"ids": empty})


def test_none_is_not_sent() -> None:
    assert sent(call(patients.LIST, new_patient=None, email=None)) == [
        ("subdomain", "demo-practice"),
        ("location_id", "7"),
    ]
    assert sent(raw_call("GET", "/x", params={"a": None, "b": 1})) == [("b", "1")]


def test_a_single_value_filter_refuses_a_list() -> None:
    with pytest.raises(InvalidArgumentError, match="one value"):
        call(patients.LIST, email=["ada@example.com"])


def test_v2_names_are_sent_to_v2() -> None:
    when = date(2026, 2, 3)
    made = call(appointments.LIST, start=when, end=when, patient_ids=[5])
    assert ("patient_id", "5") in sent(made)
    assert ("updated_after", "2026-02-03") in sent(call(procedures.LIST, updated_since=when))
    with pytest.raises(NotInVersionError, match="one id"):
        call(appointments.LIST, start=when, end=when, patient_ids=[5, 6])


def test_page_parameters_follow_the_others() -> None:
    made = call(patients.LIST, name="ada")
    pairs = sent(made, ("page", "2"), ("per_page", "300"))
    assert pairs[-2:] == [("page", "2"), ("per_page", "300")]
    assert pairs[:-2] == sent(made)
    assert made.sent_filters == {"subdomain", "name", "location_id"}
    assert call(providers.LIST, ids=[1]).sent_filters >= {"ids"}


def test_a_required_filter_must_be_given() -> None:
    with pytest.raises(InvalidArgumentError, match="start is required"):
        call(appointments.LIST, end=date(2026, 2, 3))


# Scope


@pytest.mark.parametrize(
    ("made", "pairs"),
    [
        (call(providers.LIST), [("subdomain", "demo-practice"), ("location_id", "7")]),
        (call(providers.LIST, location_id=None), [("subdomain", "demo-practice")]),
        (
            plan(providers.LIST, "v2", subdomain="a", location_id=1, arguments={"location_id": 2}),
            [("subdomain", "a"), ("location_id", "2")],
        ),
        (
            plan(providers.LIST, "v2", subdomain="a", arguments={"subdomain": "b"}),
            [("subdomain", "b")],
        ),
        (call(locations.LIST, subdomain=None), []),
        (call(sync_status.LIST), [("subdomain", "demo-practice"), ("location_ids[]", "7")]),
        (
            call(available_slots.LIST, start_date=date(2026, 2, 3), days=2, pids=[3]),
            [
                ("subdomain", "demo-practice"),
                ("start_date", "2026-02-03"),
                ("days", "2"),
                ("pids[]", "3"),
                ("lids[]", "7"),
            ],
        ),
        (call(institutions.LIST), []),
    ],
    ids=["both", "practice", "own place", "own practice", "account", "several", "slots", "none"],
)
def test_the_scope_is_added_where_the_row_takes_it(
    made: PlannedCall, pairs: list[tuple[str, str]]
) -> None:
    assert sorted(sent(made) if pairs else made.query) == sorted(pairs)


def test_a_missing_scope_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(MissingScopeError, match="practice"):
        call(patients.LIST, subdomain=None)
    with pytest.raises(MissingScopeError, match="location"):
        call(patients.LIST, location_id=None)


def test_a_missing_location_for_a_filter_is_named() -> None:
    bound = plan(
        providers.LIST, "v2", subdomain="s", location_id=3, arguments={"requestable": True}
    )
    assert ("location_id", "3") in bound.query
    with pytest.raises(MissingScopeError, match="location"):
        plan(providers.LIST, "v2", subdomain="s", arguments={"requestable": True})


def test_two_locations_at_once_are_refused() -> None:
    arguments = {"start_date": date(2026, 2, 3), "days": 1, "lids": [1], "location_id": 2}
    with pytest.raises(InvalidArgumentError, match="not both"):
        plan(available_slots.LIST, "v2", subdomain="a", arguments=arguments)


def test_an_unexpected_practice_is_not_dropped_silently() -> None:
    with pytest.raises(TypeError, match="subdomain"):
        plan(institutions.LIST, "v2", arguments={"subdomain": "demo-practice"})


def test_an_unknown_argument_is_a_type_error_without_the_value() -> None:
    with pytest.raises(TypeError, match="colour") as caught:
        call(patients.LIST, colour=SENTINEL)
    assert SENTINEL not in str(caught.value)


# Versions

BOTH: Endpoint[object] = Endpoint(
    resource="things",
    verb="walk",
    model=None,
    v2=OperationSpec(method="GET", path="/old", filters=("common", "old_only")),
    v3=OperationSpec(
        method="GET", path="/new", paging=Paging.CURSOR, filters=("common", "new_only[]")
    ),
)


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("v2", "/old"),
        ("v2.2.2", "/old"),
        ("v3.0.0", "/new"),
        ("v3.1.0", "/new"),
        ("v20240412", "/new"),
    ],
)
def test_the_error_names_the_version_that_has_the_filter(version: str, path: str) -> None:
    assert spec_for(BOTH, version).path == path
    own, other = ("old_only", "new_only") if path == "/old" else ("new_only", "old_only")
    plan(BOTH, version, subdomain="demo", arguments={own: 1})
    with pytest.raises(NotInVersionError, match=other):
        plan(BOTH, version, subdomain="demo", arguments={other: 1})


def test_an_operation_of_the_other_version_is_refused_with_the_reason() -> None:
    with pytest.raises(NotInVersionError, match='version="v2"'):
        spec_for(appointment_categories.LIST, "v3.0.0")


@pytest.mark.parametrize(
    ("version", "header"),
    [("v2", "v2"), ("v3", "v3.0.0"), ("v3.1.0", "v3.1.0"), ("v20240412", "v20240412")],
)
def test_versions_by_name(version: str, header: str) -> None:
    assert version_name(version) == header
    headers = version_headers(header)
    assert headers["Nex-Api-Version"] == header
    old = "application/vnd.Nexhealth+json;version=2"
    assert headers["Accept"] == (old if version == "v2" else "application/json, */*;q=0.1")


@pytest.mark.parametrize("version", ["", "3", "V3", "v3.", "v3\n", "v3 ", "v٣", "latest", "v3.x"])
def test_an_unknown_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidArgumentError):
        version_name(version)


# Addresses and subdomains


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://nexhealth.info", "https://nexhealth.info"),
        ("https://nexhealth.info/", "https://nexhealth.info"),
        ("https://proxy.example.com:8443/nex/", "https://proxy.example.com:8443/nex"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://127.255.249.10", "http://127.255.249.10"),
        ("https://xn--strae-oqa.example", "https://xn--strae-oqa.example"),
        ("http://[::1]:8000/api", "http://[::1]:8000/api"),
    ],
)
def test_safe_base_urls_are_accepted(url: str, kept: str) -> None:
    assert check_base_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nexhealth.info",
        "http://nexhealth.info",
        "http://localhost.example.com",
        "http://localhost:80@example.com",
        "http://127.0.0.1.example.com",
        "http://127.999.1.1",
        "http://127.0.0.256",
        "http://127.0.0.01",
        "http://127.0.0",
        "http://127.0.0.\u0661",
        "https://stra\u00dfe.example",
        "https://nexhealth.info/\u00e9",
        "http://127.0.0.1/?a=b",
        "http://127.0.0.1/#a",
        "https://user:pass@nexhealth.info",
        "https://nexhealth.info?a=b",
        "https://nexhealth.info#a",
        "https://nexhealth.info/ a",
        "ftp://nexhealth.info",
    ],
)
def test_unsafe_base_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError):
        check_base_url(url)


def test_a_non_ascii_host_is_refused_with_advice() -> None:
    with pytest.raises(InvalidArgumentError, match="punycode"):
        check_base_url("https://stra\u00dfe.example")


def test_plain_http_to_other_machines_must_be_allowed_explicitly() -> None:
    with pytest.raises(InvalidArgumentError, match="allow_http=True"):
        check_base_url("http://sandbox:8000")
    assert check_base_url("http://sandbox:8000/", allow_http=True) == "http://sandbox:8000"
    assert check_base_url("https://api.example", allow_http=True) == "https://api.example"
    for url in ("http://user@sandbox", "http://sandbox?x=1", "ftp://sandbox", "http://"):
        with pytest.raises(InvalidArgumentError):
            check_base_url(url, allow_http=True)


@pytest.mark.parametrize(
    "subdomain",
    [
        "",
        " ",
        "Demo",
        "demo practice",
        " demo",
        "demo\t",
        "demo\n",
        "demo.example.com",
        "a/b",
        "a?b",
        "a&b",
        "a#b",
        "a\x00b",
        "a\ud800b",
    ],
    ids=repr,
)
def test_an_invalid_subdomain_is_refused(subdomain: str) -> None:
    with pytest.raises(InvalidArgumentError):
        check_subdomain(subdomain)
    with pytest.raises(InvalidArgumentError):
        call(patients.LIST, subdomain=subdomain)


@pytest.mark.parametrize("subdomain", ["demo", "demo-practice", "demo_2", "2nd"])
def test_a_valid_subdomain_is_accepted(subdomain: str) -> None:
    assert check_subdomain(subdomain) == subdomain


# Paths


@settings(max_examples=80, deadline=None)
@given(TEXT.filter(lambda text: text.strip(". ") != ""))
def test_any_identifier_stays_one_path_segment(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    path = call(patients.GET, text).path
    _, resource, part = path.split("/")
    assert resource == "patients"
    assert unquote(part) == text


@pytest.mark.parametrize("id", ["", " ", ".", "..", " .. ", None, True, 1.5, "\ud800"], ids=repr)
def test_an_invalid_identifier_is_refused(id: object) -> None:
    with pytest.raises(InvalidArgumentError):
        plan(patients.GET, "v2", ids=[id], subdomain="demo", arguments={})  # type: ignore[list-item]  # the case


@pytest.mark.parametrize("ids", [(), (1, 2)])
def test_the_number_of_identifiers_matches_the_template(ids: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match="takes 1 ids"):
        call(patients.GET, *ids)


# Bodies


def test_a_body_is_wrapped_except_for_its_top_level_fields() -> None:
    made = call(
        patients.CREATE,
        provider_id=7,
        first_name="Ada",
        email=None,
        bio={"date_of_birth": date(1990, 1, 2), "balance": Decimal("1.50")},
    )
    assert made.body is not None
    assert b'"balance":1.50' in made.body
    assert body(made) == {
        "provider": {"provider_id": 7},
        "patient": {
            "first_name": "Ada",
            "email": None,
            "bio": {"date_of_birth": "1990-01-02", "balance": 1.5},
        },
    }
    headers = made.request(headers={"Accept": "x"}).headers
    assert headers == {"Accept": "x", "Content-Type": "application/json"}


def test_the_scopes_location_is_put_into_the_body_where_required() -> None:
    made = call(appointment_types.CREATE, name="Cleaning")
    assert body(made) == {"location_id": 7, "appointment_type": {"name": "Cleaning"}}
    assert sent(made) == [("subdomain", "demo-practice")]


def endless() -> list[object]:
    inside: list[object] = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    "value",
    [
        SENTINEL + "\ud800",
        {SENTINEL + "\ud800": 1},
        {None: SENTINEL},
        {(1, SENTINEL): 2},
        float("nan"),
        Decimal("NaN"),
        Decimal("Infinity"),
        [float("inf")],
        {"at": datetime(2026, 2, 3)},  # noqa: DTZ001 - without a zone, which is the case
        [datetime(2026, 2, 3, tzinfo=ZoneWithoutOffset())],
        object,
        lambda: SENTINEL,
        endless(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_unserializable_body_is_refused_without_being_shown(value: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        call(patients.CREATE, first_name=value)
    assert SENTINEL not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    with pytest.raises(InvalidArgumentError) as caught:
        raw_call("POST", "/patients", params={}, json=value)
    assert SENTINEL not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@settings(max_examples=80, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_a_body_is_sent_unchanged_or_refused(value: object) -> None:
    try:
        made = raw_call("POST", "/x", params={}, json=value)
    except InvalidArgumentError:
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()
        return
    assert (None if made.body is None else json.loads(made.body)) == value


# Free calls


@pytest.mark.parametrize(
    ("method", "path", "operation", "rate", "safe"),
    [
        ("get", "/patients", "GET /patients", RateClass.PEOPLE, True),
        ("GET", "/patients/5/alerts", "GET /patients/{id}/alerts", RateClass.PEOPLE, True),
        ("GET", "/patients/ada@example.com", "GET /patients/{id}", RateClass.PEOPLE, True),
        ("GET", "/patients/Ada", "GET /patients/{id}", RateClass.PEOPLE, True),
        ("GET", "/appointments", "GET /appointments", RateClass.SLOW, True),
        ("GET", "/available_slots", "GET /available_slots", RateClass.SLOW, True),
        ("POST", "/appointments", "POST /appointments", RateClass.PEOPLE, False),
        ("PATCH", "/appointments/5", "PATCH /appointments/{id}", RateClass.PEOPLE, False),
        ("DELETE", "/recalls/5", "DELETE /recalls/{id}", RateClass.OTHER, True),
        ("GET", "/", "GET /", RateClass.OTHER, True),
    ],
)
def test_a_free_call_counts_in_its_rate_class_and_is_named_without_values(
    method: str, path: str, operation: str, rate: RateClass, *, safe: bool
) -> None:
    made = raw_call(method, path, params={})
    assert made.operation == operation
    assert made.spec.rate is rate
    assert made.spec.safe is safe
    assert made.spec.subdomain is ScopeNeed.NONE
    assert made.request(headers={}).fresh_connection is not safe


def test_a_path_that_is_encoded_is_not_encoded_twice() -> None:
    assert raw_call("GET", "/x/a%2Fb", params={}).path == "/x/a%2Fb"
    assert raw_call("GET", "/x/é", params={}).path == "/x/%C3%A9"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "patients",
        "//example.com",
        "https://example.com",
        "/a?b=c",
        "/a#b",
        "/a/../b",
        "/a/%2e%2E/b",
        "/a b",
        "/a\r\nb",
        "/a%",
        "/a%zz",
        "/a\\b",
        "/a\n",
    ],
    ids=repr,
)
def test_an_invalid_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError):
        raw_call("GET", path, params={})


def test_an_overlong_path_is_refused() -> None:
    assert len(raw_call("GET", "/" + "a" * 3_999, params={}).path) == 4_000
    for long in (4_000, 1_000_000):
        with pytest.raises(InvalidArgumentError, match="exceed 4,000"):
            raw_call("GET", "/" + "a" * long, params={})


def test_an_invalid_verb_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        raw_call("CONNECT", "/x", params={})


def test_safety_can_be_chosen() -> None:
    assert raw_call("POST", "/x", params={}, safe=True).spec.safe
    assert not raw_call("DELETE", "/x", params={}, safe=False).spec.safe


# Privacy


def test_reprs_show_no_arguments() -> None:
    made = call(patients.LIST, name=SENTINEL, email=SENTINEL)
    assert SENTINEL not in repr(made)
    assert SENTINEL not in repr(made.request(headers={"Authorization": SENTINEL}))
    assert SENTINEL not in repr(call(patients.GET, SENTINEL))
    written = call(patients.CREATE, first_name=SENTINEL, provider_id=1)
    assert SENTINEL not in repr(written)
    assert SENTINEL not in repr(written.request(headers={}))
