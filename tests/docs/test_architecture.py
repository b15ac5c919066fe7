"""The diagrams match the package, and are readable in light and dark mode."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from xml.etree import ElementTree as ET

import pytest

from tests.docs.diagrams import ABOUT, DRAWINGS, is_pure, layers, pure_modules
from tests.docs.generated_parts import DOCS

SVG = "{http://www.w3.org/2000/svg}"
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
NAMES = tuple(DRAWINGS)


def drawing(name: str) -> ET.Element:
    return ET.parse(DOCS / name).getroot()  # noqa: S314 - our own file


def modules(root: ET.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}text") if one.get("class") == "module"]


@pytest.mark.parametrize("name", NAMES)
def test_the_drawing_matches_the_scripts_output(name: str) -> None:
    there = (DOCS / name).read_text(encoding="utf-8")
    assert there == DRAWINGS[name](), "python -m tests.docs.diagrams"
    assert f"]({name})" in PAGE


def test_the_layers_match_the_contract() -> None:
    groups = [one for one in drawing("layers.svg").iter(f"{SVG}g") if one.get("class") == "group"]
    assert [modules(group) for group in groups] == layers()
    assert list(ABOUT) == [names[0] for names in layers()]


@pytest.mark.parametrize("name", NAMES)
def test_every_label_names_a_module(name: str) -> None:
    shown = modules(drawing(name))
    assert len(shown) > 10
    assert not [one for one in shown if find_spec(f"nexhealth_async.{one}") is None]


@pytest.mark.parametrize("name", NAMES)
def test_pure_modules_are_marked(name: str) -> None:
    """A chip and its label follow each other."""
    last = ""
    for one in drawing(name).iter():
        if one.tag == f"{SVG}rect":
            last = one.get("class") or ""
        elif one.get("class") == "module":
            pure = is_pure(one.text or "", pure_modules())
            assert last == ("pure" if pure else "chip"), one.text


@pytest.mark.parametrize("name", NAMES)
def test_the_drawing_fits_a_phone_and_has_a_title_and_a_dark_mode(name: str) -> None:
    root = drawing(name)
    width = float(root.get("viewBox", "").split()[2])
    assert width <= 480
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title")
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")
    for one in root.iter(f"{SVG}text"):
        letters = len(one.text or "") * (7.9 if one.get("class") == "module" else 7.2)
        begins = float(one.get("x", "0"))
        ends = {"start": begins + letters, "middle": begins + letters / 2, "end": begins}
        assert ends[one.get("text-anchor", "start")] <= width, one.text


def test_the_page_names_existing_modules() -> None:
    named = set(
        re.findall(r"`((?:_protocol|_client|pagination|sandbox)\.\w+|session|codec)`", PAGE)
    )
    assert len(named) > 6
    for one in named:
        import_module(f"nexhealth_async.{one}")
