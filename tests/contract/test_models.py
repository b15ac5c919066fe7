"""Every documented response has a model, and every property of it a matching field."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Union, cast, get_args, get_origin

import attrs
import msgspec
import pytest

from nexhealth_async import models
from nexhealth_async.codec import Codec, resolve_annotations, to_builtins
from nexhealth_async.models import Money, Record
from nexhealth_async.resources import ENDPOINTS
from tests.contract.known_differences import LEAVES, WRAPPERS
from tests.contract.public_methods import REFERENCE
from tests.models.model_samples import MODELS, SAMPLES, STANDS_FOR

DOCUMENT = REFERENCE / "openapi-v3.json"
NOTES = REFERENCE / "v2.md"

needs_document = pytest.mark.skipif(not DOCUMENT.exists(), reason="the vendor's document is absent")
needs_notes = pytest.mark.skipif(not NOTES.exists(), reason="the notes on v2 are absent")

CODEC = Codec()


# Unreachable in the document of v3, but the only word there is on v2's ledger and patients.
LEFT_OVER = (
    "V2_Insurance_EhrPlanWithIncludes",
    "V2_Ledger_Adjustment",
    "V2_Ledger_AdjustmentBasic",
    "V2_Ledger_Charge",
    "V2_Ledger_ChargeBasic",
    "V2_Ledger_Payment",
    "V2_Ledger_PaymentBasic",
    "V2_PatientDetailed",
    "V2_PatientDetailedWithoutIncludes",
)

# The headings of the notes on v2 under which a recorded record stands.
RECORDED = {
    "Patient (data.patients[] / data / data.user)": "Patient",
    "Appointment": "Appointment",
    "Appointment slots (group)": "SlotGroup",
    "Provider": "Provider",
    "Location": "Location",
}

_PLAIN: dict[str, type] = {"integer": int, "number": float, "boolean": bool, "object": dict}
_UNSAID: dict[str, object] = {"integer": 7, "number": 7.5, "boolean": True, "string": "seven"}


def short(name: str) -> str:
    return name.rpartition("/")[2].removeprefix("API_").replace("Entities_", "", 1)


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    return found


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """The properties of each schema."""
    every = document()["components"]["schemas"]
    return {short(name): schema.get("properties", {}) for name, schema in every.items()}


@cache
def answers() -> dict[str, dict[str, Any]]:
    """The schema of each operation's ``data``, if it has any."""
    found: dict[str, dict[str, Any]] = {}
    for path, verbs in document()["paths"].items():
        for verb, operation in verbs.items():
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    for content in response.get("content", {}).values():
                        envelope = schemas()[short(content["schema"]["$ref"])]
                        found[f"{verb.upper()} {path} {status}"] = envelope["data"]
    return found


