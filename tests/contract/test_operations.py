"""The table, the filters and the methods agree with each other and with v2's documentation."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from typing import Any, cast, get_args, is_typeddict

import pytest

from nexhealth_async import models, scopes
from nexhealth_async._protocol.operations import (
    LOGIN,
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async.resources import (
    ENDPOINTS,
    _checks,
    appointment_types,
    appointments,
    locations,
    operatories,
    patients,
    providers,
    sync_status,
    working_hours,
)
from nexhealth_async.resources._base import Resource
from tests.contract.known_differences import FROM_GUIDES, KEPT, MORE_THAN_THE_API
from tests.contract.public_methods import (
    CREATING,
    METHODS,
    RECORDER,
    REFERENCE,
    ROWS,
    SCOPE,
    SESSION,
    AllResources,
    EndpointRecorder,
    bare,
    body_fields,
    dotted_name,
    function_of,
    keywords,
    modules_of_resources,
    required_keywords,
    resources_of,
    rows_of,
    scope_keys,
    unpacked_by,
    walk_options,
)

Documented = dict[tuple[str, str], dict[str, Any]]


def ignore(*_: object, **__: object) -> None:
    """Replace a rule that is tested elsewhere."""


def nothing_missing(*_: object) -> Iterator[str]:
    """Replace the check of required fields."""
    return iter(())


def is_endpoint(value: object) -> bool:
    return isinstance(value, Endpoint)


def where(endpoint: Endpoint[object]) -> str:
    """The method and its file, for messages."""
    function = function_of(endpoint)
    return f"{function.__qualname__} in {function.__module__.replace('.', '/')}.py"


def dictionary(endpoint: Endpoint[object]) -> str:
    """The `TypedDict` of a method and its file, for messages."""
    unpacked = unpacked_by(function_of(endpoint))
    if unpacked is None:
        return f"the keywords of {where(endpoint)}"
    return f"`{unpacked.__name__}` ({unpacked.__module__.replace('.', '/')}.py)"


each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=dotted_name)
each_row = pytest.mark.parametrize(
    ("endpoint", "row"),
    [(endpoint, row) for _, endpoint, row in ROWS],
    ids=[f"{version}-{dotted_name(endpoint)}" for version, endpoint, _ in ROWS],
)


# What the library says of itself


def test_endpoints_and_methods_correspond_one_to_one() -> None:
    named = [dotted_name(endpoint) for endpoint in ENDPOINTS]
    twice = sorted({name for name in named if named.count(name) > 1})
    assert not twice, f"{twice} are declared twice: one Endpoint holds both versions"
    without = sorted(set(named) - set(METHODS))
    assert not without, (
        f"{without} are declared, and have no method: add one, and list new resources in resources/"
    )
    more = sorted(set(METHODS) - set(named) - set(MORE_THAN_THE_API))
    assert not more, (
        f"resources/ has methods {more} without an Endpoint: declare one, or, for a method that is "
        "no operation of its own, an entry with its reason to MORE_THAN_THE_API in kept.py"
    )


def test_additions_to_the_api_have_a_reason() -> None:
    assert set(MORE_THAN_THE_API) <= set(METHODS)
    assert all(MORE_THAN_THE_API.values())


def test_every_module_of_a_resource_is_listed() -> None:
    listed = {id(endpoint) for endpoint in ENDPOINTS}
    for name, module in modules_of_resources().items():
        for constant, value in vars(module).items():
            assert not is_endpoint(value) or id(value) in listed, (
                f"{name}.{constant} cannot be reached: list its resource as a property of a class "
                "in nexhealth_async/resources/__init__.py"
            )


@each_endpoint
def test_a_module_is_named_after_its_resource(endpoint: Endpoint[object]) -> None:
    (name,) = [
        name
        for name, module in modules_of_resources().items()
        if any(value is endpoint for value in vars(module).values())
    ]
    last = endpoint.resource.rpartition(".")[2]
    assert name == last or name.endswith(f"_{last}")


@each_endpoint
async def test_a_method_calls_its_own_endpoint_with_its_identifiers(
    endpoint: Endpoint[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = function_of(endpoint)
    for name in _checks.__all__:
        if name in function.__globals__:
            monkeypatch.setitem(function.__globals__, name, ignore)
    monkeypatch.setattr("nexhealth_async.resources._base._missing_fields", nothing_missing)
    row = rows_of(endpoint)[0]
    ids = tuple(range(11, 11 + row.path.count("{") - len(row.path_from)))
    method = METHODS[dotted_name(endpoint)]
    books = "unavailable" in inspect.signature(method).parameters and endpoint.verb == "create"
    arguments: dict[str, object] = {"unavailable": True} if books else {}
    RECORDER.asked.clear()
    answer = method(*ids, **arguments)
    if inspect.isawaitable(answer):
        await answer
    [(asked, passed, identifiers)] = RECORDER.asked
    assert asked is endpoint, (
        f"{where(endpoint)} calls the row of {dotted_name(asked)}: mend the constant in its body"
    )
    assert dict(passed) == arguments
    assert identifiers == ids


@each_endpoint
def test_the_keywords_are_the_rows_filters_scope_and_options(endpoint: Endpoint[object]) -> None:
    expected = set[str]()
    for row in rows_of(endpoint):
        expected |= bare(row.filters) | set(row.path_from) | scope_keys(row) | walk_options(row)
    missing = sorted(expected - set(keywords(endpoint)))
    assert not missing, f"add {missing} to {dictionary(endpoint)}: the row takes them"
    if endpoint.verb not in CREATING:
        more = sorted(set(keywords(endpoint)) - expected)
        assert not more, (
            f"{dictionary(endpoint)} has {more}, and no row of {dotted_name(endpoint)} takes them: "
            "add them to the `filters` of its Endpoint, or take them out"
        )


@each_row
def test_required_keywords_are_required_by_the_row(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    required = required_keywords(endpoint)
    assert not required & SCOPE
    if endpoint.verb not in CREATING:
        assert required == set(row.required), (
            f"`required` of the Endpoint {dotted_name(endpoint)} and the keys that "
            f"are `Required` in {dictionary(endpoint)} differ"
        )


@each_row
def test_keys_with_several_values_are_sequences(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    kinds = keywords(endpoint)
    for name in row.filters:
        is_sequence = "Sequence[" in str(kinds[name.removesuffix("[]")])
        assert is_sequence == name.endswith("[]"), (
            f"{name}: `[]` in the row's `filters` goes with `Sequence[...]` in "
            f"{dictionary(endpoint)}, and neither without the other"
        )


@each_row
def test_a_docstring_names_the_verb_and_path(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    paragraphs = [*inspect.cleandoc(function_of(endpoint).__doc__ or "").split("\n\n"), ""]
    operations = {one.operation for one in rows_of(endpoint)}
    assert set(re.findall(r"``([^`]+)``", paragraphs[1])) == operations, (
        f"the second paragraph of the docstring of {where(endpoint)} should be ``{row.operation}``"
    )
    if len(operations) > 1:
        assert re.findall(r"v[23]", paragraphs[1]), f"{where(endpoint)}: say which is of v2"


@each_endpoint
def test_docstrings_say_what_only_one_version_has(
    endpoint: Endpoint[object],
) -> None:
    text = " ".join((function_of(endpoint).__doc__ or "").split())
    for version, other in (("v2", endpoint.v3), ("v3", endpoint.v2)):
        said = f"{version} only" in text.split(".")[0]
        assert said == (other is None), (
            f"the first sentence of the docstring of {where(endpoint)} should "
            f"{'end in' if other is None else 'not say'} `; {version} only`, by the table"
        )


@each_endpoint
def test_single_version_keywords_are_marked_in_their_docstrings(
    endpoint: Endpoint[object],
) -> None:
    """The docstring of each such key names the version."""
    if endpoint.v2 is None or endpoint.v3 is None or endpoint.v2 is endpoint.v3:
        return
    for version, row, other in (
        ("v2", endpoint.v2, endpoint.v3),
        ("v3", endpoint.v3, endpoint.v2),
    ):
        own = bare(row.filters) | set(other.unsupported)
        for name in own - bare(other.filters) - set(other.path_from) - scope_keys(other):
            said = explanation(endpoint, name) + (function_of(endpoint).__doc__ or "")
            assert version in said, (
                f"say `{version} only` in the docstring of `{name}` in {dictionary(endpoint)}"
            )


def explanation(endpoint: Endpoint[object], name: str) -> str:
    """The docstring of a key, in whichever dictionary of the method defines it."""
    if (found := unpacked_by(function_of(endpoint))) is None:
        return ""
    source = inspect.getsource(sys.modules[found.__module__])
    source = source[source.index(f"class {found.__name__}(") :]
    key = re.search(rf'^    {name}: .+\n    """((?s:.*?))"""', source, re.MULTILINE)
    return key[1] if key else ""


@each_endpoint
def test_a_signature_spells_out_the_keywords(endpoint: Endpoint[object]) -> None:
    parameters = inspect.signature(METHODS[dotted_name(endpoint)]).parameters
    named = {p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
    required = {name for name in named if parameters[name].default is inspect.Parameter.empty}
    assert named == set(keywords(endpoint))
    assert required == required_keywords(endpoint)
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())


@each_endpoint
def test_the_model_exists_and_matches_the_return_type(endpoint: Endpoint[object]) -> None:
    promise = str(function_of(endpoint).__annotations__["return"])
    if endpoint.model is None:
        assert promise == "None"
    else:
        assert inspect.isclass(getattr(models, endpoint.model, None)), (
            f"`{dotted_name(endpoint)}` returns `{endpoint.model}`: add `class {endpoint.model}"
            "(Record)` to a module of nexhealth_async/models, and its name to `__all__` there"
        )
        wrapper = "Walk[m.{}]" if endpoint.verb == "walk" else "m.{}"
        assert promise == wrapper.format(endpoint.model), (
            f"{where(endpoint)} is annotated to return {promise}: "
            f"by the table it is {wrapper.format(endpoint.model)}"
        )


@each_row
def test_docstrings_of_unsafe_writes_name_the_lookup(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    if row.safe:
        assert not row.lookup_hint
    else:
        assert re.fullmatch(r"[A-Z].+\.", row.lookup_hint), (
            f"the row of {dotted_name(endpoint)} is unsafe: add a sentence as its `lookup`"
        )
        assert "OutcomeUnknownError" in (function_of(endpoint).__doc__ or ""), (
            f"the docstring of {where(endpoint)} should say when it raises `OutcomeUnknownError`"
        )


@each_row
def test_paging_verb_and_method_are_consistent(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    assert (endpoint.verb == "walk") == (row.paging is not Paging.SINGLE)
    assert (row.max_per_page is not None) == (row.paging in {Paging.NUMBERED, Paging.CURSOR})
    methods = {"walk": "GET", "get": "GET", "create": "POST", "delete": "DELETE"}
    assert row.method == methods.get(endpoint.verb, "PATCH")


@each_row
def test_the_mappings_of_a_row_name_its_own_filters(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    assert set(row.wire) <= {*row.filters, *bare(row.filters)}
    assert {*row.required} <= bare(row.filters)
    assert set(row.one_of) <= bare(row.filters) | scope_keys(row)
    assert set(row.at_most) <= bare(row.filters)
    assert {*row.unsupported, *row.path_from} <= set(keywords(endpoint))
    assert row.safe_if is None or (not row.safe and row.safe_if in body_fields(endpoint, row))
    assert row.wrap is not None or not row.sibling_fields
    assert row.takes_body or not row.unsupported
    assert set(row.sibling_fields) <= set(keywords(endpoint))


def typed_dictionaries() -> Iterator[type]:
    """Every `TypedDict` of the resource modules, private ones too."""
    for module in modules_of_resources().values():
        for value in vars(module).values():
            if is_typeddict(value) and value.__module__ == module.__name__:
                yield value


@pytest.mark.parametrize("kind", [*typed_dictionaries()], ids=lambda kind: kind.__name__)
def test_every_key_has_a_docstring(kind: type) -> None:
    """Each key of each dictionary must be followed by a string."""
    source = inspect.getsource(kind)
    keys = re.findall(r'^    (\w+): .+\n(?! {4}""")', source, re.MULTILINE)
    assert keys == [], f"write a docstring under {keys} of {kind.__name__}"


