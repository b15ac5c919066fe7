"""The frames between a caller and aiohttp, counted in a running program."""

from __future__ import annotations

import pytest

from benchmarks.call_path import call_path, page_path
from nexhealth_async.pagination import page_plans
from nexhealth_async.pagination.walk import Walk
from tests.pagination.scripted_source import ListSource


async def test_a_call_passes_six_coroutines_of_the_library_at_most() -> None:
    path = await call_path()
    assert [name.rpartition(": ")[2] for name in path.coroutines] == [
        "_call_stripped",
        "Patients.get",
        "Client.call",
        "CallRunner.run",
        "Transport.send",
        "Transport._exchange",
    ]
    assert path.functions == ()
    assert path.waiting == ()
    assert len(path.coroutines) <= path.totals.coroutines <= 9
    assert path.totals.functions <= 85


async def test_a_page_passes_four_coroutines_and_three_wait_for_it() -> None:
    path = await page_path()
    assert [name.rpartition(": ")[2] for name in path.coroutines] == [
        "Client.fetch_page",
        "CallRunner.run",
        "Transport.send",
        "Transport._exchange",
    ]
    assert path.functions == ()
    assert [name.rpartition(": ")[2] for name in path.waiting] == [
        "Walk.__anext__",
        "Walk._advance",
        "Pager.next",
    ]
    assert path.totals.coroutines <= 13
    assert path.totals.functions <= 160


@pytest.mark.parametrize("view", ["records", "pages", "raw_pages", "raw", "raw_json", "with_json"])
async def test_the_plan_of_a_walk_is_built_once(view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []
    begin = page_plans.NumberedPlan.__init__

    def count(self: page_plans.NumberedPlan, **options: object) -> None:
        built.append(self)
        begin(self, **options)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(page_plans.NumberedPlan, "__init__", count)
    walk: Walk[object] = ListSource(7).walk(per_page=3)  # type: ignore[assignment]  # of patients
    view_of_it = walk if view == "records" else getattr(walk, view)()
    assert not built
    assert [one async for one in view_of_it]
    assert len(built) == 1
