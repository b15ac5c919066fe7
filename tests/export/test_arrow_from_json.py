"""Columns made without models equal those made with models, or are not made."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from nexhealth_async import models
from nexhealth_async.bulk import Batch, Shard, facts, resources
from nexhealth_async.bulk.batch import LazyRecords
from nexhealth_async.codec import Codec, LazyDecoder, to_json
from nexhealth_async.export import arrow_from_json
from nexhealth_async.export.arrow import table_of, table_of_batch
from nexhealth_async.export.arrow_from_json import FastArrays, fast_arrays
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.export.parquet import ParquetTarget
from nexhealth_async.export.state_tables import latest_records
from nexhealth_async.export.strict_decoding import strict_reader
from nexhealth_async.models import Appointment, Charge, Patient, PatientBio, Procedure
from tests.bulk.helpers import scene
from tests.models.model_samples import OLD_CHARGE, SAMPLES, filled, instances

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.bulk import ShardState

_CODEC = Codec()
_PULLED = sorted(
    {facts(name, version).model for version in ("v2", "v3") for name in resources(version)}
)
_SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


_HEAVY = arrow_from_json._HEAVY_BYTES


@pytest.fixture(scope="module", autouse=True)
def heavy_records_too() -> Iterator[None]:
    """Records with every known field, heavier than any real one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arrow_from_json, "_HEAVY_BYTES", 1_000_000)
        yield


def sheet(model: type[Any], raw: Sequence[bytes]) -> FastArrays | None:
    steps = fast_arrays(model, [Raw(one) for one in raw])
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("FastArrays | None", end.value)


def check(model: type[Any], *raw: bytes) -> FastArrays | None:
    """Make columns without models; if possible, compare them with those made with models."""
    found = sheet(model, raw)
    if found is None:
        return None
    read = [_CODEC.decode(model, one) for one in raw]  # which refuses none of them
    assert not any(repaired for _, repaired in read)
    records = [record for record, _ in read]
    shard = Shard(resource="patients", version="v2", subdomain="demo")
    make = partial(Batch, shard=shard, model=model.__name__, records=tuple(records), raw=raw)
    table = table_of_batch(make(fast_arrow=found), pull="p")
    expected = table_of(model, records, raw, practice="demo", pull="p")
    assert table.schema.equals(expected.schema)
    cast("Any", table).validate(full=True)
    assert table.to_pylist() == expected.to_pylist()
    assert list(found.ids) == [getattr(record, "id", None) for record in records]
    return found


@pytest.mark.parametrize("name", _PULLED)
@_SLOW
@given(data=st.data())
def test_clean_records_give_the_same_columns(name: str, data: st.DataObject) -> None:
    model = getattr(models, name)
    made = data.draw(st.lists(instances(model), min_size=1, max_size=3))
    check(model, *(data.draw(thinned(to_json(cast("Any", one)))) for one in made))


@pytest.mark.parametrize("name", _PULLED)
@_SLOW
@given(data=st.data())
def test_malformed_records_give_the_same_columns_or_none(name: str, data: st.DataObject) -> None:
    model = getattr(models, name)
    made = data.draw(st.lists(instances(model), min_size=1, max_size=2))
    raw = [data.draw(spoiled(plain(to_json(cast("Any", one))))) for one in made]
    check(model, *data.draw(st.permutations([plain(to_json(filled(model))), *raw])))


def plain(record: bytes) -> bytes:
    """Remove the values that require models for a page."""
    fields = json.loads(record)
    return json.dumps({name: fields[name] for name in fields if name != "canceled"}).encode()


@st.composite
def thinned(draw: st.DrawFn, record: bytes) -> bytes:
    """Remove some of a record's fields, as responses do."""
    if draw(st.integers(0, 9)):
        record = plain(record)
    fields = json.loads(record)
    left = draw(st.sets(st.sampled_from(sorted(fields))))
    return json.dumps({name: fields[name] for name in fields if name not in left}).encode()


_ODD = st.sampled_from(
    [
        b"null",
        b"{}",
        b"[]",
        b"[null]",
        b'""',
        b'"x"',
        b"true",
        b"1",
        b"1.0",
        b"-0",
        b"1.5",
        b"1e400",
        b"9223372036854775808",
        b'"12"',
        b'"2026-01-28"',
        b'"2026-01-28T14:00:00"',
        b'"2026-01-28 14:00:00Z"',
        b'"2026-01-28T14:00:00.1234567Z"',
        b'"0000-01-28T14:00:00Z"',
        b'"0001-01-01T00:00:00+05:00"',
        b'["3", "14"]',
        b'{"new": 1}',
        b'{"id": 1}',
        b'{"amount": "1.00", "currency": "USD"}',
        b'{"amount": "1.00", "currency": "USD", "shown": "$1"}',
        b'{"amount": 1.00005, "currency": "USD"}',
        b'{"amount": "NaN", "currency": "USD"}',
        b'{"amount": "1e-999999999", "currency": "USD"}',
        b'"\\ud800"',
        b'"\xff"',
    ]
)