def test_every_dictionary_is_used_or_nested() -> None:
    modules = modules_of_resources().values()
    source = "".join(inspect.getsource(module) for module in modules)
    for module in modules:
        for name in module.__all__:
            if is_typeddict(getattr(module, name)):
                places = len(re.findall(rf"\b{name}\b", source))
                assert places > 2, f"{module.__name__} defines {name}, and no method uses it"


RESOURCES = Resource.__subclasses__()


def test_every_resource_can_be_reached() -> None:
    found = {type(method.__self__) for method in METHODS.values()}
    assert found == set(RESOURCES)


def test_no_method_shadows_a_builtin() -> None:
    assert all(not hasattr(kind, "list") for kind in RESOURCES)


# Scopes


@pytest.mark.parametrize(
    ("kind", "part"), [(scopes.PracticeScope, "subdomain"), (scopes.LocationScope, "location")]
)
def test_a_scope_offers_exactly_its_resources(kind: type, part: str) -> None:
    takes = {
        endpoint.resource.split(".")[0]
        for _, endpoint, row in ROWS
        if getattr(row, part) is not ScopeNeed.NONE
    }
    missing, more = sorted(takes - resources_of(kind)), sorted(resources_of(kind) - takes)
    assert not missing, f"scopes.py: {kind.__name__} should offer {missing}, whose rows take it"
    assert not more, f"scopes.py: {kind.__name__} offers {more}, and no row of theirs takes it"


