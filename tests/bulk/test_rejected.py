"""Unreadable records: kept in every target, reported, and read again until they can be read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pytest
from attrs import define, evolve

from nexhealth_async import InvalidArgumentError, PartialPullError
from nexhealth_async.bulk import RejectedCount
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.bulk.helpers import VERSIONS, scene
from tests.bulk.kill.child import KINDS, target_of
from tests.bulk.kill.reading import read_back
from tests.bulk.memory_target import RecordingTarget
from tests.export.postgres_server import PostgresServer, connected, new_database

if TYPE_CHECKING:
    from nexhealth_async.bulk import Report, Target
    from nexhealth_async.sandbox import RecordTable, Sandbox

DATABASES = ("duckdb", "postgres")


@define
class RejectsTarget:
    """A target of some kind, and its contents."""

    kind: str
    where: str

    @property
    def target(self) -> Target:
        return target_of(self.kind, self.where)

    async def ids(self, resource: str) -> list[int]:
        found = await read_back(self.kind, self.where, [resource])
        return sorted(json.loads(row)["id"] for rows in found.values() for row in rows)

    async def row(self, resource: str, id: int) -> dict[str, Any]:
        found = await read_back(self.kind, self.where, [resource])
        rows = [json.loads(row) for rows in found.values() for row in rows]
        [row] = [row for row in rows if row["id"] == id]
        return cast("dict[str, Any]", row)

    async def rejected(self) -> list[dict[str, Any]]:
        """The stored rejected records, with their JSON decoded."""
        columns = "resource, _practice as practice, id, path, expected, record, shard"
        if self.kind == "duckdb":
            with duckdb.connect(self.where, read_only=True) as db:
                found = db.execute(f"select {columns} from _rejected").fetchall()  # noqa: S608 - ours
            rows: list[Any] = [tuple(row) for row in found]
        elif self.kind == "postgres":
            async with connected(self.where) as db:
                rows = [
                    tuple(cast("Any", row))
                    for row in await db.fetch(f"select {columns} from _rejected")  # noqa: S608 - ours
                ]
        else:
            path = Path(self.where) / "_rejected.jsonl"
            lines = path.read_text().splitlines() if path.exists() else []
            return [json.loads(line) for line in lines]
        names = ("resource", "practice", "id", "path", "expected", "record", "shard")
        made = [dict(zip(names, row, strict=True)) for row in rows]
        return [
            {
                **one,
                "record": json.loads(one["record"]),
                "id": None if one["id"] is None else int(one["id"]),
            }
            for one in made
        ]


@pytest.fixture(params=KINDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RejectsTarget]:
    async with _place(request, tmp_path) as stack:
        yield stack


@pytest.fixture(params=DATABASES)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RejectsTarget]:
    async with _place(request, tmp_path) as stack:
        yield stack


def _place(request: pytest.FixtureRequest, tmp_path: Path) -> _Placing:
    return _Placing(request, tmp_path)


class _Placing:
    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self._request, self._path = request, tmp_path
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> RejectsTarget:
        kind = cast("str", self._request.param)
        if kind != "postgres":
            return RejectsTarget(kind, str(self._path / "copy"))
        server: PostgresServer = self._request.getfixturevalue("postgres_server")
        return RejectsTarget(kind, await self._stack.enter_async_context(new_database(server)))

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()


def make_undecodable(table: RecordTable, id: int, /, **values: object) -> dict[str, object]:
    """Make a record unreadable, keeping its times; return the original."""
    good = dict(table.row(id))
    if "id" in values:
        table._rows[id] = {**good, **values}
    else:
        table.update(id, **{"updated_at": good["updated_at"], **values})
    return good


def make_decodable(table: RecordTable, id: int, good: dict[str, object]) -> None:
    table._rows[id] = {**good, "id": id}
    table.update(id, **{name: value for name, value in good.items() if name != "id"})


def later(sandbox: Sandbox) -> str:
    return format_timestamp(sandbox.clock.now())


def is_partial(report: Report) -> bool:
    try:
        report.raise_if_partial()
    except PartialPullError:
        return True
    return False


@pytest.mark.parametrize("version", VERSIONS)
async def test_unreadable_records_are_kept_and_counted_and_make_the_copy_partial(
    version: str, place: RejectsTarget
) -> None:
    async with scene(version, practices=1, locations=1, patients=5) as (sandbox, nex):
        bad = sorted(sandbox.patients.ids[1:3])
        for id in bad:
            make_undecodable(sandbox.practice.patients, id, bio="odd", last_name="Secretname")
        report = await nex.bulk.copy(["patients"], to=place.target)
        name = f"patients/{sandbox.subdomain}"
        assert (report.records, report.failed) == (3, ())
        assert report.rejected == {name: RejectedCount(total=2, new=2)}
        assert "2 rejected" in repr(report)
        assert name in repr(report)
        with pytest.raises(PartialPullError) as raised:
            report.raise_if_partial()
        assert raised.value.rejected == {name: 2}
        kept = await place.rejected()
        assert sorted(one["id"] for one in kept) == bad
        for one in kept:
            assert (one["resource"], one["practice"]) == ("patients", sandbox.subdomain)
            assert (one["path"], bool(one["expected"])) == ("bio", True)
            assert one["record"]["last_name"] == "Secretname"
            assert one["record"]["bio"] == "odd"
        shown = f"{report!r} {report.shards} {raised.value} {raised.value!r} {place.target!r}"
        assert "Secretname" not in shown
        assert "odd" not in shown
        assert not set(bad) & set(await place.ids("patients"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_rejected_cancellation_removes_the_stale_row_and_is_read_again(
    version: str, database: RejectsTarget
) -> None:
    async with scene(version, practices=1, locations=1) as (sandbox, nex):
        table, id = sandbox.practice.appointments, sandbox.appointments.ids[4]
        (await nex.bulk.copy(["appointments"], to=database.target)).raise_if_partial()
        good = make_undecodable(
            table, id, cancelled=True, cancelled_at="yesterday", updated_at=later(sandbox)
        )
        report = await nex.bulk.copy(["appointments"], to=database.target, since="last")
        assert is_partial(report)
        assert id not in await database.ids("appointments")
        [kept] = await database.rejected()
        assert (kept["id"], kept["path"]) == (id, "cancelled_at")
        # The watermark has moved on, and the record is older than it now.
        make_decodable(
            table, id, {**good, "cancelled": True, "updated_at": "2020-01-01T00:00:00.000Z"}
        )
        report = await nex.bulk.copy(
            ["appointments"], to=database.target, since="last", compare=None
        )
        report.raise_if_partial()
        assert not report.rejected
        assert await database.rejected() == []
        assert (await database.row("appointments", id))["cancelled"] is True


async def test_known_rejections_can_be_allowed_and_new_ones_cannot(database: RejectsTarget) -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        first, second = sandbox.patients.ids[:2]
        make_undecodable(sandbox.practice.patients, first, bio="odd")
        name = f"patients/{sandbox.subdomain}"

        async def copied(**options: Any) -> Report:
            return await nex.bulk.copy(["patients"], to=database.target, since="last", **options)

        assert is_partial(await copied(allow_rejected="known"))
        known = await copied(allow_rejected="known")
        known.raise_if_partial()
        assert known.rejected == {name: RejectedCount(total=1, new=0)}
        assert is_partial(await copied())
        make_undecodable(sandbox.practice.patients, second, bio="odd", updated_at=later(sandbox))
        more = await copied(allow_rejected="known")
        assert more.rejected == {name: RejectedCount(total=2, new=1)}
        with pytest.raises(PartialPullError) as raised:
            more.raise_if_partial()
        assert raised.value.rejected == {name: 1}
        (await copied(allow_rejected="all")).raise_if_partial()
        with pytest.raises(InvalidArgumentError):
            await copied(allow_rejected="some")


@pytest.mark.parametrize("end", ["404", "compared"])
async def test_a_deleted_rejected_record_is_forgotten(database: RejectsTarget, end: str) -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        id = sandbox.appointments.ids[4]
        make_undecodable(sandbox.practice.appointments, id, cancelled_at="yesterday")
        await nex.bulk.copy(["appointments"], to=database.target)
        assert len(await database.rejected()) == 1
        sandbox.appointments.delete(id)
        sandbox.requests.clear()
        since = "last" if end == "404" else None
        report = await nex.bulk.copy(["appointments"], to=database.target, since=cast("Any", since))
        report.raise_if_partial()
        assert await database.rejected() == []
        assert len(sandbox.seen("GET", f"/appointments/{id}")) == (end == "404")


async def test_a_rejected_record_that_cannot_be_read_now_is_kept(database: RejectsTarget) -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        id = sandbox.patients.ids[4]
        good = make_undecodable(sandbox.practice.patients, id, bio="odd")
        await nex.bulk.copy(["patients"], to=database.target)
        sandbox.fail_next(403, path=f"/patients/{id}")
        report = await nex.bulk.copy(["patients"], to=database.target, since="last")
        assert is_partial(report)
        [kept] = await database.rejected()
        assert kept["id"] == id
        make_decodable(sandbox.practice.patients, id, good)
        (await nex.bulk.copy(["patients"], to=database.target, since="last")).raise_if_partial()
        assert id in await database.ids("patients")


@pytest.mark.parametrize("without", ["an id", "an operation"])
async def test_records_without_a_get_operation_are_read_with_their_whole_list(
    database: RejectsTarget, without: str
) -> None:
    async with scene("v3", practices=1, locations=2) as (sandbox, nex):
        name = "patients" if without == "an id" else "clinical_notes"
        table = getattr(sandbox.practice, name)
        id = table.ids[2]
        values = {"id": "odd"} if without == "an id" else {"patient_id": [1]}
        await nex.bulk.copy([name], to=database.target)
        good = make_undecodable(table, id, **values)
        assert is_partial(await nex.bulk.copy([name], to=database.target))
        assert len(await database.rejected()) == 1
        sandbox.requests.clear()
        make_decodable(table, id, good)
        report = await nex.bulk.copy([name], to=database.target, since="last", compare=None)
        report.raise_if_partial()
        assert await database.rejected() == []
        assert id in await database.ids(name)
        sandbox.requests.clear()
        await nex.bulk.copy([name], to=database.target, since="last", compare=None)
        requests = [
            request.param("updated_since") or "" for request in sandbox.seen("GET", f"/{name}")
        ]
        assert all(one > "2020" for one in requests)


async def test_a_known_rejected_record_does_not_prevent_comparison(database: RejectsTarget) -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        bad, gone = sandbox.patients.ids[:2]
        make_undecodable(sandbox.practice.patients, bad, bio="odd")
        await nex.bulk.copy(["patients"], to=database.target)
        sandbox.patients.delete(gone)
        report = await nex.bulk.copy(["patients"], to=database.target)
        assert report.deleted == {f"patients/{sandbox.subdomain}": 1}
        assert gone not in await database.ids("patients")
        [kept] = await database.rejected()
        assert kept["id"] == bad


async def test_resuming_files_reads_rejected_records_again(place: RejectsTarget) -> None:
    if place.kind in DATABASES:
        pytest.skip("a database takes another pull")
    async with scene(practices=1, locations=2) as (sandbox, nex):
        id = sandbox.appointments.ids[4]
        good = make_undecodable(sandbox.practice.appointments, id, cancelled_at="yesterday")
        await nex.bulk.copy(["appointments"], to=place.target)
        again = await nex.bulk.copy(
            ["appointments"], to=place.target, resume=True, allow_rejected="known"
        )
        again.raise_if_partial()
        assert len(await place.rejected()) == 1
        make_decodable(sandbox.practice.appointments, id, good)
        report = await nex.bulk.copy(["appointments"], to=place.target, resume=True)
        report.raise_if_partial()
        assert await place.rejected() == []
        assert await place.ids("appointments") == sorted(sandbox.appointments.ids)


async def test_rejections_of_a_run_that_did_not_end_count_as_new(database: RejectsTarget) -> None:
    async with scene(practices=1, locations=1, patients=30) as (sandbox, nex):
        make_undecodable(sandbox.practice.patients, sandbox.patients.ids[0], bio="odd")

        def stop(event: object) -> None:
            if type(event).__name__ == "GroupDone":
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await nex.bulk.copy(["patients"], to=database.target, on_event=stop)
        assert len(await database.rejected()) == 1
        for is_new in (True, False):
            report = await nex.bulk.copy(
                ["patients"], to=database.target, resume=is_new, allow_rejected="known"
            )
            assert is_partial(report) is is_new


async def test_a_target_without_rejected_records_makes_the_copy_partial_too() -> None:
    async with scene(practices=1, locations=1, patients=5) as (sandbox, nex):
        make_undecodable(sandbox.practice.patients, sandbox.patients.ids[0], bio="odd")
        report = await nex.bulk.copy(["patients"], to=RecordingTarget(merges=True))
        assert report.rejected == {f"patients/{sandbox.subdomain}": RejectedCount(total=1, new=1)}
        assert is_partial(report)
        assert not is_partial(evolve(report, allow_rejected="all"))


async def test_a_pull_reports_rejected_records_too() -> None:
    async with scene(practices=1, locations=1, patients=5) as (sandbox, nex):
        make_undecodable(sandbox.practice.patients, sandbox.patients.ids[0], bio="odd")
        for allowed in (None, "all"):
            pull = nex.bulk.pull(["patients"], allow_rejected=cast("Any", allowed))
            async with pull:
                async for _ in pull:
                    pass
            assert is_partial(pull.report) is (allowed is None)


async def test_a_record_that_becomes_readable_in_a_shared_list_is_stored_once(
    database: RejectsTarget,
) -> None:
    """A rejected record with the same id in another practice's list is kept apart."""
    async with scene(practices=2, locations=1, patients=10) as (sandbox, nex):
        first, second = sandbox.practices
        id = first.patients.ids[0]
        good = make_undecodable(first.patients, id, bio="odd")
        second.patients._rows[id] = {**second.patients.row(second.patients.ids[0]), "id": id}
        second.patients._rows = dict(sorted(second.patients._rows.items()))
        await nex.bulk.copy(["patients"], to=database.target)
        [kept] = await database.rejected()
        assert kept["practice"] == first.subdomain
        make_decodable(first.patients, id, good)
        await nex.bulk.copy(["patients"], to=database.target, since="last")
        assert await database.rejected() == []
