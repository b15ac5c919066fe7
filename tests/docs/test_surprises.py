"""Each surprise says how it is known and what the library does, with valid references."""

from __future__ import annotations

import re

import pytest

import nexhealth_async
from nexhealth_async import InvalidArgumentError, NexHealth, errors
from nexhealth_async.sandbox import Sandbox
from tests.docs.generated_parts import DOCS

TEXT = (DOCS / "surprises.md").read_text(encoding="utf-8")
ENTRIES = re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]
PARTS = [entry.partition("\n## ")[0] for entry in ENTRIES]
TITLES = [part.partition("\n")[0] for part in PARTS]
WAYS = ("documented", "observed", "guessed", "open")


def test_no_surprise_occurs_twice() -> None:
    assert len(set(TITLES)) == len(TITLES) > 40


@pytest.mark.parametrize("part", PARTS, ids=TITLES)
def test_an_entry_says_how_it_is_known_and_what_the_library_does(part: str) -> None:
    known = re.search(r"^- \*Known:\* (\w+)", part, re.MULTILINE)
    here = re.search(r"^- \*Here:\* (.+)$", part, re.MULTILINE)
    assert known
    assert known[1] in WAYS or known[1] == "the"
    assert any(way in part.lower() for way in WAYS)
    assert here


def test_the_kinds_of_evidence_are_explained() -> None:
    head = TEXT.partition("## Access")[0]
    assert [way for way in WAYS if f"**{way.capitalize()}**" in head] == list(WAYS)


def test_every_named_error_exists() -> None:
    named = {name for name in re.findall(r"`([A-Z]\w+)[`(]", TEXT) if hasattr(errors, name)}
    others = set(re.findall(r"`([A-Z]\w+)`", TEXT)) - named
    assert len(named) > 12
    assert others <= {"Decimal"}


def test_every_named_method_exists() -> None:
    calls = set(re.findall(r"`(?:nex\.)?([a-z_]+)\.([a-z_]+)(?:\(.*?\))?`", TEXT))
    nex = NexHealth("no-key-is-needed-to-look")
    spoken_of = {(noun, verb) for noun, verb in calls if noun != "page" and hasattr(nex, noun)}
    assert len(spoken_of) > 6
    for noun, verb in spoken_of:
        assert hasattr(getattr(nex, noun), verb), f"{noun}.{verb}"
    assert hasattr(nexhealth_async, "normalize_phone")


@pytest.mark.parametrize(("version", "most"), [("v2", "300"), ("v3", "1000")])
async def test_the_largest_documented_page_size_is_requested(version: str, most: str) -> None:
    async with (
        Sandbox(patients=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url, version=version) as nex,
    ):
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        assert len([patient async for patient in location.patients.walk()]) <= 3
        assert {request.param("per_page") for request in sandbox.seen("GET", "/patients")} == {most}


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_response_is_read_for_every_media_type(version: str) -> None:
    async with (
        Sandbox(patients=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url, version=version) as nex,
    ):
        sandbox.media_type = "application/vnd.Nexhealth+json;version=2"
        patients = nex.practice(sandbox.subdomain).location(sandbox.location_id).patients
        assert [patient.id async for patient in patients.walk(new_patient=None)] == list(
            sandbox.patients.ids
        )


async def test_locations_are_locations_and_have_their_practice() -> None:
    async with (
        Sandbox(practices=2) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        found = {location.id: location.subdomain async for location in nex.locations.walk()}
        expected = {practice.locations.ids[0]: practice.subdomain for practice in sandbox.practices}
        assert found == expected


async def test_a_capital_letter_in_a_subdomain_is_refused_before_anything_is_sent() -> None:
    async with Sandbox() as sandbox, NexHealth(sandbox.api_key, base_url=sandbox.url) as nex:
        with pytest.raises(InvalidArgumentError):
            nex.practice(sandbox.subdomain.title()).patients.walk(location_id=sandbox.location_id)
        assert not sandbox.requests