def test_an_account_offers_all_resources() -> None:
    assert resources_of(scopes.AccountScope) == {name.split(".")[0] for name in METHODS}


def test_a_scope_binds_its_practice_and_location() -> None:
    recorder = EndpointRecorder()
    location = AllResources(recorder).practice("demo-practice").location(7)
    assert recorder.bindings == [("demo-practice", None), ("demo-practice", 7)]
    assert (location.subdomain, location.location_id) == ("demo-practice", 7)


def test_a_scopes_repr_shows_practice_and_location_only() -> None:
    practice = SESSION.practice("demo-practice")
    assert repr(practice) == "PracticeScope(subdomain='demo-practice')"
    location = practice.location(7)
    assert repr(location) == "LocationScope(subdomain='demo-practice', location_id=7)"


def test_scopes_of_one_session_compare_by_their_binding() -> None:
    practice = SESSION.practice("demo-practice")
    assert practice == SESSION.practice("demo-practice")
    assert practice != SESSION.practice("other-practice")
    assert practice != AllResources(EndpointRecorder()).practice("demo-practice")
    assert len({practice.location(7), practice.location(7), practice.location(8)}) == 2


@pytest.mark.parametrize("subdomain", ["", " ", "Demo", "https://demo.example", "demo "])
def test_an_invalid_subdomain_is_refused_at_once(subdomain: str) -> None:
    with pytest.raises(ValueError, match="subdomain"):
        SESSION.practice(subdomain)


