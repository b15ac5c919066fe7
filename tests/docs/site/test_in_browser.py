"""The pages in a browser: on phones and desktops, light and dark."""

from __future__ import annotations

from typing import Final

import pytest

from tests.docs.site.browser import BrowserTab, browser, served
from tests.docs.site.built import BuiltSite, site

__all__ = ["site"]

pytestmark = pytest.mark.timeout(900)

_WINDOWS: Final = ((390, 844), (1400, 900))
_TOO_WIDE: Final = """Math.max(...[
  document.documentElement, ...document.querySelectorAll(".main, .content")
].map((one) => one.scrollWidth - one.clientWidth))"""
"""Return how far the page, or its text column, scrolls sideways."""
_CONTRAST: Final = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(
      (v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const ratio = (one) => {
    const ink = light(getComputedStyle(one).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  };
  const shown = [...document.querySelectorAll("article p, article a, article h1, article dt")];
  return [ground, Math.min(...shown.map(ratio))];
})()"""
_READABLE: Final = 4.5
"""Minimum contrast of text in the accessibility guidelines."""
_RESULTS: Final = """new Promise((found) => {
  const look = () => {
    const all = [...document.querySelectorAll("#search-results li a")].map((one) => one.href);
    if (document.querySelector("#search-progress, .search-summary") && all.length) found(all);
    else setTimeout(look, 20);
  };
  look();
})"""


async def test_every_page_fits_and_is_readable(site: BuiltSite) -> None:
    faults: list[str] = []
    async with browser() as tab, served(site.html) as base:
        for page in site.pages:
            name = page.relative_to(site.html).as_posix()
            await tab.open(f"{base}/{name}")
            faults += [f"{name}: {fault}" for fault in await _faults(tab, base)]
    assert faults == []


async def _faults(tab: BrowserTab, base: str) -> list[str]:
    found: list[str] = []
    for width, height in _WINDOWS:
        await tab.resize(width, height)
        if wider := await tab.value(_TOO_WIDE):
            found.append(f"{wider} pixels too wide for {width}")
    for scheme in ("light", "dark"):
        await tab.prefer(scheme)
        ground, contrast = await tab.value(_CONTRAST)
        if (ground < 0.5) != (scheme == "dark"):
            found.append(f"not {scheme}")
        if contrast is not None and contrast < _READABLE:
            found.append(f"contrast of {contrast:.1f} when {scheme}")
    foreign = [request for request in tab.requests if not request.startswith((base, "data:"))]
    return [*found, *tab.complaints, *foreign]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("find_or_create", "nexhealth_async.resources.patients.Patients.find_or_create"),
        ("OutcomeUnknownError", "nexhealth_async.OutcomeUnknownError"),
    ],
)
async def test_search_finds_a_name_and_links_to_it(site: BuiltSite, query: str, name: str) -> None:
    async with browser() as tab, served(site.html) as base:
        await tab.open(f"{base}/search.html?q={query}")
        found: list[str] = await tab.value(_RESULTS)
        (wanted,) = {one for one in found if one.endswith(f"#{name}")}
        await tab.open(wanted)
        assert await tab.value("document.getElementById(location.hash.slice(1)).textContent")
        assert tab.complaints == []
