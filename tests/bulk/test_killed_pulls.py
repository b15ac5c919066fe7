"""Pulls killed with ``kill -9`` and resumed equal the truth, each record once, in every target.

``python -m tests.bulk.kill`` does the same for any number of moments.
"""

from __future__ import annotations

import itertools
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.bulk.helpers import VERSIONS
from tests.bulk.kill.child import KINDS
from tests.bulk.kill.harness import killed_pulls
from tests.export.postgres_server import PostgresServer, new_database

if TYPE_CHECKING:
    from pathlib import Path

_MOMENTS = 3


@pytest.mark.parametrize(
    ("kind", "version"), [*zip(KINDS, itertools.cycle(VERSIONS), strict=False)]
)
async def test_a_copy_killed_at_random_moments_and_resumed_equals_the_truth(
    kind: str, version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await killed(kind, version, tmp_path, request)


@pytest.mark.parametrize(
    ("kind", "version"),
    [("jsonl", "v3"), ("parquet", "v2"), ("duckdb", "v3"), ("postgres", "v3")],
)
async def test_a_recopy_killed_at_random_moments_and_resumed_equals_the_truth(
    kind: str, version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await killed(kind, version, tmp_path, request, recopies=True)


async def killed(
    kind: str,
    version: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    *,
    recopies: bool = False,
) -> None:
    async with AsyncExitStack() as stack:
        places = (str(tmp_path / f"copy{number}") for number in itertools.count())
        if kind == "postgres":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            made = [
                await stack.enter_async_context(new_database(server)) for _ in range(_MOMENTS + 1)
            ]
            places = (url for url in made)
        tally = await killed_pulls(
            kind,
            version,
            moments=_MOMENTS,
            seed=7,
            new_place=lambda: next(places),
            recopies=recopies,
        )
    assert tally.moments == _MOMENTS
    assert tally.copies
