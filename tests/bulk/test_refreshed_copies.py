"""Copies refreshed after random changes equal fresh ones, row by row, in both databases."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nexhealth_async.bulk import Deletions, facts
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.bulk.helpers import VERSIONS, scene
from tests.bulk.kill.child import target_of
from tests.bulk.kill.reading import Contents, read_back
from tests.export.postgres_server import PostgresServer, new_database

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.bulk import Report
    from nexhealth_async.sandbox import Practice, Sandbox
    from tests.bulk.helpers import BulkScene

ROUNDS = 3
RESOURCES = ["patients", "appointments", "procedures", "operatories", "insurance_plans"]
MORE = {"v2": ["nex_staff"], "v3": ["charges"]}
"""Only v3: deleted charges stay in the list, with the time of deletion."""
TABLES = ("patients", "appointments", "procedures", "operatories", "insurance_plans", "charges")


def change(sandbox: Sandbox, draw: random.Random, tombstones: set[str]) -> None:
    """Change, move, add and delete records at random."""
    now = format_timestamp(sandbox.clock.now())
    for practice in sandbox.practices:
        _move(practice, draw, now)
        for name in TABLES:
            table = getattr(practice, name)
            for _ in range(draw.randrange(3)):
                table.insert(draw.randrange(len(table)), created_at=now, updated_at=now)
            for id in draw.sample(list(table.ids), draw.randrange(3)):
                table.update(id, foreign_id=f"changed-{draw.random()}", updated_at=now)
            for id in draw.sample(list(table.ids), min(draw.randrange(3), len(table) - 1)):
                if name in tombstones:
                    table.update(id, deleted_at=now, updated_at=now)
                else:
                    table.delete(id)


def _move(practice: Practice, draw: random.Random, now: str) -> None:
    """Move appointments to other locations and years, cancel some and restore some."""
    visits = practice.appointments
    for id in draw.sample(list(visits.ids), 5):
        year = draw.choice((2019, 2023, 2025, 2026, 2029))
        visit = visits.row(id)
        begins, ends = (f"{year}{str(visit[name])[4:]}" for name in ("start_time", "end_time"))
        visits.update(
            id,
            location_id=draw.choice(practice.locations.ids),
            cancelled=draw.random() < 0.4,
            start_time=begins,
            end_time=ends,
            updated_at=now,
        )
    rooms = practice.operatories
    for id in draw.sample(list(rooms.ids), 2):
        rooms.update(id, location_id=draw.choice(practice.locations.ids), updated_at=now)


class CopyRefresher:
    """Makes copies of one kind at new places, and refreshes them."""

    def __init__(self, kind: str, resources: list[str], places: list[str]) -> None:
        self.kind, self.resources, self._places = kind, resources, places

    def new_place(self) -> str:
        return self._places.pop()

    async def refresh(self, at: BulkScene, place: str) -> Report:
        report = await at.nex.bulk.copy(
            self.resources,
            to=target_of(self.kind, place),
            since="last",
            compare=timedelta(0),
            per_page=20,
        )
        report.raise_if_partial()
        return report

    async def fresh(self, at: BulkScene) -> Contents:
        place = self.new_place()
        report = await at.nex.bulk.copy(self.resources, to=target_of(self.kind, place))
        report.raise_if_partial()
        return await read_back(self.kind, place, self.resources)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
async def test_a_copy_refreshed_after_random_changes_equals_a_fresh_one(
    kind: str, version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = 11
    draw = random.Random(seed)
    async with AsyncExitStack() as stack:
        places = [str(tmp_path / f"copy{number}.duckdb") for number in range(ROUNDS + 1)]
        if kind == "postgres":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            places = [await stack.enter_async_context(new_database(server)) for _ in places]
        at = await stack.enter_async_context(scene(version, patients=30, appointments=24))
        tombstones = {
            name
            for name in RESOURCES + MORE[version]
            if facts(name, version).deletions is Deletions.TOMBSTONES
        }
        for practice in at.sandbox.practices:  # else they follow the procedures, and say no change
            for id in practice.charges.ids:
                practice.charges.update(id)
        copies = CopyRefresher(kind, RESOURCES + MORE[version], places)
        place = copies.new_place()
        await copies.refresh(at, place)
        gone = 0
        for _ in range(ROUNDS):
            change(at.sandbox, draw, tombstones)
            report = await copies.refresh(at, place)
            gone += sum(report.deleted.values())
            refreshed = await read_back(kind, place, copies.resources)
            fresh = await copies.fresh(at)
            for key, rows in fresh.items():
                assert refreshed[key] == rows
            assert refreshed == fresh
        assert gone
