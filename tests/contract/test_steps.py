"""Each endpoint is carried through the house; where one is not, the failure names the next file."""

from __future__ import annotations

import inspect
from typing import Any, TypedDict

import pytest

from nexhealth_async import endpoints, filters, models, resources
from nexhealth_async._protocol.operations import Endpoint, Need, Paging, Row
from nexhealth_async.endpoints import ALL, people
from nexhealth_async.filters import people as people_filters
from nexhealth_async.models import people as people_models
from nexhealth_async.resources import people as people_nouns
from nexhealth_async.resources._base import Noun
from nexhealth_async.sandbox.bookkeeper import Bookkeeper
from tests.contract import steps
from tests.contract.steps import maker_missing, next_step
from tests.contract.surface import dotted_name


@pytest.mark.parametrize("endpoint", ALL, ids=dotted_name)
def test_an_endpoint_has_filters_model_sample_method_scope_and_route(
    endpoint: Endpoint[object],
) -> None:
    if step := next_step(endpoint):
        pytest.fail(step, pytrace=False)


def test_whatever_a_practice_of_the_sandbox_is_made_of_is_there() -> None:
    if said := maker_missing():
        pytest.fail(said, pytrace=False)


def row(path: str, **more: Any) -> Row:
    return Row(method="GET", path=path, **more)


CASES = {
    "a dictionary": (
        Endpoint[object](
            resource="x_rays", verb="walk", model="Patient", v3=row("/x", filters=("tooth",))
        ),
        "and no dictionary in nexhealth_async/filters takes `tooth`: add `class XRaysFilters(",
    ),
    "a method of a noun that is there": (
        Endpoint[object](resource="patients", verb="undo", model="Patient", v3=row("/x")),
        "add `undo` to the class `Patients` in nexhealth_async/resources/people.py.",
    ),
    "a class": (
        Endpoint[object](resource="patients.x_rays", verb="get", model="Patient", v3=row("/x")),
        "add `class PatientsXRays(Noun)` with a method `get` to nexhealth_async/resources/people.",
    ),
    "a name that is spelt well": (
        Endpoint[object](resource="pateints", verb="get", model="Patient", v3=row("/x")),
        "Or, if `pateints` is misspelt: `resource` of `UNDER_TEST` in nexhealth_async/endpoints/",
    ),
    "a way through a practice": (
        Endpoint[object](resource="x_rays", verb="get", model="Patient", v3=row("/x")),
        "add the property `x_rays` to `PracticeNouns` in nexhealth_async/scopes.py",
    ),
    "a way through a location": (
        Endpoint[object](
            resource="x_rays",
            verb="get",
            model="Patient",
            v3=row("/x", location=Need.OPTIONAL),
        ),
        "add the property `x_rays` to `LocationNouns` in nexhealth_async/scopes.py",
    ),
    "a way through another noun": (
        Endpoint[object](resource="patients.x_rays", verb="get", model="Patient", v3=row("/x")),
        "add the property `x_rays` to the noun `patients`",
    ),
    "a route in one version": (
        Endpoint[object](
            resource="patients",
            verb="walk",
            model="Patient",
            v2=row("/x", paging=Paging.WHOLE),
            v3=row("/patients"),
        ),
        "The sandbox does not serve `GET /x` in v2",
    ),
}
CALLED = {"a way through a practice", "a way through a location", "a way through another noun"}