@pytest.mark.parametrize("location_id", [0, -1, True, "7", 7.0, None])
def test_an_invalid_location_is_refused_at_once(location_id: object) -> None:
    with pytest.raises(ValueError, match="location"):
        SESSION.practice("demo-practice").location(cast("int", location_id))


# The documentation of v2

RATES = {
    "slow_read": RateClass.SLOW,
    "patients_appointments": RateClass.PEOPLE,
    "other": RateClass.OTHER,
}
NEEDS_LOCATION = {
    "subdomain+location_id": ScopeNeed.REQUIRED,
    "subdomain + lids[]": ScopeNeed.REQUIRED,
}
PAGE_KEYS = {"page", "per_page"}


@pytest.fixture(scope="module")
def documented() -> dict[tuple[str, str], dict[str, Any]]:
    """The published operations, by method and path."""
    reference = REFERENCE / "v2-endpoints.json"
    if not reference.exists():
        pytest.skip("the reference lies beside the repository, and is not there")
    published = json.loads(reference.read_text())["endpoints"]
    return {(one["method"], one["path"]): one for one in published}


each_v2 = pytest.mark.parametrize(
    ("endpoint", "row"),
    [(endpoint, endpoint.v2) for endpoint in ENDPOINTS if endpoint.v2],
    ids=[dotted_name(endpoint) for endpoint in ENDPOINTS if endpoint.v2],
)


def kept(endpoint: Endpoint[object], aspect: str) -> bool:
    return ("v2", dotted_name(endpoint), aspect) in KEPT


def test_documented_operations_and_rows_correspond_one_to_one(documented: Documented) -> None:
    ours = [(row.method, row.path) for version, _, row in ROWS if version == "v2"]
    ours.append((LOGIN.method, LOGIN.path))
    assert len(ours) == len(set(ours)) == 58
    assert set(ours) == set(documented)


