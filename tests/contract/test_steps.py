"""Each endpoint is carried through the house; where one is not, the failure names the next file."""

from __future__ import annotations

from typing import Any

import pytest

from nexhealth_async import models
from nexhealth_async.endpoints import ALL, Endpoint, Need, Paging, Row, people
from nexhealth_async.models import Patient
from tests.contract import steps
from tests.contract.steps import next_step
from tests.contract.surface import dotted_name


@pytest.mark.parametrize("endpoint", ALL, ids=dotted_name)
def test_an_endpoint_has_filters_model_sample_method_scope_and_route(
    endpoint: Endpoint[object],
) -> None:
    if step := next_step(endpoint):
        pytest.fail(step, pytrace=False)


def row(path: str, **more: Any) -> Row:
    return Row(method="GET", path=path, **more)


CASES = {
    "a dictionary": (
        Endpoint[object](
            resource="x_rays", verb="walk", model="Patient", v3=row("/x", filters=("tooth",))
        ),
        "and no dictionary in nexhealth_async/filters takes `tooth`: add `class PatientFilters(",
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
    monkeypatch.setattr(people, name, endpoint, raising=False)
    assert said in next_step(endpoint)


def test_a_model_without_class_or_sample_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint[object](resource="x_rays", verb="get", model="XRay", v3=row("/x"))
    monkeypatch.setattr(people, "UNDER_TEST", endpoint, raising=False)
    assert "add `class XRay(Record)` to nexhealth_async/models/people.py" in next_step(endpoint)
    monkeypatch.setitem(vars(models), "XRay", Patient)
    assert "`XRay` has no sample" in next_step(endpoint)
    monkeypatch.setattr(steps, "SAMPLES", [("XRay", "{}")])
    assert "`XRay` stands for no published schema" in next_step(endpoint)
