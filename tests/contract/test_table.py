"""The table, the filters and the methods say the same, and it is what the API documents."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, Required, cast, get_args, get_origin

import pytest

from nexhealth_async import endpoints, filters, models, resources, scopes
from nexhealth_async.endpoints import ALL, Endpoint, Need, Paging, RateClass, Row
from nexhealth_async.resources import _checks
from nexhealth_async.resources._base import Noun

REFERENCE = Path(__file__).parents[2].parent / "shared/reference/v2-endpoints.json"

SCOPE = {"subdomain", "location_id"}
CREATING = {"create", "update"}


class Recorder:
    """A caller that notes which endpoint and identifiers it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Endpoint[object], Mapping[str, object], tuple[int | str, ...]]] = []
        self.bindings: list[tuple[str, int | None]] = []

    def walk(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], *ids: int | str
    ) -> Any:
        self.asked.append((endpoint, arguments, ids))

    async def call(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], *ids: int | str
    ) -> Any:
        self.asked.append((endpoint, arguments, ids))

    async def perform(
        self, endpoint: Endpoint[None], arguments: Mapping[str, object], *ids: int | str
    ) -> None:
        self.asked.append((endpoint, arguments, ids))

    def bound(self, *, subdomain: str, location_id: int | None = None) -> Recorder:
        self.bindings.append((subdomain, location_id))
        return self


class Everything(scopes.AccountNouns):
    """All nouns over a recorder."""

    def __init__(self, caller: Recorder) -> None:
        self._recorder = caller

    @property
    def _caller(self) -> Recorder:
        return self._recorder


def ignore(*_: object, **__: object) -> None:
    """Stand in for a rule that is tested elsewhere."""


def is_endpoint(value: object) -> bool:
    return isinstance(value, Endpoint)


def public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def methods_of(noun: Noun, name: str) -> dict[str, MethodType]:
    """The methods under a noun, and under the nouns nested in it, by dotted name."""
    found: dict[str, MethodType] = {}
    for member in public(type(noun)):
        value = getattr(noun, member)
        if isinstance(value, Noun):
            found |= methods_of(value, f"{name}.{member}")
        else:
            found[f"{name}.{member}"] = value
    return found


def nouns_of(kind: type) -> set[str]:
    return {name for name in public(kind) if isinstance(getattr(kind, name), property)}


RECORDER = Recorder()
SESSION = Everything(RECORDER)
METHODS = {
    dotted: method
    for name in nouns_of(scopes.AccountNouns)
    for dotted, method in methods_of(getattr(SESSION, name), name).items()
}
ROWS = [(endpoint, row) for endpoint in ALL for row in (endpoint.v2, endpoint.v3) if row]


def dotted_name(endpoint: Endpoint[object]) -> str:
    return f"{endpoint.resource}.{endpoint.verb}"


def function_of(endpoint: Endpoint[object]) -> FunctionType:
    return cast("FunctionType", METHODS[dotted_name(endpoint)].__func__)


def keywords(endpoint: Endpoint[object]) -> dict[str, Any]:
    """The method's keyword arguments, by the `TypedDict` it unpacks."""
    function = function_of(endpoint)
    for annotation in function.__annotations__.values():
        if match := re.fullmatch(r"Unpack\[(\w+)\]", str(annotation)):
            return dict(function.__globals__[match[1]].__annotations__)
    return {}


def required_keywords(endpoint: Endpoint[object]) -> set[str]:
    return {name for name, kind in keywords(endpoint).items() if get_origin(kind) is Required}


def scope_keys(row: Row) -> set[str]:
    keys = set[str]()
    if row.subdomain is not Need.NONE:
        keys.add("subdomain")
    if row.location is not Need.NONE:
        keys.add("location_id")
    return keys


def walk_options(row: Row) -> set[str]:
    match row.paging:
        case Paging.SINGLE:
            return set()
        case Paging.WHOLE:
            return set(filters.WholeOptions.__annotations__)
        case _:
            return set(filters.NumberedOptions.__annotations__)


def bare(names: tuple[str, ...]) -> set[str]:
    return {name.removesuffix("[]") for name in names}


each_endpoint = pytest.mark.parametrize("endpoint", ALL, ids=dotted_name)
each_row = pytest.mark.parametrize(
    ("endpoint", "row"), ROWS, ids=[dotted_name(endpoint) for endpoint, _ in ROWS]
)


# What the library says of itself


def test_every_endpoint_has_one_method_and_every_method_one_endpoint() -> None:
    named = [dotted_name(endpoint) for endpoint in ALL]
    assert len(named) == len(set(named))
    assert set(named) == set(METHODS)


def test_the_table_lists_every_endpoint_it_declares() -> None:
    declared = {id(value) for value in vars(endpoints).values() if is_endpoint(value)}
    assert declared == {id(endpoint) for endpoint in ALL}
    assert all(getattr(endpoints, name, None) is not None for name in endpoints.__all__)


