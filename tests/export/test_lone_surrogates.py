"""A record with half an emoji, such as ``"\\ud83d"``, is in every target and costs no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nexhealth_async.export.arrow import tables_of
from tests.bulk.helpers import VERSIONS, scene
from tests.export.folder_helpers import KINDS, FileKind

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.bulk import Target
    from nexhealth_async.sandbox import Sandbox
    from tests.bulk.helpers import BulkScene
    from tests.export.database_helpers import MergingStage


def order(sandbox: Sandbox) -> int:
    """Cut the first name of one patient inside an emoji; return the id."""
    id = sandbox.patients.ids[7]
    sandbox.patients.update(id, first_name="Ada HALF")
    sandbox.alter_next(
        lambda body: body.replace(b"HALF", rb"\ud83d"), path="/patients", times=1_000
    )
    return id


async def copy(at: BulkScene, target: Target) -> int:
    """Copy all patients; check the report."""
    id = order(at.sandbox)
    report = await at.nex.bulk.copy(["patients"], to=target)
    report.raise_if_partial()
    assert (report.records, report.refused, report.repaired) == (len(at.sandbox.patients), 0, 1)
    return id


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_files_contain_every_record(kind: FileKind, version: str, tmp_path: Path) -> None:
    async with scene(version, practices=1) as at:
        id = await copy(at, kind.make(tmp_path / "copy"))
        rows = {
            row["id"]: row
            for path in (tmp_path / "copy" / "patients").rglob("*")
            if path.is_file()
            for row in kind.read(path)
        }
        assert sorted(rows) == sorted(at.sandbox.patients.ids)
        assert rows[id]["first_name"] == "Ada \ufffd"


@pytest.mark.parametrize("version", VERSIONS)
async def test_databases_contain_every_record(stage: MergingStage, version: str) -> None:
    async with scene(version, practices=1) as at:
        id = await copy(at, stage.target())
        rows = {row["id"]: row for row in await stage.query("SELECT * FROM patients")}
        assert sorted(rows) == sorted(at.sandbox.patients.ids)
        assert rows[id]["first_name"] == "Ada \ufffd"
        assert not any(row["_extra"] and "HALF" in row["_extra"] for row in rows.values())


@pytest.mark.parametrize("version", VERSIONS)
async def test_tables_and_models_are_the_same(version: str) -> None:
    async with scene(version, practices=1) as at:
        id = order(at.sandbox)
        names: dict[object, object] = {}
        repairs: list[tuple[object, str]] = []
        async with at.nex.bulk.pull(["patients"]) as pull:
            async for batch in pull:
                repairs += [(repair.record_id, repair.field) for repair in batch.repairs]
                names |= {record.id: record.first_name for record in batch.records}  # type: ignore[attr-defined]
        async with at.nex.bulk.pull(["patients"]) as pull:
            table = (await tables_of(pull))["patients"]
        assert repairs == [(id, "first_name")]
        assert names[id] == "Ada \ufffd"
        assert {row["id"]: row["first_name"] for row in table.to_pylist()} == names