@st.composite
def spoiled(draw: st.DrawFn, record: bytes) -> bytes:
    """Replace some values by malformed ones, at any depth, and add unknown fields."""
    fields = msgspec.json.decode(record, type=dict[str, Raw])
    for name in draw(st.sets(st.sampled_from(sorted(fields)), max_size=2)):
        inner: dict[str, Raw] = {}
        with suppress(msgspec.DecodeError):
            inner = msgspec.json.decode(fields[name], type=dict[str, Raw])
        place = draw(st.sampled_from([None, "new", *sorted(inner)]))
        if inner and place is not None:
            inner[place] = Raw(draw(_ODD))
            fields[name] = Raw(msgspec.json.encode(inner))
        else:
            fields[name] = Raw(draw(_ODD))
    for name in draw(st.sets(st.sampled_from(["new", "canceled", "id", 'a"b', "naïve"]))):
        fields[name] = Raw(draw(_ODD))
    return msgspec.json.encode(fields)


@pytest.mark.parametrize("name", _PULLED)
def test_records_with_every_field_set_need_no_models(name: str) -> None:
    model = getattr(models, name)
    fields = json.loads(to_json(filled(model)))
    fields.pop("canceled", None)  # which another field follows
    assert check(model, json.dumps(fields).encode()) is not None


_ASIDE = ("Charge", OLD_CHARGE)
"""Its `procedure_id` is text, which a numeric column cannot hold."""


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name, text in SAMPLES if name in _PULLED and (name, text) != _ASIDE],
)
def test_samples_of_the_vendor_that_need_no_repair_need_no_models(name: str, text: str) -> None:
    model = getattr(models, name)
    native = _CODEC.native(model)
    assert native is not None
    native(text.encode())
    assert check(model, text.encode()) is not None


def test_records_that_differ_in_their_fields_need_no_models() -> None:
    raw = [
        b'{"id": 1, "email": "a@example.com"}',
        b'{"id": 2, "name": "Ida"}',
        b'{"bio": {"city": "Ames"}, "id": 3}',
    ]
    assert check(Patient, *raw) is not None


def test_unknown_fields_are_kept_in_extra_in_their_order() -> None:
    raw = [b'{"id": 1, "b": 1.50, "a": {"x": [ 1 ]}}', b'{"a": null, "id": 2, "b": ""}']
    found = check(Patient, *raw)
    assert found is not None
    assert found.arrays[-1].to_pylist() == ['{"b":1.50,"a":{"x": [ 1 ]}}', '{"a":null,"b":""}']


_NEEDS_MODELS: list[tuple[type, bytes]] = [
    (Patient, b'{"id": "1"}'),
    (Patient, b'{"name": "no id"}'),
    (Patient, b"null"),
    (Patient, b'{"id": 1, "created_at": "whenever"}'),
    (Patient, b'{"id": 1, "email": 5}'),
    (Patient, b'{"id": 1, "bio": {"city": "Ames", "pronouns": "they"}}'),
    (Patient, b'{"id": 1, "guarantor": {"id": "2"}}'),
    (Patient, b'{"id": 1, "balance": {"amount": "NaN", "currency": "USD"}}'),
    (Patient, b'{"id": 1, "provider_id": 9223372036854775808}'),
    (Charge, b'{"id": 1, "claim_payouts": [{"claim_id": 5, "why": "x"}]}'),
    (Appointment, b'{"id": 1, "canceled": true}'),
]


@pytest.mark.parametrize(("model", "raw"), _NEEDS_MODELS)
def test_values_that_need_models_are_left_to_them(model: type, raw: bytes) -> None:
    assert sheet(model, [b'{"id": 7}', raw]) is None
    assert sheet(model, [raw, b'{"id": 7}']) is None


def test_a_single_tooth_is_a_list_as_in_the_model() -> None:
    raw = [b'{"id": 1, "body_site": {"tooth": "14"}}', b'{"id": 2, "body_site": {"tooth": ""}}']
    assert check(Procedure, *raw) is not None


def test_models_with_post_init_hooks_are_known() -> None:
    """A new one must be handled in `strict_decoding`."""
    changing = {name for name in models.__all__ if hasattr(getattr(models, name), _AFTER)}
    assert changing == {"Appointment", "BodySite", "Money"}


