"""The examples and claims of docs/compared.md, executed, data loss included."""

from __future__ import annotations

from typing import Any

import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from nexhealth_async import NexHealth
from nexhealth_async.sandbox import Sandbox
from tests.docs.comparison import PARTS, result_rows
from tests.docs.generated_parts import DOCS, GeneratedPart

PAGE = DOCS / "compared.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """Run the blocks of the page in order, and return their names."""
    parser = CodeBlockParser("python", evaluator=lambda _: None)
    found: dict[str, Any] = {"__name__": "compared_page"}
    for example in Document.parse(str(PAGE), parser).examples():
        exec(compile(str(example.parsed), str(PAGE), "exec"), found)  # noqa: S102 - our own page
    return found


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_figures_match_the_results(part: GeneratedPart) -> None:
    assert part.stands(), "python -m tests.docs.comparison"


async def test_the_handwritten_pager_reads_a_stable_list(names: dict[str, Any]) -> None:
    async with Sandbox(patients=30) as sandbox, names["signed_in"](sandbox) as http:
        found = [patient["id"] async for patient in names["patients_by_hand"](http, sandbox)]
        assert found == list(sandbox.patients.ids)


async def test_shifting_pages_cost_the_handwritten_pager_a_record_and_the_walk_none(
    names: dict[str, Any],
) -> None:
    assert "By hand one patient is missing" in TEXT
    assert await names["missed"]() == (1, 0)


async def test_the_handwritten_pager_never_ends_in_v3_and_the_walk_does(
    names: dict[str, Any],
) -> None:
    assert "By hand 200 records come" in TEXT
    assert "of only 10 patients" in TEXT
    assert await names["pages_until_patience_ends"]() == (200, 10, 30)


async def test_a_lost_response_books_twice_in_handwritten_code_and_once_here(
    names: dict[str, Any],
) -> None:
    assert "By hand the patient has two appointments" in TEXT
    assert await names["booked"]() == (2, 1)


async def test_an_ignored_filter_returns_others_in_handwritten_code_and_raises_here(
    names: dict[str, Any], nexhealth: NexHealth, nexhealth_sandbox: Sandbox
) -> None:
    assert "By hand five patients" in TEXT
    count, said = await names["found"]("Nobody Of That Name")
    assert count == 5
    assert "search" in said
    walk: Any = nexhealth.practice(nexhealth_sandbox.subdomain).location(1).patients.walk
    with pytest.raises(TypeError):
        walk(search="Nobody")


def test_the_results_confirm_where_handwritten_code_is_better() -> None:
    light = result_rows("Pulling light records, 1,000 a page")
    assert float(light["aiohttp + orjson, dicts"][0]) < float(light["**walk, models**"][0])
    imports = result_rows("Import")
    assert float(imports["**`from nexhealth_async import NexHealth`**"][1]) > 1
