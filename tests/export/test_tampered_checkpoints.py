"""Tampered checkpoints and databases do no harm."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async.bulk import ShardState
from nexhealth_async.errors import UsageError
from nexhealth_async.export.folder_target import CHECKPOINT
from tests.bulk.example_shards import planned_shard
from tests.bulk.helpers import scene, truth
from tests.export.database_helpers import MergingStage, batch_of, opened, plan_of, shard_of
from tests.export.folder_helpers import KINDS, FileKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EACH = pytest.mark.parametrize("kind", [KINDS[0], KINDS[3]], ids=["jsonl", "parquet"])
SHARD = planned_shard("appointments", "v3.0.0", location_id=7)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _change(checkpoint: Path, change: Callable[[Any], None]) -> None:
    kept = json.loads(checkpoint.read_bytes())
    change(kept)
    checkpoint.write_text(json.dumps(kept))


def _resource(kept: Any) -> None:
    kept["progress"]["shards"][0]["resource"] = "../.."


def _window(kept: Any) -> None:
    kept["progress"]["shards"][0]["window"] = ["/../../../", "../../../../x"]


def _version(kept: Any) -> None:
    kept["progress"]["shards"][0]["version"] = "v2"


def _lists(kept: Any) -> None:
    kept["progress"]["shards"][0]["lists"][0]["updated_since"] = "2099-01-01T00:00:00Z"


def _size(kept: Any) -> None:
    kept["sizes"][next(iter(kept["sizes"]))] = -1


def _sizes(kept: Any) -> None:
    kept["sizes"]["patients/demo/9"] = 5


def _groups(kept: Any) -> None:
    state = {"watermark": "2099-01-01T00:00:00Z", "compared": None}
    kept["groups"] = [[{"resource": "patients", "subdomain": "demo"}, state]]


def _position(kept: Any) -> None:
    kept["progress"]["states"][next(iter(kept["progress"]["states"]))]["position"] = "x"


CHANGES = (_resource, _window, _version, _lists, _size, _sizes, _groups, _position)


@EACH
@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_checkpoint_is_refused_and_nothing_is_deleted(
    change: Callable[[Any], None], kind: FileKind, tmp_path: Path
) -> None:
    out = tmp_path / "one" / "two" / "out"
    async with opened(kind.make(out)) as target:
        await target.begin(plan_of(SHARD))
        await target.write(
            batch_of(SHARD, [{"id": 1}], "Appointment"), ShardState(records=1, position="0:a")
        )
    _change(out / CHECKPOINT, change)
    for folder in (out.parent, out.parent.parent, tmp_path):  # where names with .. in them lead to
        for name in ("demo", "practice=demo"):
            (folder / name).mkdir(exist_ok=True)
            for stem in ("7", "7_2000-01-01..2037-01-01", "7-0000", "x"):
                (folder / name / f"{stem}.jsonl").write_text("{}\n")
                (folder / name / f"{stem}-0000.parquet").write_text("{}\n")
    before = contents(tmp_path)
    target = kind.make(out)
    with pytest.raises(UsageError, match="not a checkpoint"):
        await target.open()
    assert contents(tmp_path) == before


@EACH
async def test_a_changed_checkpoint_deletes_no_file_outside_of_the_folder(
    kind: FileKind, tmp_path: Path
) -> None:
    """The reported attack: the name of a list that leads out of the folder."""
    out = tmp_path / "one" / "out"
    async with scene("v3", practices=1, locations=1, patients=20) as (sandbox, nex):
        sandbox.fail_next(403, path="/patients", times=1)
        await nex.bulk.copy(["patients"], to=kind.make(out))
        _change(out / CHECKPOINT, _resource)
        prefix = "practice=" if kind.name == "parquet" else ""
        victim = tmp_path / (prefix + sandbox.subdomain) / f"{sandbox.location_id}{kind.ending}"
        if kind.name == "parquet":
            victim = victim.with_name(f"{sandbox.location_id}-0000.parquet")
        victim.parent.mkdir()
        victim.write_bytes(b"somebody else's")
        before = len(sandbox.requests)
        with pytest.raises(UsageError, match="choose another directory"):
            await nex.bulk.copy(to=kind.make(out), resume=True)
        assert victim.read_bytes() == b"somebody else's"
        assert len(sandbox.requests) == before


@pytest.mark.parametrize(
    ("column", "old", "new"),
    [
        ("shard", "patients", "../.."),
        ("shard", '"partial":false', '"partial":true,"compares":true'),
        ("shard", '"location_id":7', '"location_id":null'),
        ("state", '"records":1', '"records":-1'),
        ("state", '{"', "no JSON"),
        ("state", '"position":null', '"position":"x"'),
    ],
)
async def test_a_changed_database_row_is_refused(
    stage: MergingStage, column: str, old: str, new: str
) -> None:
    async with opened(stage.target()) as target:
        await target.begin(plan_of(shard_of()))
        await target.write(batch_of(shard_of(), [{"id": 1}]), ShardState(records=1))
    await stage.query(
        f"update _nexhealth_shards set {column} = replace({column}, '{old}', '{new}')"  # noqa: S608 - ours
    )
    async with opened(stage.target()) as target:
        with pytest.raises(UsageError, match="begin a new one"):
            await target.load()
        await target.begin(plan_of(shard_of(), id="pull-2"))
        assert await target.load() is not None


async def test_a_watermark_in_the_future_hides_no_change(stage: MergingStage) -> None:
    async with scene("v3", practices=1, locations=1, patients=10) as (sandbox, nex):
        (await nex.bulk.copy(["patients"], to=stage.target())).raise_if_partial()
        later = "timestamptz '2099-01-01'"
        await stage.query(f"update _nexhealth_groups set watermark = {later}, compared = {later}")  # noqa: S608 - ours
        new = await nex.practice(sandbox.subdomain).location(sandbox.location_id).patients.create(
            provider_id=sandbox.providers.ids[0],
            first_name="Ada",
            last_name="Moss",
            email="ada@example.com",
            bio={"phone_number": "2025550107", "date_of_birth": date(1990, 1, 1)},
        )  # fmt: skip
        await nex.bulk.copy(["patients"], to=stage.target(), since="last")
        rows = await stage.query("select id from patients order by id")
        assert new.id in [row["id"] for row in rows]
        assert [row["id"] for row in rows] == truth(sandbox, "patients")[sandbox.subdomain]
