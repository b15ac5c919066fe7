"""docs/operations.md lists every operation of every version, in tables that fit a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docs._sphinx.tables import TABLES, with_tables
from nexhealth_async._protocol.rate_limits import Rates
from nexhealth_async.bulk import facts, resources
from nexhealth_async.resources import operations
from tests.docs.generated_parts import DOCS

TEXT = with_tables((DOCS / "operations.md").read_text(encoding="utf-8"))


def lines() -> Iterator[tuple[str, list[str]]]:
    """Yield each line of the tables, with the resource it belongs to."""
    resource = ""
    for line in TEXT.splitlines():
        if line.startswith("### "):
            resource = line.removeprefix("### ")
        elif line.startswith("| `"):
            yield resource, [cell.strip() for cell in line.strip("|").split("|")]


def test_every_table_occurs_on_one_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert sorted(re.findall(r"^<!-- table: (\w+) -->$", pages, re.MULTILINE)) == sorted(TABLES)


def test_every_operation_is_on_the_page_once_with_all_its_facts() -> None:
    replies = {
        "one": "single",
        "whole list": "whole",
        "numbered pages": "numbered",
        "cursors": "cursor",
    }
    shown: list[tuple[str, ...]] = []
    for resource, (method, request, reply, again) in lines():
        found = re.fullmatch(r"`([\w.]+)`(?: (v[23]))?", method)
        assert found
        safe = str(again == "yes")
        for version in [found[2]] if found[2] else ["v2", "v3"]:
            full = f"{resource}.{found[1]}"
            shown.append((version, full, request.strip("`"), replies[reply], safe))
    expected = [
        (
            one.version,
            f"{one.resource}.{one.verb}",
            f"{one.method} {one.path}",
            one.paging,
            str(one.safe),
        )
        for one in operations()
        if one.resource != "authenticates"
    ]
    assert sorted(shown) == sorted(expected)


def test_no_table_is_wider_than_four_short_columns() -> None:
    assert max(len(cells) for _, cells in lines()) == 4
    assert max(len(cells[0]) + len(cells[2]) + len(cells[3]) for _, cells in lines()) < 70


def test_the_documented_limits_match_the_code() -> None:
    limits = Rates()
    for name in ("slow", "people", "other"):
        assert f"*{name}*" in TEXT
    assert limits.slow
    assert limits.people
    assert limits.other
    assert limits.overall
    assert f"*slow* is {limits.slow.count} a second and also counts as *people*" in TEXT
    assert f"*people* is {limits.people.count:,} a minute" in TEXT
    assert f"*other* is {limits.other.count:,} a minute" in TEXT
    assert f"{limits.overall.count} a second hold for all of them together" in TEXT


def test_the_page_names_the_lists_that_the_api_filters_by_default() -> None:
    shortened = set[str]()
    resource = ""
    for line in TEXT.splitlines():
        if line.startswith("### "):
            resource = line.removeprefix("### ")
        elif "may leave out records by itself" in line:
            shortened.add(resource)
    limits = {
        name
        for version in ("v2", "v3")
        for name in resources(version)
        if any(arguments.filters for arguments in facts(name, version).lists)
    }
    assert {"patients", "appointments", "providers", "claims"} <= limits
    assert shortened == limits
