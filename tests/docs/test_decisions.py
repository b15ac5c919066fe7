"""Each entry of docs/decisions.md has date, decision, reason, alternatives and a valid location."""

from __future__ import annotations

import re

from tests.docs.generated_parts import DOCS

TEXT = (DOCS / "decisions.md").read_text(encoding="utf-8")
ENTRIES = re.split(r"^## (?=\d+\. )", TEXT, flags=re.MULTILINE)[1:]


def test_entries_are_numbered_consecutively() -> None:
    numbers = [int(entry.partition(".")[0]) for entry in ENTRIES]
    assert numbers == list(range(1, len(ENTRIES) + 1))
    assert len(ENTRIES) >= 20


def test_every_entry_has_all_parts_in_order() -> None:
    for entry in ENTRIES:
        title, _, day, _, *rest = entry.strip().splitlines()
        assert re.fullmatch(r"\d{1,2} [A-Z][a-z]+ 20\d\d\.", day), title
        heads = [line.split("**")[1] for line in rest if line.startswith("- **")]
        assert len(heads) == len(rest), title
        assert heads == ["Decided:", "Why:", "Turned down:", "Shows in"], title


def test_every_entry_names_an_existing_place() -> None:
    for entry in ENTRIES:
        shows = entry.split("**Shows in**")[1]
        assert "](" in shows, entry.partition("\n")[0]
