"""The guides: their recipes equal the examples, and their test code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from nexhealth_async import errors, pytest_plugin, testing
from tests.apps.server import load_example
from tests.docs.recipes import DOCS, GUIDES, included, recipe

pytest_plugins = ["pytester"]


def blocks(guide: str) -> list[str]:
    parser = CodeBlockParser("python", evaluator=lambda _: None)
    document = Document.parse(str(DOCS / guide), parser)
    return [str(example.parsed) for example in document.examples()]


@pytest.mark.parametrize("guide", GUIDES)
def test_recipes_equal_the_examples(guide: str) -> None:
    text = (DOCS / guide).read_text(encoding="utf-8")
    assert included(text) == text, "python -m tests.docs.recipes"
    assert text.count("<!-- recipe: ") == text.count("```python") > 5


def test_a_recipe_includes_decorators_and_comments() -> None:
    assert recipe("aiohttp_app.py", ["handle_errors"]).startswith("@web.middleware\n")
    assert recipe("fastapi_app.py", ["_STATUSES"]).startswith("# What a visitor is told.")
    with pytest.raises(KeyError):
        recipe("fastapi_app.py", ["nothing"])


def test_every_example_is_in_the_guide() -> None:
    guide = (DOCS / "backends.md").read_text(encoding="utf-8")
    for example in (DOCS / "examples").glob("*.py"):
        assert f"<!-- recipe: {example.name} " in guide


def test_the_table_of_statuses_matches_the_example() -> None:
    guide = (DOCS / "backends.md").read_text(encoding="utf-8")
    table = load_example("fastapi_app")._STATUSES
    rows = re.findall(r"^\| (`[^|]*) \| (\d{3})", guide, re.MULTILINE)
    named = {name: int(status) for names, status in rows for name in re.findall(r"`(\w+)`", names)}
    assert len(named) > 10
    for name, status in named.items():
        kind = getattr(errors, name)
        assert status == next(expected for kinds, expected in table if issubclass(kind, kinds)), (
            name
        )


@pytest.mark.parametrize("version", ["auto", "v3"])
@pytest.mark.parametrize("nth", range(len(blocks("testing.md"))))
def test_the_test_code_of_the_guide_runs(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, nth: int, version: str
) -> None:
    monkeypatch.delenv("NEXHEALTH_API_VERSION")
    code = blocks("testing.md")[nth]
    pytester.makepyfile(code)
    expected = len(re.findall(r"^(?:async )?def test_", code, re.MULTILINE))
    assert expected
    options: tuple[str, ...] = ("-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error")
    # Starlette's test client wants another release of httpx than the other frameworks have.
    options += ("-W", "ignore:Using `httpx` with")
    scope = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    options += ("--nexhealth-version", version)
    pytester.runpytest_subprocess(*options, *scope).assert_outcomes(passed=expected)


def test_every_fixture_and_helper_is_in_the_guide() -> None:
    guide = (DOCS / "testing.md").read_text(encoding="utf-8")
    fixtures = [name for name in pytest_plugin.__all__ if name.startswith("nexhealth")]
    assert len(fixtures) > 5
    for name in (*fixtures, *testing.__all__):
        assert f"`{name}" in guide, name


def test_the_guides_exist_where_the_tests_expect_them() -> None:
    assert {path.name for path in Path(DOCS).glob("*.md")} >= {*GUIDES, "testing.md"}
