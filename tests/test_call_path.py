"""The frames between a caller and aiohttp are counted in a running program."""

from __future__ import annotations

from benchmarks.call_path import call_path, page_path


async def test_the_path_of_a_call_leads_from_the_method_to_the_transport() -> None:
    path = await call_path()
    assert any(name.endswith("Patients.get") for name in path.coroutines)
    assert "transport" in path.coroutines[-1]
    assert not path.waiting
    assert path.totals.coroutines >= len(path.coroutines)
    assert path.totals.functions >= len(path.functions)


async def test_the_path_of_a_page_names_the_walk_that_waits_for_it() -> None:
    path = await page_path()
    assert "transport" in path.coroutines[-1]
    assert any(name.endswith("Walk.__anext__") for name in (*path.coroutines, *path.waiting))