def element(property_: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a property, or the items of a list."""
    return property_["items"] if property_.get("type") == "array" else property_


def reachable() -> set[str]:
    waiting = [short(element(data)["$ref"]) for data in answers().values()]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            parts = map(element, schemas()[name].values())
            waiting.extend(short(part["$ref"]) for part in parts if "$ref" in part)
    return seen


def example(property_: Mapping[str, Any]) -> Any:
    """The document's example of a value, assembled from the examples of its parts."""
    if "example" in property_:
        return property_["example"]
    if property_.get("type") == "array":
        return [example(property_["items"])]
    if "$ref" in property_:
        parts = schemas()[short(property_["$ref"])]
        return {name: example(part) for name, part in parts.items()}
    return _UNSAID[property_["type"]]


def model(name: str) -> type[Record]:
    found = cast("type[Record]", getattr(models, name))
    resolve_annotations(found)
    return found


def fields(record: type[Record]) -> dict[str, attrs.Attribute[Any]]:
    return attrs.fields_dict(cast("type[attrs.AttrsInstance]", record))


def decode(record: type[Record], data: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Decode a record; add an id if its example lacks a required one."""
    required = {name for name, field in fields(record).items() if field.default is attrs.NOTHING}
    missing = {name: 1 for name in required if name == "id" and name not in data}
    return CODEC.decode(record, json.dumps({**missing, **data}).encode())


def leaves(kind: object) -> set[object]:
    """The types of a field without None, lists unwrapped."""
    origin = get_origin(kind)
    if origin is dict:
        return {dict}
    if origin is Annotated:
        return leaves(get_args(kind)[0])
    if origin in {Union, types.UnionType, tuple}:
        return {leaf for part in get_args(kind) if part is not ... for leaf in leaves(part)}
    return set() if kind is types.NoneType else {kind}


def is_many(kind: object) -> bool:
    return get_origin(kind) is tuple or any(map(is_many, get_args(kind)))


def due(property_: Mapping[str, Any]) -> list[set[object]]:
    """The types allowed for the field of a property; several for a schema with several models."""
    part = element(property_)
    if "$ref" in part:
        return [{model(name)} for name in STANDS_FOR[short(part["$ref"])]]
    if part["type"] == "string":
        by_format: dict[str | None, type] = {"date-time": datetime, "date": date}
        return [{by_format.get(part.get("format"), str)}]
    return [{_PLAIN[part["type"]]}]


def same(sent: Any, made: Any) -> bool:
    """Tell whether a re-encoded value contains everything that was sent."""
    if isinstance(sent, dict):
        pairs = cast("Mapping[str, Any]", sent).items()
        return all(key in made and same(value, made[key]) for key, value in pairs)
    if isinstance(sent, list):
        items = cast("Sequence[Any]", sent)
        return len(items) == len(made) and all(map(same, items, made))
    if isinstance(sent, str) and isinstance(made, str) and "T" in sent and sent != made:
        return datetime.fromisoformat(sent) == datetime.fromisoformat(made)
    return bool(sent == made)


def pairs() -> list[tuple[str, str]]:
    return [(schema, name) for schema, names in STANDS_FOR.items() for name in names]


@needs_document
def test_every_reachable_schema_has_a_model_and_every_mapped_schema_is_used() -> None:
    assert set(STANDS_FOR) - set(LEFT_OVER) == reachable() - set(WRAPPERS)
    assert set(WRAPPERS) <= reachable()
    assert not set(LEFT_OVER) & reachable()


def test_every_model_that_a_method_returns_has_a_sample() -> None:
    sampled = {name for name, _ in SAMPLES}
    for endpoint in ENDPOINTS:
        assert endpoint.model is None or endpoint.model in sampled, (
            f"`{endpoint.model}` has no sample: add one to SAMPLES in "
            "tests/models/model_samples.py, in the API's own form and of invented people, and its "
            "schema to STANDS_FOR there"
        )


def test_every_model_corresponds_to_a_schema() -> None:
    used = {name for names in STANDS_FOR.values() for name in names}
    opened = {leaf.__name__ for kept, _ in LEAVES.values() for leaf in kept if leaf in set(MODELS)}
    without = {model.__name__ for model in MODELS} - used - opened
    assert not without, f"models that stand for no schema: add {sorted(without)} to STANDS_FOR"
    gone = (used | opened) - {model.__name__ for model in MODELS}
    assert not gone, f"STANDS_FOR names models that nexhealth_async/models lacks: {sorted(gone)}"


@needs_document
@pytest.mark.parametrize(("schema", "name"), pairs())
def test_every_property_has_a_field_of_its_type(schema: str, name: str) -> None:
    if schema == "V2_Price":
        return
    record = model(name)
    wrong: list[str] = []
    for key, property_ in schemas()[schema].items():
        field = fields(record).get(key)
        if field is None:
            wrong.append(f"{key}: no field")
            continue
        kept = LEAVES.get(f"{name}.{key}")
        expected = [kept[0]] if kept else due(property_)
        if leaves(field.type) not in expected:
            wrong.append(f"{key}: {field.type}, not {expected}")
        if is_many(field.type) != (property_.get("type") == "array"):
            wrong.append(f"{key}: one or many")
    assert not wrong


@needs_document
@pytest.mark.parametrize(("schema", "name"), pairs())
def test_every_field_accepts_the_documents_example_and_null(schema: str, name: str) -> None:
    record = model(name)
    whole = {key: example(property_) for key, property_ in schemas()[schema].items()}
    made, repairs = decode(record, whole)
    assert repairs == ()
    assert same(whole, to_builtins(made))
    assert msgspec.json.decode(json.dumps(whole), type=record) == made, "natively too"
    if record is Money:
        return
    for key in set(whole) - {"id"}:
        alone, repairs = decode(record, {"id": whole.get("id", 1), key: None})
        assert repairs == (), key
        assert getattr(alone, key) in {None, ()}, key


@needs_document
def test_the_example_of_every_operation_decodes() -> None:
    assert len(answers()) >= 80
    for operation, data in answers().items():
        schema = short(element(data)["$ref"])
        for record in example(data) if data.get("type") == "array" else [example(data)]:
            if schema in WRAPPERS:
                key, _ = WRAPPERS[schema]
                if key is None:
                    continue
                inner = short(schemas()[schema][key]["$ref"])
                made, repairs = decode(model(STANDS_FOR[inner][0]), record[key])
                assert same(record[key], to_builtins(made)), operation
            else:
                made, repairs = decode(model(STANDS_FOR[schema][0]), record)
                assert same(record, to_builtins(made)), operation
            assert repairs == (), operation


@needs_document
def test_every_listed_difference_is_real() -> None:
    met: set[str] = set()
    for schema, name in pairs():
        for key, property_ in schemas()[schema].items():
            field = fields(model(name)).get(key)
            if field is not None and leaves(field.type) not in due(property_):
                met.add(f"{name}.{key}")
    assert set(LEAVES) == met - {"Money.amount"}
    assert all(reason for _, reason in (*LEAVES.values(), *WRAPPERS.values()))


def recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    heading = ""
    for found in re.finditer(r"^### (.+)$|^```json\n([^`]+)```$", NOTES.read_text(), re.MULTILINE):
        heading = found[1] or heading
        if found[2] and heading in RECORDED:
            yield RECORDED[heading], json.loads(found[2])


@needs_notes
def test_everything_observed_from_v2_has_a_field() -> None:
    seen = dict(recorded())
    assert set(seen) == set(RECORDED.values())
    for name, data in seen.items():
        made, repairs = decode(model(name), data)
        assert repairs == ()
        assert same(data, to_builtins(made)), name
