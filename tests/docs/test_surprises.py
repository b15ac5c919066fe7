"""Each surprise says how it is known and what is done about it, in words that lead somewhere."""

from __future__ import annotations

import re

import pytest

import nexhealth_async
from nexhealth_async import NexHealth, errors
from tests.docs.parts import DOCS

TEXT = (DOCS / "surprises.md").read_text(encoding="utf-8")
ENTRIES = re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]
PARTS = [entry.partition("\n## ")[0] for entry in ENTRIES]
TITLES = [part.partition("\n")[0] for part in PARTS]
WAYS = ("documented", "observed", "guessed", "open")


def test_there_are_many_and_none_comes_twice() -> None:
    assert len(set(TITLES)) == len(TITLES) > 40


@pytest.mark.parametrize("part", PARTS, ids=TITLES)
def test_it_says_how_it_is_known_and_what_is_done(part: str) -> None:
    known = re.search(r"^- \*Known:\* (\w+)", part, re.MULTILINE)
    here = re.search(r"^- \*Here:\* (.+)$", part, re.MULTILINE)
    assert known
    assert known[1] in WAYS or known[1] == "the"
    assert any(way in part.lower() for way in WAYS)
    assert here
    assert len(here[1]) > 30


def test_the_ways_of_knowing_are_explained() -> None:
    head = TEXT.partition("## Access")[0]
    assert [way for way in WAYS if f"**{way.capitalize()}**" in head] == list(WAYS)


def test_every_error_named_exists() -> None:
    named = {name for name in re.findall(r"`([A-Z]\w+)[`(]", TEXT) if hasattr(errors, name)}
    others = set(re.findall(r"`([A-Z]\w+)`", TEXT)) - named
    assert len(named) > 12
    assert others <= {"Decimal"}


def test_every_method_named_exists() -> None:
    calls = set(re.findall(r"`(?:nex\.)?([a-z_]+)\.([a-z_]+)(?:\(.*?\))?`", TEXT))
    nex = NexHealth("no-key-is-needed-to-look")
    spoken_of = {(noun, verb) for noun, verb in calls if noun != "page" and hasattr(nex, noun)}
    assert len(spoken_of) > 6
    for noun, verb in spoken_of:
        assert hasattr(getattr(nex, noun), verb), f"{noun}.{verb}"
    assert hasattr(nexhealth_async, "normalize_phone")
