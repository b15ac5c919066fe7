"""Names from other libraries raise an error that suggests the right call."""

from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from nexhealth_async import models, to_builtins, to_json
from nexhealth_async.models._base import _HINTED_METHODS
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from nexhealth_async import NexHealth

MODELS = [
    found
    for name in models.__all__
    if isinstance(found := getattr(models, name), type) and attrs.has(found)
]
PATIENT = models.Patient(id=7, first_name="Ada")


# Walks


@pytest.fixture
def nex() -> NexHealth:
    from nexhealth_async import NexHealth

    return NexHealth("a-key", version="v2", subdomain="demo", location_id=7)


async def test_for_and_await_on_a_walk_suggest_async_for(nex: NexHealth) -> None:
    walk: Any
    for walk in (nex.patients.walk(), nex.patients.walk().pages(), nex.patients.walk().raw()):
        with pytest.raises(TypeError, match="async for"):
            for _ in walk:
                pass
        with pytest.raises(TypeError, match="async for"):
            await walk
        with pytest.raises(TypeError, match="async for"):
            list(walk)
        with pytest.raises(TypeError, match="async for"):
            dict(walk)


async def test_a_misused_walk_is_still_usable() -> None:
    from nexhealth_async import NexHealth

    async with (
        Sandbox(patients=2, appointments=0) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        walk: Any = nex.practice(sandbox.subdomain).location(sandbox.location_id).patients.walk()
        with pytest.raises(TypeError):
            await walk
        with pytest.raises(TypeError):
            next(iter(walk))
        assert len([one async for one in walk]) == 2
        assert isinstance(walk, AsyncIterator)
        assert not isinstance(walk, Iterator)


# Resources


@pytest.mark.parametrize(
    ("noun", "name", "call"),
    [
        ("patients", "list", r"walk\(\)"),
        ("patients", "iter", r"walk\(\)"),
        ("patients", "all", r"walk\(\)"),
        ("patients", "retrieve", r"get\(id\)"),
        ("patients", "add", r"create\("),
        ("appointments", "patch", r"update\(id"),
        ("working_hours", "list", r"walk\(\)"),
        ("webhook_endpoints", "destroy", r"delete\(id\)"),
    ],
)
def test_a_resource_suggests_the_right_call(
    nex: NexHealth, noun: str, name: str, call: str
) -> None:
    resource: Any = getattr(nex, noun)
    with pytest.raises(AttributeError, match=f"'{name}'; use {call}"):
        getattr(resource, name)
    assert not hasattr(resource, name)


def test_a_resource_suggests_only_its_own_calls(nex: NexHealth) -> None:
    for name in ("destroy", "anything", "_private"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'$"):
            getattr(nex.patients, name)


def test_a_resource_can_be_copied_and_lists_only_its_own_names(nex: NexHealth) -> None:
    patients = nex.patients
    assert type(copy.copy(patients)) is type(patients)
    assert not {"list", "iter", "all"} & set(dir(patients))
    assert not {"list", "iter", "all"} & set(dir(type(patients)))


# Models


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("to_dict", r"to_builtins\(model\)"),
        ("model_dump", r"to_builtins\(model\)"),
        ("dict", r"to_builtins\(model\)"),
        ("json", r"to_json\(model\)"),
        ("model_dump_json", r"to_json\(model\)"),
        ("copy", r"attrs\.evolve"),
    ],
)
def test_a_model_suggests_the_right_call(name: str, call: str) -> None:
    for kind in MODELS:
        record: Any = kind.__new__(kind)
        with pytest.raises(AttributeError, match=f"'{kind.__name__}'.*'{name}'.*{call}"):
            getattr(record, name)
    assert not hasattr(PATIENT, name)
    assert getattr(PATIENT, name, None) is None


def test_the_suggested_calls_exist() -> None:
    assert to_builtins(PATIENT)["id"] == 7
    assert b'"id":7' in to_json(PATIENT)
    assert attrs.evolve(PATIENT, id=8).id == 8


def test_suggestions_hide_no_field_of_a_model() -> None:
    for kind in MODELS:
        assert not set(_HINTED_METHODS) & {field.name for field in attrs.fields(kind)}


def test_suggestions_leave_models_unchanged() -> None:
    for kind in MODELS:
        # Either would slow down every attribute, absent fields during decoding above all.
        assert not hasattr(kind, "__getattr__")
        assert kind.__getattribute__ is object.__getattribute__
    for other in (
        copy.copy(PATIENT),
        copy.deepcopy(PATIENT),
        attrs.evolve(PATIENT),
        pickle.loads(pickle.dumps(PATIENT)),  # noqa: S301 - what was just written
    ):
        assert other == PATIENT
    assert hash(PATIENT) == hash(copy.copy(PATIENT))
    assert not set(_HINTED_METHODS) & set(dir(PATIENT))
    assert {"id", "first_name"} <= set(dir(PATIENT))
    assert not set(_HINTED_METHODS) & set(attrs.asdict(PATIENT, recurse=False))
    with pytest.raises(AttributeError, match="no attribute 'anything'"):
        getattr(PATIENT, "anything")  # noqa: B009 - type checkers know that it is not there
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(PATIENT, "to_dict", 1)  # noqa: B010 - type checkers know that it is not there
