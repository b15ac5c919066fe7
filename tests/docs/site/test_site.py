"""The site is complete: no warning, foreign host, dead link or missing public name."""

from __future__ import annotations

import re
import zlib
from importlib import import_module
from importlib.util import find_spec
from inspect import isclass, isroutine
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.site.built import ROOT, BuiltSite, missing, site
from tests.docs.site.reading import read

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]

pytestmark = pytest.mark.timeout(900)

_IMPORT = re.compile(r"^ *from (nexhealth_async[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SHEET = re.compile(r"""(?:url\(|@import )\s*["']?([^"')\s]+)""")
_TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_site_builds_without_a_warning(site: BuiltSite) -> None:
    assert site.status == 0, site.log


def test_no_page_loads_from_a_foreign_host(site: BuiltSite) -> None:
    fetched = {(page.name, to) for page in site.pages for to in read(page).fetched}
    fetched |= {(path.name, to) for path in site.html.rglob("*.css") for to in _fetched_by(path)}
    assert len(fetched) > 100
    assert [one for one in fetched if urlsplit(one[1]).netloc] == []


def _fetched_by(sheet: Path) -> list[str]:
    """Return the URLs in a style sheet."""
    return _SHEET.findall(sheet.read_text(encoding="utf-8"))


def test_every_link_within_the_site_is_valid(site: BuiltSite) -> None:
    pages = {page: read(page) for page in site.pages}
    dead: list[str] = []
    for page, said in pages.items():
        for to in said.links:
            parts = urlsplit(to)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = unquote(parts.fragment)
            there = pages.get(target)
            if not target.is_file() or (anchor and there and anchor not in there.anchors):
                dead.append(f"{page.relative_to(site.html)}: {to}")
    assert len(pages) > 40
    assert dead == []


@pytest.mark.parametrize("file", _TEXTS, ids=[str(text.relative_to(ROOT)) for text in _TEXTS])
def test_every_link_is_valid_on_a_code_host_too(file: Path) -> None:
    dead: list[str] = []
    found: list[str] = _LINK.findall(_CODE.sub("", file.read_text(encoding="utf-8")))
    for to in found:
        path, _, anchor = to.partition("#")
        if urlsplit(path).scheme:
            continue
        target = (file.parent / path).resolve() if path else file
        is_there = target.exists() and (target.is_relative_to(ROOT))
        if not is_there or (anchor and anchor not in _headings(target)):
            dead.append(to)
    assert dead == []


def test_the_example_on_the_first_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    exec(compile(code, "index.md", "exec"), {"__name__": "index"})  # noqa: S102 - our own page
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) > 500
    assert all(re.fullmatch(r"Patient\(id=\d+\)", line) for line in shown)


def _headings(file: Path) -> set[str]:
    """Return the anchors that a code host generates for the headings of a file."""
    text = re.sub(
        r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_public_name_is_in_the_reference(site: BuiltSite) -> None:
    from docs._sphinx.names import homes, offered, written_in

    listed = _listed(site)
    lacking = [
        name
        for name, value in offered()
        if listed.isdisjoint({name, *homes().get(written_in(value) or "", ())})
    ]
    assert len(listed) > 1_000
    assert lacking == []


def test_a_name_has_one_entry_in_the_reference(site: BuiltSite) -> None:
    from docs._sphinx.names import homes

    listed = _listed(site)
    twice = [names for names in homes().values() if len(listed.intersection(names)) > 1]
    assert twice == []


def test_a_method_links_to_its_filters_and_each_key_is_documented(site: BuiltSite) -> None:
    links = read(site.html / "reference/resources/patients.html").links
    assert "#nexhealth_async.resources.patients.PatientFilters" in links
    assert "../models/people.html#nexhealth_async.models.Patient" in links
    pages = (site.html / "reference/resources").glob("*.html")
    assert [page.name for page in pages if "<dd></dd>" in page.read_text(encoding="utf-8")] == []


def test_members_from_private_bases_are_shown_on_their_class(site: BuiltSite) -> None:
    assert _listed(site) >= {
        "nexhealth_async.Walk.aclose",
        "nexhealth_async.models.Patient.bio",
        "nexhealth_async.sandbox.Sandbox.fail_next",
    }


def test_the_documentation_imports_public_names_only() -> None:
    """Modules and names, in every Markdown file and in the examples."""
    if find_spec("sphinx") is None:
        missing("Sphinx", "pip install --group docs")
    from docs._sphinx.names import MODULES, homes, offered, written_in

    public = {*MODULES, *homes(), *(name for name, _ in offered())}
    strange: list[str] = []
    for file in [*_TEXTS, *ROOT.glob("docs/examples/*.py")]:
        text = file.read_text(encoding="utf-8")
        for module, names in _IMPORT.findall(text):
            for name in re.findall(r"\w+", re.sub(r"#.*| as \w+", "", names)):
                value: object = getattr(import_module(module), name, None)
                home = value.__name__ if isinstance(value, ModuleType) else written_in(value)
                if public.isdisjoint({home, f"{module}.{name}"}):
                    strange.append(f"{file.name}: {module}.{name}")
    assert strange == []


def test_every_public_class_and_function_is_documented() -> None:
    if find_spec("sphinx") is None:
        missing("Sphinx", "pip install --group docs")
    from docs._sphinx.names import offered

    silent = [
        name
        for name, value in offered()
        if (isclass(value) or isroutine(value)) and not _says(value)
    ]
    assert silent == []


def _says(value: object) -> bool:
    """Tell whether there is a docstring that somebody wrote."""
    text = value.__doc__ or ""
    return bool(text) and not text.startswith(("dict() ->", "Method generated by attrs"))


def _listed(site: BuiltSite) -> set[str]:
    """Return the names that have an entry in the built site, without aliases."""
    *head, packed = (site.html / "objects.inv").read_bytes().split(b"\n", 4)
    assert b"zlib" in head[-1]
    lines = [line.split() for line in zlib.decompress(packed).decode().splitlines()]
    return {name for name, kind, rank, *_ in lines if kind.startswith("py:") and rank != "-1"}