@each_v2
def test_the_parameters_match_the_documents(
    documented: Documented, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    params = documented[row.method, row.path]["params"]
    published = {param["name"] for param in params if param.get("in") != "path"} - PAGE_KEYS
    ours = {row.wire.get(name, name) for name in row.filters}
    for public_name, wire_name in row.wire.items():
        if public_name not in row.filters:
            ours = {name for name in ours if name.removesuffix("[]") != public_name} | {wire_name}
    if row.subdomain is not ScopeNeed.NONE:
        ours.add("subdomain")
    if row.location is not ScopeNeed.NONE and row.location_filter == "location_id":
        ours |= {"location_id"} - set(row.sibling_fields)
    guides = FROM_GUIDES.get(dotted_name(endpoint), set[str]())
    assert not guides & published
    assert ours == published | guides, dotted_name(endpoint)


@each_v2
def test_the_required_parameters_match_the_documents(
    documented: Documented, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    params = documented[row.method, row.path]["params"]
    published = {p["name"] for p in params if p["required"] and p.get("in") != "path"}
    assert ("subdomain" in published) == (row.subdomain is ScopeNeed.REQUIRED)
    assert (row.location_filter in bare(tuple(published))) == (row.location is ScopeNeed.REQUIRED)
    if not kept(endpoint, "required"):
        wired = {row.wire.get(name, name) for name in row.required}
        assert wired == published - SCOPE


@each_v2
def test_paging_matches_the_documents(
    documented: Documented, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    entry = documented[row.method, row.path]
    assert entry["paginated"] == (row.paging is Paging.NUMBERED)
    for one in entry["params"]:
        if one["name"] == "per_page":
            assert row.max_per_page == one.get("max", 300), dotted_name(endpoint)


@each_v2
def test_the_rate_class_matches_the_documents(
    documented: Documented, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    name = documented[row.method, row.path]["rate_limit_class"].split(":")[0]
    assert kept(endpoint, "rate") or row.rate is RATES[name]


@each_v2
def test_the_documented_status_counts_as_success(
    documented: Documented, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    status = int(str(documented[row.method, row.path]["success_status"]).split()[0])
    assert status in row.success, dotted_name(endpoint)


@each_v2
def test_the_payload_position_matches_the_documents(
    documented: Documented, endpoint: Endpoint[object], row: OperationSpec
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
def test_the_body_matches_the_documents(
    documented: Documented, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    body = documented[row.method, row.path]["body"]
    if body is None:
        assert not row.takes_body
        return
    assert row.multipart == ("encoding" in body)
    names, required = published_fields(row, body)
    if not kept(endpoint, "body"):
        assert body_fields(endpoint, row) == names
    if not kept(endpoint, "body required"):
        assert required_keywords(endpoint) == required - SCOPE


def published_fields(row: OperationSpec, body: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The names of a documented body, flattened, and the required ones."""
    assert row.takes_body
    inside = body[row.wrap] if row.wrap else {k: v for k, v in body.items() if k != "encoding"}
    if isinstance(inside, str):
        listed = inside.split(" (")[0].split(",")
        return set(listed), set()
    kinds = {name: kind for name, kind in inside.items() if name != "required"}
    for name, path in row.sibling_fields.items():
        place: Any = body
        for key in path:
            place = place[key]
        kinds[name] = place
    return set(kinds), {name for name, kind in kinds.items() if is_required(kind)}


def is_required(kind: str | dict[str, Any]) -> bool:
    if isinstance(kind, dict):
        return bool(kind.get("required"))
    return "*" in kind.split("(")[0]


def test_the_fields_of_a_new_patient_match_the_documents(documented: Documented) -> None:
    bio = documented["POST", "/patients"]["body"]["patient"]["bio"]
    published = {name.split("(")[0] for name in bio["properties"]}
    assert set(patients.NewPatientBio.__annotations__) == published
    assert set(bio["required"]) == patients.NewPatientBio.__required_keys__


LITERALS: dict[str, Any] = {
    "/locations": locations.SubscriptionFeature,
    "/operatories": operatories.OperatoryInclude,
    "/providers": providers.ProviderInclude,
    "/patients": patients.PatientInclude,
    "/appointments": appointments.AppointmentInclude,
    "/appointment_types": appointment_types.AppointmentTypeInclude,
    "/availabilities": working_hours.WorkingHoursInclude,
    "/sync_status": sync_status.SyncColour,
}


@pytest.mark.parametrize("path", LITERALS)
def test_known_values_match_the_documents(documented: Documented, path: str) -> None:
    listings = [documented["GET", path], documented.get(("GET", path + "/{id}"))]
    found = [one["enum"] for entry in listings if entry for one in entry["params"] if "enum" in one]
    assert found
    assert all(set(values) == set(get_args(LITERALS[path])) for values in found)


def test_every_deliberate_difference_names_an_endpoint_and_a_reason() -> None:
    rows = {(version, dotted_name(endpoint)) for version, endpoint, _ in ROWS}
    assert {(version, name) for version, name, _ in KEPT} <= rows
    assert all(KEPT.values())