@pytest.mark.parametrize("missing", CASES)
def test_the_next_step_names_its_file(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, said = CASES[missing]
    name = "PATIENTS" if missing in CALLED or "route" in missing else "UNDER_TEST"
    declare(monkeypatch, endpoint, name)
    assert said in next_step(endpoint)


X_RAY = Endpoint[object](
    resource="x_rays", verb="walk", model="XRay", v3=row("/x", filters=("tooth", "side"))
)


def declare(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint[object], name: str = "X_RAYS"
) -> None:
    monkeypatch.setattr(people, name, endpoint, raising=False)
    monkeypatch.setattr(people, "__all__", [*people.__all__, name])


def add(monkeypatch: pytest.MonkeyPatch, module: Any, made: Any) -> None:
    """Put a class into a module as if it were written there."""
    made.__module__ = module.__name__
    monkeypatch.setattr(module, made.__name__, made, raising=False)


def name_in(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    monkeypatch.setattr(module, "__all__", [*module.__all__, name])


def test_a_row_that_its_module_does_not_name_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "X_RAYS", X_RAY, raising=False)
    assert next_step(X_RAY) == (
        "`X_RAYS` is not in `__all__` of nexhealth_async/endpoints/people.py: add it there."
    )


def test_a_dictionary_that_is_there_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class XRayFilters(TypedDict, total=False):
        subdomain: str
        tooth: str
        sied: str

    declare(monkeypatch, X_RAY)
    add(monkeypatch, people_filters, XRayFilters)
    there = "`side`, `tooth`: `XRayFilters` in nexhealth_async/filters/people.py is there, but "
    assert f"{there}lacks `side` and has `sied`." in next_step(X_RAY)
    XRayFilters.__annotations__["side"] = XRayFilters.__annotations__.pop("sied")
    assert f"{there}not in `__all__`." in next_step(X_RAY)
    name_in(monkeypatch, filters, "XRayFilters")
    monkeypatch.setattr(filters, "XRayFilters", XRayFilters, raising=False)
    assert "no such class: add `class XRay(Record)`" in next_step(X_RAY)


def test_a_model_that_is_there_is_asked_for_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class XRay:
        pass

    endpoint = Endpoint[object](resource="x_rays", verb="get", model="XRay", v3=row("/x"))
    declare(monkeypatch, endpoint)
    assert "add `class XRay(Record)` to nexhealth_async/models/people.py" in next_step(endpoint)
    add(monkeypatch, people_models, XRay)
    assert next_step(endpoint) == (
        "`XRay` is there, but not in `__all__` of nexhealth_async/models/people.py."
    )
    name_in(monkeypatch, people_models, "XRay")
    assert next_step(endpoint) == (
        "`XRay` is in nexhealth_async/models/people.py, but not everywhere in "
        "nexhealth_async/models/__init__.py: add it to the import under `TYPE_CHECKING` and "
        '`__all__` and "people" in `_HOMES`.'
    )
    name_in(monkeypatch, models, "XRay")
    monkeypatch.setitem(models._HOMES, "people", (*models._HOMES["people"], "XRay"))
    assert next_step(endpoint).endswith("add it to the import under `TYPE_CHECKING`.")

    def source(_: object) -> str:
        return "if TYPE_CHECKING:\n    from nexhealth_async.models.people import XRay\n"

    monkeypatch.setattr(inspect, "getsource", source)
    assert "`XRay` has no sample" in next_step(endpoint)
    monkeypatch.setattr(steps, "SAMPLES", [("XRay", "{}")])
    assert "`XRay` stands for no published schema" in next_step(endpoint)


def test_a_noun_that_is_there_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class XRays(Noun):
        def get(self) -> object:
            return endpoints.PATIENTS

    endpoint = Endpoint[object](resource="x_rays", verb="get", model="Patient", v3=row("/x"))
    declare(monkeypatch, endpoint)
    add(monkeypatch, people_nouns, XRays)
    assert next_step(endpoint) == (
        "No method in nexhealth_async/resources calls `to.X_RAYS`: `XRays` is there, but not in "
        "`__all__` of nexhealth_async/resources/people.py and "
        "nexhealth_async/resources/__init__.py."
    )
    name_in(monkeypatch, people_nouns, "XRays")
    name_in(monkeypatch, resources, "XRays")
    monkeypatch.setattr(resources, "XRays", XRays, raising=False)
    assert "is there, but its `get` calls `to.PATIENTS`." in next_step(endpoint)
    monkeypatch.delattr(XRays, "get")
    assert "add `get` to the class `XRays` in nexhealth_async/resources/people" in next_step(
        endpoint
    )


def test_what_makes_the_rows_of_a_table_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_practice", steps._practice.__wrapped__)
    monkeypatch.delattr(Bookkeeper, "clinical_note")
    assert maker_missing() == (
        "No practice can be made: nexhealth_async/sandbox/practice.py asks for `clinical_note` of "
        "`Bookkeeper`: add `def clinical_note(self, index: int, id: int) -> Row` to that class in "
        "nexhealth_async/sandbox/bookkeeper.py."
    )
    assert next_step(endpoints.CLINICAL_NOTES) == ""


def test_lines_that_the_reference_lacks_are_asked_for_last(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {"ClinicalNote": "a page lacks a line", "Patient": "another page lacks one"}
    monkeypatch.setattr(steps, "lines_missing", lambda: lines)
    assert next_step(endpoints.CLINICAL_NOTES) == (
        "`clinical_notes.walk` is not in the reference: a page lacks a line."
    )