@each_endpoint
async def test_a_method_calls_its_own_endpoint_with_its_identifiers(
    endpoint: Endpoint[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = function_of(endpoint)
    for name in _checks.__all__:
        if name in function.__globals__:
            monkeypatch.setitem(function.__globals__, name, ignore)
    row = endpoint.v2 or endpoint.v3
    assert row is not None
    ids = tuple(range(11, 11 + row.path.count("{")))
    arguments: dict[str, object] = {"unavailable": True} if endpoint.verb == "create" else {}
    RECORDER.asked.clear()
    answer = METHODS[dotted_name(endpoint)](*ids, **arguments)
    if inspect.isawaitable(answer):
        await answer
    [(asked, passed, given)] = RECORDER.asked
    assert asked is endpoint
    assert dict(passed) == arguments
    assert given == ids


@each_row
def test_the_keywords_are_the_rows_filters_scope_and_options(
    endpoint: Endpoint[object], row: Row
) -> None:
    expected = bare(row.filters) | scope_keys(row) | walk_options(row)
    if endpoint.verb in CREATING:
        assert expected <= set(keywords(endpoint))
    else:
        assert set(keywords(endpoint)) == expected


@each_row
def test_what_is_required_of_a_listing_is_required_by_the_row(
    endpoint: Endpoint[object], row: Row
) -> None:
    required = required_keywords(endpoint)
    assert not required & SCOPE
    if endpoint.verb not in CREATING:
        assert required == set(row.required)


@each_row
def test_keys_that_take_several_values_are_sequences(endpoint: Endpoint[object], row: Row) -> None:
    kinds = keywords(endpoint)
    for name in row.filters:
        is_sequence = "Sequence[" in str(kinds[name.removesuffix("[]")])
        assert is_sequence == name.endswith("[]"), name


@each_row
def test_filters_with_a_default_of_ours_can_be_left_to_the_server(
    endpoint: Endpoint[object], row: Row
) -> None:
    for name in row.defaults:
        assert type(None) in get_args(keywords(endpoint)[name]), name


@each_row
def test_a_docstring_names_the_verb_and_path(endpoint: Endpoint[object], row: Row) -> None:
    paragraphs = inspect.cleandoc(function_of(endpoint).__doc__ or "").split("\n\n")
    assert paragraphs[1] == f"``{row.operation}``"


@each_endpoint
def test_a_signature_spells_out_the_keywords(endpoint: Endpoint[object]) -> None:
    parameters = inspect.signature(METHODS[dotted_name(endpoint)]).parameters
    named = {p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
    required = {name for name in named if parameters[name].default is inspect.Parameter.empty}
    assert named == set(keywords(endpoint))
    assert required == required_keywords(endpoint)
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())


@each_endpoint
def test_the_model_exists_and_is_what_the_method_promises(endpoint: Endpoint[object]) -> None:
    promise = str(function_of(endpoint).__annotations__["return"])
    if endpoint.model is None:
        assert promise == "None"
    else:
        assert inspect.isclass(getattr(models, endpoint.model))
        wrapper = "Walk[m.{}]" if endpoint.verb == "walk" else "m.{}"
        assert promise == wrapper.format(endpoint.model)


@each_row
def test_unsafe_writes_say_how_to_find_out(endpoint: Endpoint[object], row: Row) -> None:
    if row.safe:
        assert not row.lookup
    else:
        assert re.fullmatch(r"[A-Z].+\.", row.lookup)
        assert "OutcomeUnknown" in (function_of(endpoint).__doc__ or "")


@each_row
def test_paging_verb_and_method_fit_together(endpoint: Endpoint[object], row: Row) -> None:
    assert (endpoint.verb == "walk") == (row.paging is not Paging.SINGLE)
    assert (row.max_per_page is not None) == (row.paging in {Paging.NUMBERED, Paging.CURSOR})
    methods = {"walk": "GET", "get": "GET", "create": "POST", "delete": "DELETE"}
    assert row.method == methods.get(endpoint.verb, "PATCH")


@each_row
def test_a_rows_maps_speak_of_its_own_filters(endpoint: Endpoint[object], row: Row) -> None:
    assert set(row.wire) <= {*row.filters, *bare(row.filters)}
    assert {*row.defaults, *row.required} <= bare(row.filters)
    assert row.wrap is not None or not row.beside
    assert set(row.beside) <= set(keywords(endpoint))


def test_every_key_has_a_docstring() -> None:
    """A bare string must follow each key of each dictionary of filters."""
    source = inspect.getsource(filters)
    keys = re.findall(r'^    (\w+): .+\n(?! {4}""")', source, re.MULTILINE)
    assert keys == []


def test_every_dictionary_is_used_or_nested() -> None:
    source = "".join(inspect.getsource(inspect.getmodule(kind) or kind) for kind in NOUN_CLASSES)
    home = f"{filters.__name__}."
    parts = [module for name, module in sys.modules.items() if name.startswith(home)]
    source += "".join(inspect.getsource(part) for part in parts)
    for name in filters.__all__:
        places = len(re.findall(rf"\b{name}\b", source))
        assert places > 2, f"{name} is defined and exported, and nothing uses it"


NOUN_CLASSES = [getattr(resources, name) for name in resources.__all__]


def test_every_noun_can_be_reached() -> None:
    found = {type(method.__self__) for method in METHODS.values()}
    assert found == set(NOUN_CLASSES)


def test_no_method_hides_a_builtin() -> None:
    assert all(not hasattr(kind, "list") for kind in NOUN_CLASSES)


# Scopes


@pytest.mark.parametrize(
    ("kind", "part"), [(scopes.PracticeScope, "subdomain"), (scopes.LocationScope, "location")]
)
def test_a_scope_offers_the_nouns_that_take_it(kind: type, part: str) -> None:
    takes = {
        endpoint.resource.split(".")[0]
        for endpoint, row in ROWS
        if getattr(row, part) is not Need.NONE
    }
    assert nouns_of(kind) == takes


def test_an_account_offers_all_nouns() -> None:
    assert nouns_of(scopes.AccountNouns) == {name.split(".")[0] for name in METHODS}


def test_a_scope_binds_its_practice_and_location() -> None:
    recorder = Recorder()
    office = Everything(recorder).practice("demo-practice").location(7)
    assert recorder.bindings == [("demo-practice", None), ("demo-practice", 7)]
    assert (office.subdomain, office.location_id) == ("demo-practice", 7)


def test_a_scope_shows_its_practice_and_location_and_nothing_else() -> None:
    practice = SESSION.practice("demo-practice")
    assert repr(practice) == "PracticeScope(subdomain='demo-practice')"
    office = practice.location(7)
    assert repr(office) == "LocationScope(subdomain='demo-practice', location_id=7)"


def test_scopes_of_one_session_compare_by_what_they_bind() -> None:
    practice = SESSION.practice("demo-practice")
    assert practice == SESSION.practice("demo-practice")
    assert practice != SESSION.practice("other-practice")
    assert practice != Everything(Recorder()).practice("demo-practice")
    assert len({practice.location(7), practice.location(7), practice.location(8)}) == 2


@pytest.mark.parametrize("subdomain", ["", " ", "Demo", "https://demo.example", "demo "])
def test_what_cannot_be_a_subdomain_is_refused_at_once(subdomain: str) -> None:
    with pytest.raises(ValueError, match="subdomain"):
        SESSION.practice(subdomain)


@pytest.mark.parametrize("location_id", [0, -1, True, "7", 7.0, None])
def test_what_cannot_be_a_location_is_refused_at_once(location_id: object) -> None:
    with pytest.raises(ValueError, match="location"):
        SESSION.practice("demo-practice").location(cast("int", location_id))


# The documentation of v2

ON_PURPOSE: dict[tuple[str, str], str] = {
    ("available_slots.walk", "required"): (
        "lids is bound by the scope; pids is marked uncertain, so pids or appointment_type_id"
    ),
    ("appointment_types.update", "body required"): "a change needs no name",
}
"""Differences kept on purpose, each with its reason."""

RATES = {
    "slow_read": RateClass.SLOW,
    "patients_appointments": RateClass.PEOPLE,
    "other": RateClass.OTHER,
}
NEEDS_LOCATION = {"subdomain+location_id": Need.REQUIRED, "subdomain + lids[]": Need.REQUIRED}
PAGE_KEYS = {"page", "per_page"}


@pytest.fixture(scope="module")
def documented() -> dict[tuple[str, str], dict[str, Any]]:
    """The published operations, by method and path."""
    if not REFERENCE.exists():
        pytest.skip("the reference lies beside the repository, and is not there")
    published = json.loads(REFERENCE.read_text())["endpoints"]
    return {(one["method"], one["path"]): one for one in published}


Documented = dict[tuple[str, str], dict[str, Any]]

each_v2 = pytest.mark.parametrize(
    ("endpoint", "row"),
    [(endpoint, endpoint.v2) for endpoint in ALL if endpoint.v2],
    ids=[dotted_name(endpoint) for endpoint in ALL if endpoint.v2],
)


def kept(endpoint: Endpoint[object], aspect: str) -> bool:
    return (dotted_name(endpoint), aspect) in ON_PURPOSE


@each_v2
def test_the_operation_is_documented(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    assert (row.method, row.path) in documented
    assert endpoint.resource


@each_v2
def test_the_parameters_are_the_documented_ones(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    params = documented[row.method, row.path]["params"]
    published = {one["name"] for one in params if one.get("in") != "path"} - PAGE_KEYS
    ours = {row.wire.get(name, name) for name in row.filters}
    for public_name, wire_name in row.wire.items():
        if public_name not in row.filters:
            ours = {name for name in ours if name.removesuffix("[]") != public_name} | {wire_name}
    if row.subdomain is not Need.NONE:
        ours.add("subdomain")
    if row.location is not Need.NONE and row.location_filter == "location_id":
        ours |= {"location_id"} - set(row.beside)
    assert ours == published, dotted_name(endpoint)


@each_v2
def test_required_parameters_are_the_documented_ones(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    params = documented[row.method, row.path]["params"]
    published = {p["name"] for p in params if p["required"] and p.get("in") != "path"}
    assert ("subdomain" in published) == (row.subdomain is Need.REQUIRED)
    assert (row.location_filter in bare(tuple(published))) == (row.location is Need.REQUIRED)
    if not kept(endpoint, "required"):
        wired = {row.wire.get(name, name) for name in row.required}
        assert wired == published - SCOPE


@each_v2
def test_paging_is_as_documented(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    entry = documented[row.method, row.path]
    assert entry["paginated"] == (row.paging is Paging.NUMBERED)
    for one in entry["params"]:
        if one["name"] == "per_page":
            assert row.max_per_page == one["max"], dotted_name(endpoint)


@each_v2
def test_the_rate_class_is_as_documented(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    name = documented[row.method, row.path]["rate_limit_class"].split(":")[0]
    assert kept(endpoint, "rate") or row.rate is RATES[name]


@each_v2
def test_the_documented_status_counts_as_success(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    status = int(str(documented[row.method, row.path]["success_status"]).split()[0])
    assert status in row.success, dotted_name(endpoint)


@each_v2
def test_the_payload_is_where_it_is_documented(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    path = documented[row.method, row.path]["data_path"]
    if endpoint.model is None:
        return
    match path:
        case "data":
            assert row.inner is None
        case "data[].locations":
            assert row.inner == "locations"
        case _:
            assert path.removeprefix("data.") in row.payload


@each_v2
def test_the_body_is_as_documented(
    documented: Documented, endpoint: Endpoint[object], row: Row
) -> None:
    body = documented[row.method, row.path]["body"]
    if body is None:
        assert row.wrap is None
        return
    names, required = published_fields(row, body)
    ours = set(keywords(endpoint)) - bare(row.filters) - (SCOPE - set(row.beside))
    assert ours == names
    if not kept(endpoint, "body required"):
        assert required_keywords(endpoint) == required - SCOPE


def published_fields(row: Row, body: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The names of a documented body, flat as we take them, and those that it requires."""
    assert row.wrap is not None
    inside = body[row.wrap]
    if isinstance(inside, str):
        listed = inside.split(" (")[0].split(",")
        return set(listed), set()
    kinds = {name: kind for name, kind in inside.items() if name != "required"}
    for name, path in row.beside.items():
        place: Any = body
        for key in path:
            place = place[key]
        kinds[name] = place
    return set(kinds), {name for name, kind in kinds.items() if is_required(kind)}


def is_required(kind: str | dict[str, Any]) -> bool:
    if isinstance(kind, dict):
        return bool(kind.get("required"))
    return "*" in kind.split(" ")[0]


def test_a_new_patients_particulars_are_the_documented_ones(documented: Documented) -> None:
    bio = documented["POST", "/patients"]["body"]["patient"]["bio"]
    published = {name.split("(")[0] for name in bio["properties"]}
    assert set(filters.NewPatientBio.__annotations__) == published
    assert set(bio["required"]) == filters.NewPatientBio.__required_keys__


LITERALS: dict[str, Any] = {
    "/locations": filters.SubscriptionFeature,
    "/operatories": filters.OperatoryInclude,
    "/providers": filters.ProviderInclude,
    "/patients": filters.PatientInclude,
    "/appointments": filters.AppointmentInclude,
    "/appointment_types": filters.AppointmentTypeInclude,
    "/availabilities": filters.WorkingHoursInclude,
    "/sync_status": filters.SyncColour,
}


@pytest.mark.parametrize("path", LITERALS)
def test_known_values_are_the_documented_ones(documented: Documented, path: str) -> None:
    listings = [documented["GET", path], documented.get(("GET", path + "/{id}"))]
    found = [one["enum"] for entry in listings if entry for one in entry["params"] if "enum" in one]
    assert found
    assert all(set(values) == set(get_args(LITERALS[path])) for values in found)


def test_every_difference_kept_on_purpose_names_an_endpoint() -> None:
    assert {name for name, _ in ON_PURPOSE} <= set(METHODS)
    assert all(ON_PURPOSE.values())
