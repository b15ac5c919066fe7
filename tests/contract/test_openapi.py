"""The v3 rows, methods and keywords match the vendor's document."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import (
    Any,
    BinaryIO,
    Literal,
    Required,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pytest

from nexhealth_async._protocol.operations import LOGIN, Endpoint, OperationSpec, Paging, ScopeNeed
from tests.contract.known_differences import KEPT, LOGIN_REASON
from tests.contract.public_methods import (
    METHODS,
    REFERENCE,
    ROWS,
    SCOPE,
    bare,
    body_fields,
    dotted_name,
    keywords,
    required_keywords,
)

DOCUMENT = REFERENCE / "openapi-v3.json"
VERBS = {"get", "post", "patch", "put", "delete"}
PAGES = {"page", "per_page", "start_cursor", "end_cursor"}
SIMPLE: dict[tuple[str, str | None], set[object]] = {
    ("integer", None): {int},
    ("number", None): {int, float},
    ("boolean", None): {bool},
    ("string", None): {str},
    ("string", "date"): {date},
    ("string", "date-time"): {datetime},
    ("string", "binary"): {bytes, BinaryIO},
    ("object", None): {dict},
}
"""The Python type of a published type that has no enumerated values."""

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="the reference lies beside the repository, and is not there"
)

each_v3 = pytest.mark.parametrize(
    ("endpoint", "row"),
    [(endpoint, row) for version, endpoint, row in ROWS if version == "v3"],
    ids=[dotted_name(endpoint) for version, endpoint, _ in ROWS if version == "v3"],
)


@cache
def document() -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(DOCUMENT.read_text()))


@cache
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """The published operations, by method and path."""
    return {
        (verb.upper(), path): operation
        for path, operations in document()["paths"].items()
        for verb, operation in operations.items()
        if verb in VERBS
    }


def published(row: OperationSpec) -> dict[str, Any]:
    assert (row.method, row.path) in operations(), (
        f"NexHealth publishes no {row.operation}: mend or take away its v3 row"
    )
    return operations()[row.method, row.path]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while reference := schema.get("$ref"):
        place: Any = document()
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def parameters(row: OperationSpec) -> dict[str, dict[str, Any]]:
    """The published query parameters, by name."""
    found = [resolved(one) for one in published(row).get("parameters", ())]
    return {one["name"]: one for one in found if one["in"] == "query"}


def own_parameters(row: OperationSpec) -> dict[str, dict[str, Any]]:
    """Those that are filters: neither scope nor paging."""
    scope = {"subdomain"} | ({row.location_filter} & {"location_id"})
    return {name: one for name, one in parameters(row).items() if name not in scope | PAGES}


def reply(row: OperationSpec) -> dict[str, Any] | None:
    """The schema of ``data`` in a successful response, where one is published."""
    for status, answer in published(row)["responses"].items():
        for content in answer.get("content", {}).values():
            if status.startswith("2"):
                data = resolved(content["schema"])["properties"]["data"]
                return resolved(data)
    return None


def request_body(row: OperationSpec) -> tuple[str, dict[str, Any]] | None:
    """The media type and schema of the body, where one is published."""
    contents = published(row).get("requestBody", {}).get("content", {})
    for kind, content in contents.items():
        return kind, resolved(content["schema"])
    return None


def kept(endpoint: Endpoint[object], aspect: str) -> bool:
    return ("v3", dotted_name(endpoint), aspect) in KEPT


def test_published_operations_rows_and_methods_correspond_one_to_one() -> None:
    ours = [(row.method, row.path) for version, _, row in ROWS if version == "v3"]
    assert LOGIN_REASON
    ours.append((LOGIN.method, LOGIN.path))
    assert len(ours) == len(set(ours)) == 88
    assert set(ours) == set(operations())
    methods = [dotted_name(endpoint) for version, endpoint, _ in ROWS if version == "v3"]
    assert len(methods) == len(set(methods))
    assert set(methods) <= set(METHODS)


# Parameters


@each_v3
def test_the_filters_match_the_published_ones(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    ours = {row.wire.get(name, name) for name in row.filters}
    assert ours == set(own_parameters(row)), (
        f"{dotted_name(endpoint)}: mend `filters` of its v3 row "
        "(`wire` where a name differs), then its dictionary"
    )


@each_v3
def test_required_parameters_are_required(endpoint: Endpoint[object], row: OperationSpec) -> None:
    if kept(endpoint, "required"):
        return
    required = {name for name, one in own_parameters(row).items() if one.get("required")}
    assert {row.wire.get(name, name) for name in row.required} == bare(tuple(required))


@each_v3
def test_practice_and_location_are_taken_where_they_are_published(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    found = {name.removesuffix("[]"): one for name, one in parameters(row).items()}
    for name, need in (("subdomain", row.subdomain), (row.location_filter, row.location)):
        if need is ScopeNeed.NONE or (name in row.sibling_fields and name not in found):
            assert name not in found, dotted_name(endpoint)
        else:
            assert (need is ScopeNeed.REQUIRED) == bool(found[name].get("required")), name


@each_v3
def test_filters_accept_the_published_types(endpoint: Endpoint[object], row: OperationSpec) -> None:
    kinds = keywords(endpoint)
    public = {row.wire.get(name, name): name.removesuffix("[]") for name in row.filters}
    for name, one in own_parameters(row).items():
        check_kind(kinds[public[name]], resolved(one["schema"]), f"{dotted_name(endpoint)}: {name}")


@each_v3
def test_a_list_that_requires_one_filter_names_it(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    """The document says it in prose only."""
    text = published(row).get("description") or ""
    wants = re.search(r"at least one (of|filter)", text, re.IGNORECASE)
    assert bool(row.one_of) == bool(wants) or kept(endpoint, "one of"), text
    if not row.one_of:
        return
    lists = re.findall(r"(?:at least one of|can filter by) ([\w,\s]+)", text, re.IGNORECASE)
    named = {word for arguments in lists for word in re.findall(r"\w+", arguments)}
    assert set(row.one_of) == named & (bare(row.filters) | SCOPE) or not named, text


# Bodies


@each_v3
def test_the_body_matches_the_published_one(endpoint: Endpoint[object], row: OperationSpec) -> None:
    body = request_body(row)
    assert row.takes_body == (body is not None)
    if body is None:
        return
    kind, schema = body
    assert row.multipart == kind.startswith("multipart/")
    fields, required = flat(row, schema)
    if not kept(endpoint, "body"):
        assert body_fields(endpoint, row) == set(fields)
    # A method serves both versions: what either leaves open is open.
    if not kept(endpoint, "body required"):
        ours = required_keywords(endpoint) - set(row.required)
        assert ours == required - SCOPE, dotted_name(endpoint)
    for name, one in fields.items():
        check_kind(keywords(endpoint)[name], one, f"{dotted_name(endpoint)}: {name}")


def flat(row: OperationSpec, schema: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """A published body as a method takes it: fields by name, and the required ones."""
    fields: dict[str, dict[str, Any]] = {}
    required = set[str]()
    inside = resolved(schema["properties"][row.wrap]) if row.wrap else schema
    beside = dict(row.sibling_fields)
    for name, one in inside["properties"].items():
        fields[name] = resolved(one)
        if name in inside.get("required", ()):
            required.add(name)
    for name, one in schema["properties"].items():
        if not row.wrap or name == row.wrap:
            continue
        for public, path in beside.items():
            if path[0] == name:
                above, last = schema, path[-1]
                for key in path[:-1]:
                    above = resolved(above["properties"][key])
                fields[public] = resolved(above["properties"][last])
                if last in above.get("required", ()):
                    required.add(public)
        assert any(path[0] == name for path in beside.values()), f"nothing sends {name}: {one}"
    return fields, required


def check_kind(kind: Any, schema: dict[str, Any], where: str) -> None:
    """A keyword accepts every value of the published schema, and no other enum value."""
    kind = get_args(kind)[0] if get_origin(kind) is Required else kind
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    options = tuple(option for option in options if option is not type(None))
    if values := set(schema.get("enum", ())) - {""}:
        assert get_origin(options[0]) is Literal, where
        assert set(get_args(options[0])) == values, where
        return
    if schema["type"] == "array":
        assert get_origin(options[0]) is Sequence, where
        check_kind(get_args(options[0])[0], resolved(schema["items"]), where)
        return
    if schema["type"] == "object" and schema.get("properties"):
        assert is_typeddict(options[0]), where
        hints = get_type_hints(options[0], include_extras=True)
        assert set(hints) == set(schema["properties"]), where
        assert options[0].__required_keys__ == set(schema.get("required", ())), where
        for name, one in schema["properties"].items():
            check_kind(hints[name], resolved(one), f"{where}.{name}")
        return
    form = schema.get("format") if schema["type"] == "string" else None
    expected = SIMPLE[schema["type"], form if ("string", form) in SIMPLE else None]
    plain = {get_origin(option) or option for option in options}
    if expected == {dict}:
        assert all("Mapping" in str(one) or one is dict for one in plain), where
    else:
        assert plain & expected, f"{where}: {plain} for {expected}"


# Replies


@each_v3
def test_the_paging_matches_the_published_one(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    names = set(parameters(row))
    if "end_cursor" in names:
        expected = Paging.CURSOR
    elif "page" in names:
        expected = Paging.NUMBERED
    else:
        data = reply(row)
        whole = data is not None and data["type"] == "array"
        expected = Paging.WHOLE if whole else Paging.SINGLE
    assert row.paging is expected, dotted_name(endpoint)
    if "per_page" in names:
        maximum = re.search(r"Max[a-z ]*([0-9]+)", parameters(row)["per_page"]["description"])
        assert maximum
        assert row.max_per_page == int(maximum[1])


@each_v3
def test_exactly_the_published_statuses_count_as_success(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    statuses = {int(status) for status in published(row)["responses"] if status.startswith("2")}
    assert statuses <= row.success, dotted_name(endpoint)
    assert row.success <= statuses | {200, 201, 204}


@each_v3
def test_the_record_position_matches_the_published_one(
    endpoint: Endpoint[object], row: OperationSpec
) -> None:
    data = reply(row)
    if data is None or endpoint.model is None or data["type"] == "array":
        assert row.inner is None or row.inner in resolved(data["items"])["properties"]  # type: ignore[index]
        return
    names = set(data["properties"])
    if row.payload and not row.payload[0].startswith("id") and "id" not in names:
        assert names & set(row.payload), dotted_name(endpoint)
    else:
        assert "id" in names, dotted_name(endpoint)


@each_v3
def test_only_safe_writes_are_repeated(endpoint: Endpoint[object], row: OperationSpec) -> None:
    assert row.safe == (row.method != "POST"), dotted_name(endpoint)
