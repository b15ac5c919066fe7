"""Completion, hover texts and errors in an editor, from pyright's language server."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import nexhealth_async
from nexhealth_async import models as m
from nexhealth_async import resources, scopes
from nexhealth_async.resources.patients import PatientFilters
from tests.editor.server import CARET, Editor, editing

pytestmark = pytest.mark.timeout(200)

HEAD = """from nexhealth_async import NexHealth, errors, models as m
nex = NexHealth("key")
practice = nex.practice("demo")
location = practice.location(7)
patient = m.Patient(id=1)
"""


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    if not shutil.which("pyright-langserver", path=sysconfig.get_path("scripts")):
        pytest.skip("pyright is not installed; it comes with the dependency group types")
    folder: Path = tmp_path_factory.mktemp("editor")
    with editing(folder) as started:
        yield started


def resource_names(scope: type[object]) -> set[str]:
    found = (
        name
        for kind in scope.__mro__
        for name, value in vars(kind).items()
        if isinstance(value, property)
    )
    return {name for name in found if not name.startswith("_")}


def test_completion_offers_every_filter_as_a_keyword(editor: Editor) -> None:
    offered = editor.offers(f"{HEAD}location.patients.walk({CARET})\n")
    assert {f"{name}=" for name in PatientFilters.__annotations__} <= offered
    assert {"per_page=", "limit=", "prefetch="} <= offered


def test_completion_offers_the_fields_of_a_model(editor: Editor) -> None:
    offered = editor.offers(f"{HEAD}patient.{CARET}\n")
    assert {name for name in m.Patient.__annotations__ if not name.startswith("_")} <= offered


@pytest.mark.parametrize(
    ("expression", "scope"),
    [
        ("location", resources.LocationResources),
        ("practice", resources.PracticeResources),
        ("nex", scopes.AccountScope),
    ],
)
def test_completion_offers_only_the_resources_of_a_scope(
    editor: Editor, expression: str, scope: type[object]
) -> None:
    offered = editor.offers(f"{HEAD}{expression}.{CARET}\n")
    every = resource_names(scopes.AccountScope)
    assert offered & every == resource_names(scope)
    assert "patients" in offered


def test_completion_offers_only_public_names(editor: Editor) -> None:
    offered = editor.offers(f"from nexhealth_async import {CARET}\n")
    assert set(nexhealth_async.__all__) <= offered
    assert {"SlotTakenError", "OutcomeUnknownError"} <= offered
    assert not {"TYPE_CHECKING", "import_module", "annotations"} & offered


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("location.patients.walk(in|active=False)", "Only inactive (True) or active (False) ones"),
        ("location.patients.create(first_n|ame='A')", "Some systems cut it off"),
        ("location.patients.wa|lk()", "Iterate over the patients of one location."),
        ("location.appointments.bo|ok", "Book a slot that `AvailableSlots.flat` found, once."),
        ("location.pat|ients", "The patients."),
        ("patient.gua|rantor_id", "Id of the person who pays."),
        ("errors.SlotT|akenError", "The slot is no longer available."),
        ("Nex|Health", "A session with the NexHealth API"),
    ],
)
def test_hovering_shows_the_docstring(editor: Editor, line: str, text: str) -> None:
    assert text in editor.shows(HEAD + line + "\n")


def test_hovering_over_a_method_shows_its_return_type(editor: Editor) -> None:
    assert "-> Walk[Patient]" in editor.shows(f"{HEAD}location.patients.wa{CARET}lk()\n")
    shown = editor.shows(f"{HEAD}async def f():\n    o{CARET}ne = await location.patients.get(7)\n")
    assert shown == "(variable) one: Patient"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("location.patients.walk(inactiv=False)", 'No parameter named "inactiv"'),
        ("location.patients.walk(inactive='no')", 'cannot be assigned to parameter "inactive"'),
        ("location.institutions.walk()", 'Cannot access attribute "institutions"'),
        ("patient.surname", 'Cannot access attribute "surname"'),
        ("location.appointments.walk()", 'Arguments missing for parameters "start", "end"'),
    ],
)
def test_errors_are_underlined(editor: Editor, line: str, complaint: str) -> None:
    (text,) = editor.complains(HEAD + line + "\n")
    assert complaint in text


def test_correct_code_is_not_underlined(editor: Editor) -> None:
    assert editor.complains(f"{HEAD}location.patients.walk(inactive=False, per_page=50)\n") == []