_AFTER = "__attrs_post_init__"


class BatchRecordingTarget(ParquetTarget):
    """Keeps the batches that it receives."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batches: list[Batch] = []

    async def write(self, batch: Batch, state: ShardState) -> None:
        assert batch.size == len(batch.records) == len(batch.raw)
        self.batches.append(batch)
        await super().write(batch, state)


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_copy_makes_models_only_on_request(tmp_path: Path, version: str) -> None:
    target = BatchRecordingTarget(tmp_path)
    async with scene(version) as (_, nex):
        await nex.bulk.copy(["patients"], to=target, per_page=10)
        async with nex.bulk.pull(["patients"], per_page=10) as pull:
            pulled = [record async for batch in pull for record in batch.of(Patient)]
    assert all(isinstance(batch.fast_arrow, FastArrays) for batch in target.batches)
    copied = [record for batch in target.batches for record in batch.of(Patient)]
    assert sorted(copied, key=lambda one: one.id) == sorted(pulled, key=lambda one: one.id)
    assert target.batches[0].records is target.batches[0].records


async def test_a_copy_uses_the_users_hooks(tmp_path: Path) -> None:
    target = BatchRecordingTarget(tmp_path)
    async with scene() as (_, nex):
        nex.codec.register_structure_hook(PatientBio, lambda _value, _type: None)
        await nex.bulk.copy(["patients"], to=target)
    assert target.batches
    assert all(batch.fast_arrow is None for batch in target.batches)


def test_of_a_duplicate_id_in_a_page_the_last_record_is_kept() -> None:
    raw = [b'{"id": 1, "name": "Ida"}', b'{"id": 2}', b'{"id": 1, "name": "Ada"}']
    found = check(Patient, *raw)
    unread = LazyRecords([Raw(one) for one in raw], LazyDecoder[object](Codec, "Patient"))
    shard = Shard(resource="patients", version="v2", subdomain="demo")
    batch = Batch(shard=shard, model="Patient", records=unread, raw=unread, fast_arrow=found)
    kept = latest_records(batch)
    assert [one.name for one in kept.of(Patient)] == [None, "Ada"]
    assert kept.raw == (raw[1], raw[2])
    assert table_of_batch(kept, pull="p").column("id").to_pylist() == [2, 1]


def test_duckdb_accepts_columns_too(tmp_path: Path) -> None:
    steps = DuckDBTarget(tmp_path / "x.duckdb").read_page("Patient", [Raw(b'{"id": 1}')])
    with pytest.raises(StopIteration) as end:
        for _ in range(9):
            next(steps)
    assert isinstance(end.value.value, FastArrays)


def test_pages_with_ever_new_fields_are_left_to_models_early() -> None:
    records = [Raw(b'{"id":%d,"k%d":1}' % (at, at)) for at in range(1_000)]
    before = strict_reader.cache_info().misses
    assert len(list(fast_arrays(models.Patient, records))) <= 4
    assert strict_reader.cache_info().misses - before <= 4


def test_pages_of_heavy_records_are_left_to_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_from_json, "_HEAVY_BYTES", _HEAVY)
    record = to_json(models.Patient(id=1, name="A" * 10_000))
    assert check(models.Patient, record) is None
    assert check(models.Patient, *([record] + [b'{"id":2}'] * 9)) is not None


def test_no_records_give_no_columns() -> None:
    with pytest.raises(StopIteration) as ended:
        next(fast_arrays(models.SyncStatus, []))
    assert ended.value.value is None


def test_strictly_decoded_records_print_nothing() -> None:
    names = frozenset({"id", "name", "bio"})
    strict = strict_reader(models.Patient, names)
    assert strict is not None
    read = strict.read(Raw(b'{"id":1,"name":"Ada Example","bio":{"city":"Springfield"}}'))
    assert repr(read) == "<Patient>"
    assert "Springfield" not in repr(cast("Any", read).bio)


async def test_a_batch_without_models_can_be_pickled(tmp_path: Path) -> None:
    kept: list[Batch] = []

    class Keeping(ParquetTarget):
        async def write(self, batch: Batch, state: ShardState) -> None:
            kept.append(pickle.loads(pickle.dumps(batch)))  # noqa: S301 - our own
            assert batch.fast_arrow is not None
            assert (kept[-1].records, kept[-1].raw) == (batch.records, batch.raw)
            await super().write(batch, state)

    async with scene(practices=1, locations=1) as (_, nex):
        await nex.bulk.copy(["patients"], to=Keeping(tmp_path / "out"))
    assert sum(one.size for one in kept) == 40
