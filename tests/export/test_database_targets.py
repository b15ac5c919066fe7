"""Promises of both database targets for a pull that is copied to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from nexhealth_async import models
from nexhealth_async.bulk import Batch, Group, GroupState, RejectedRecord, Shard, ShardState
from nexhealth_async.bulk.resource_facts import facts, resources
from nexhealth_async.errors import SessionStateError, TargetError, UsageError
from nexhealth_async.export import duckdb_columns, postgres_columns
from nexhealth_async.export.columns import ColumnKind, FieldColumn, fields_of
from tests.export.database_helpers import (
    DAY,
    KilledError,
    KillPoints,
    MergingStage,
    batch_of,
    group_of,
    opened,
    plan_of,
    pull,
    shard_of,
)
from tests.models.model_samples import SAMPLES

OPEN = ShardState(records=1, pages=1)


async def copied(
    stage: MergingStage, records: list[Any], model: str = "Patient", **where: Any
) -> None:
    """Copy one batch in a separate pull."""
    shard = shard_of(**where)
    async with opened(stage.target()) as target:
        await target.begin(plan_of(shard))
        await target.write(batch_of(shard, records, model), OPEN)


def by_model() -> dict[str, str]:
    return {
        facts(name, version).model: name for version in ("v2", "v3") for name in resources(version)
    }


@pytest.mark.parametrize("model", sorted(by_model()))
async def test_every_model_is_stored_with_its_types_and_values(
    stage: MergingStage, model: str
) -> None:
    resource = by_model()[model]
    sent = [json.loads(data) for name, data in SAMPLES if name == model]
    keyed = "id" in attrs.fields_dict(getattr(models, model))
    sent = [record | {"id": at} if keyed else record for at, record in enumerate(sent)]
    if model == "Onboarding":
        sent = [record | {"id": str(at)} for at, record in enumerate(sent)]
    shard = shard_of(resource)
    batch = batch_of(shard, sent, model)
    async with opened(stage.target()) as target:
        await target.begin(plan_of(shard))
        for at in range(len(sent)):
            one = attrs.evolve(batch, records=batch.records[at:][:1], raw=batch.raw[at:][:1])
            await target.write(one, OPEN)
    table = resource.replace(".", "_")
    rows = await stage.query(f"select * from {table} {'order by id' if keyed else ''}")  # noqa: S608
    assert len(rows) == len(sent)
    for row, record, source in zip(rows, batch.records, sent, strict=True):
        assert row["_practice"] == "demo"
        assert row["_pull"] == "pull-1"
        assert row["_shard"] == 0
        extra: dict[str, Any] = {} if row["_extra"] is None else json.loads(row["_extra"])
        assert extra.keys() <= source.keys()
        for column in fields_of(getattr(models, model)):
            value = getattr(record, column.name)
            if column.name not in extra:
                assert_kept(stage.kind, column, row, value, source.get(column.name))


def assert_kept(
    kind: str, column: FieldColumn, row: Mapping[str, Any], value: Any, source: object
) -> None:
    name = column.name
    if column.kind is ColumnKind.MONEY:
        parts = (row[f"{name}_amount"], row[f"{name}_currency"])
        assert parts == ((None, None) if value is None else (value.amount, value.currency))
    elif kind == "postgres" and value is not None and not column.is_plain:
        assert json.loads(row[name]) == source
    else:
        assert_equal(column, row[name], value, source)


def assert_equal(column: FieldColumn, kept: Any, value: Any, source: Any) -> None:
    """Compare a column, or a part of one, with the model."""
    if value is None:
        assert kept is None
    elif column.kind is ColumnKind.JSON:
        assert json.loads(kept) == source
    elif column.kind is ColumnKind.MONEY:
        assert kept == {"amount": value.amount, "currency": value.currency}
    elif column.element is not None:
        listed = [source] if isinstance(source, str) else source  # text that became a list
        for one, item, sent in zip(kept, value, listed, strict=True):
            assert_equal(column.element, one, item, sent)
    elif column.kind is ColumnKind.STRUCT:
        for part in column.parts:
            value_of_part = getattr(value, part.name)
            assert_equal(part, kept[part.name], value_of_part, source.get(part.name))
    else:
        assert kept == (str(value) if column.mixed else value)


async def test_an_unknown_field_is_stored_and_does_not_affect_the_others(
    stage: MergingStage,
) -> None:
    await copied(stage, [{"id": 1, "first_name": "Ada", "shoe_size": {"eu": 39.50}}])
    (row,) = await stage.query("select * from patients")
    assert row["first_name"] == "Ada"
    assert json.loads(row["_extra"]) == {"shoe_size": {"eu": 39.5}}


async def test_a_new_field_of_a_model_becomes_a_column_and_rows_stay(
    stage: MergingStage,
) -> None:
    await copied(stage, [{"id": 1, "first_name": "Ada"}, {"id": 2, "chart_id": "c"}])
    await stage.query("alter table patients drop column chart_id")  # an older release's table
    await copied(stage, [{"id": 2, "chart_id": "d"}])
    rows = await stage.query("select id, first_name, chart_id from patients order by id")
    assert [tuple(row.values()) for row in rows] == [(1, "Ada", None), (2, None, "d")]


async def test_a_column_without_a_field_is_unchanged(stage: MergingStage) -> None:
    await copied(stage, [{"id": 1}])
    await stage.query("alter table patients add column remark text")
    await copied(stage, [{"id": 2}])
    rows = await stage.query("select id, remark from patients order by id")
    assert [tuple(row.values()) for row in rows] == [(1, None), (2, None)]


async def test_a_changed_type_is_refused_before_anything_is_written(stage: MergingStage) -> None:
    await copied(stage, [{"id": 1}])
    await stage.query("alter table patients drop column last_name")
    await stage.query("alter table patients add column last_name integer")
    shards = (shard_of("providers"), shard_of())
    async with opened(stage.target()) as target:
        with pytest.raises(
            TargetError, match=r"last_name of patients is (?i:integer) .* be (?i:v|t)"
        ):
            await target.begin(plan_of(*shards, id="pull-2"))
        kept = await target.load()
    assert kept is not None
    assert kept.id == "pull-1"
    tables = await stage.query("select table_name from information_schema.tables")
    assert "providers" not in {row["table_name"] for row in tables}


async def test_a_pull_resumed_by_a_newer_release_gets_the_new_columns(stage: MergingStage) -> None:
    await copied(stage, [{"id": 1}])
    await stage.query("alter table patients drop column email")
    async with opened(stage.target()) as target:
        await target.load()
        await target.write(batch_of(shard_of(), [{"id": 2, "email": "a@example.com"}]), OPEN)
    rows = await stage.query("select email from patients order by id")
    assert [row["email"] for row in rows] == [None, "a@example.com"]


async def test_a_repeated_record_replaces_its_whole_row(stage: MergingStage) -> None:
    await copied(stage, [{"id": 1, "first_name": "Ada", "bio": {"city": "Anytown"}}, {"id": 2}])
    await copied(stage, [{"id": 1, "last_name": "Moss", "location_ids": [7, 8]}])
    rows = await stage.query("select * from patients order by id")
    assert [row["id"] for row in rows] == [1, 2]
    assert [rows[0][name] for name in ("first_name", "last_name", "bio")] == [None, "Moss", None]
    assert rows[0]["location_ids"] == [7, 8]


OF_ACCOUNT = attrs.evolve(shard_of("institutions"), subdomain=None)


async def kept_institutions(stage: MergingStage, *records: Any, id: str, whole: bool = True) -> int:
    """Copy the account's institutions in a separate pull; return the number of deleted rows."""
    async with opened(stage.target()) as target:
        await target.begin(plan_of(OF_ACCOUNT, id=id))
        await target.write(batch_of(OF_ACCOUNT, records, "Institution"), OPEN)
        group = Group(resource="institutions", subdomain=None)
        assert set(await target.known(group)) == {record["id"] for record in records}
        return await target.complete(group, watermark=DAY, whole=whole)


async def test_an_institution_is_stored_under_its_practice(stage: MergingStage) -> None:
    one, two = {"id": 1, "subdomain": "demo"}, {"id": 2, "subdomain": None}
    await kept_institutions(stage, one, two, id="pull-1")
    await copied(stage, [{"id": 7, "institution_id": 1}], "Patient")
    rows = await stage.query("select id, _practice from institutions order by id")
    assert [(row["id"], row["_practice"]) for row in rows] == [(1, "demo"), (2, "")]
    joined = await stage.query(
        "select i.id from patients p join institutions i on i._practice = p._practice"
    )
    assert joined == [{"id": 1}]


async def test_a_renamed_institution_is_one_row(stage: MergingStage) -> None:
    await kept_institutions(stage, {"id": 1, "subdomain": "old"}, id="pull-1")
    await kept_institutions(stage, {"id": 1, "subdomain": "new"}, id="pull-2", whole=False)
    rows = await stage.query("select id, _practice from institutions")
    assert rows == [{"id": 1, "_practice": "new"}]


async def test_a_deleted_institution_is_deleted(stage: MergingStage) -> None:
    one, two = {"id": 1, "subdomain": "demo"}, {"id": 2, "subdomain": "other"}
    await kept_institutions(stage, one, two, id="pull-1")
    assert await kept_institutions(stage, one, id="pull-2") == 1
    assert [row["id"] for row in await stage.query("select id from institutions")] == [1]


async def test_a_rejected_institution_is_removed_and_restored_later(
    stage: MergingStage,
) -> None:
    good = {"id": 1, "subdomain": "demo"}
    sent = b'{"id":1,"subdomain":"demo","emrs":5}'
    refused = RejectedRecord(record_id=1, path="emrs", expected="a list", raw_json=sent)
    group = Group(resource="institutions", subdomain=None)
    await kept_institutions(stage, good, id="pull-1")
    async with opened(stage.target()) as target:
        await target.begin(plan_of(OF_ACCOUNT, id="pull-2"))
        batch = Batch(shard=OF_ACCOUNT, model="Institution", records=(), raw=(), refused=(refused,))
        await target.write(batch, OPEN)
        await target.complete(group, watermark=DAY, whole=False)
    assert await stage.query("select id from institutions") == []
    assert await stage.query("select id from _rejected") == [{"id": "1"}]
    await kept_institutions(stage, good, id="pull-3")
    assert await stage.query("select id, _practice from institutions") == [
        {"id": 1, "_practice": "demo"}
    ]
    assert await stage.query("select id from _rejected") == []


async def test_a_rewound_list_of_the_account_counts_as_unseen(stage: MergingStage) -> None:
    await kept_institutions(stage, {"id": 1, "subdomain": "demo"}, id="pull-1")
    async with opened(stage.target()) as target:
        await target.load()
        await target.rewind(OF_ACCOUNT, None)
        group = Group(resource="institutions", subdomain=None)
        assert list(await target.known(group)) == []


async def test_tables_join_on_the_key_of_a_record(stage: MergingStage) -> None:
    fee = {"amount": "62.10", "currency": "USD"}
    async with opened(stage.target()) as target:
        charges, works = shard_of("charges", version="v3"), shard_of("procedures", version="v3")
        await target.begin(plan_of(charges, works))
        texts = [{"id": 1, "procedure_id": 34, "fee": fee}, {"id": 2, "procedure_id": "NHP:1"}]
        await target.write(batch_of(charges, texts, "Charge"), OPEN)
        await target.write(batch_of(works, [{"id": 34, "code": "D0120"}], "Procedure"), OPEN)
    rows = await stage.query(
        "select c.id, p.code, c.fee_amount, c.fee_currency from charges c "
        "join procedures p on p.id = c.procedure_id and p._practice = c._practice"
    )
    assert rows == [
        {"id": 1, "code": "D0120", "fee_amount": Decimal("62.10"), "fee_currency": "USD"}
    ]
    (aside,) = await stage.query("select _extra from charges where id = 2")
    assert json.loads(aside["_extra"]) == {"procedure_id": "NHP:1"}


async def test_both_spellings_of_a_cancellation_share_one_column(stage: MergingStage) -> None:
    async with opened(stage.target()) as target:
        shard = shard_of("appointments")
        await target.begin(plan_of(shard))
        sent = [{"id": 1, "canceled": True}, {"id": 2, "cancelled": True}, {"id": 3}]
        await target.write(batch_of(shard, sent, "Appointment"), OPEN)
    rows = await stage.query("select * from appointments order by id")
    assert [row["cancelled"] for row in rows] == [True, True, None]
    assert "canceled" not in rows[0]


async def test_of_a_duplicate_id_in_a_batch_the_last_record_is_kept(stage: MergingStage) -> None:
    records = [{"id": 1, "email": "a"}, {"id": 2}, {"id": 1, "email": "b"}, {"id": 1, "email": "c"}]
    for _ in range(2):
        await copied(stage, records)
    rows = await stage.query("select id, email from patients order by id")
    assert [tuple(row.values()) for row in rows] == [(1, "c"), (2, None)]


async def test_the_same_id_in_two_practices_is_two_rows(stage: MergingStage) -> None:
    shards = [attrs.evolve(shard_of(), subdomain=name) for name in ("demo", "other", None)]
    async with opened(stage.target()) as target:
        await target.begin(plan_of(*shards))
        for shard in shards:
            await target.write(batch_of(shard, [{"id": 1}]), OPEN)
        await target.complete(shards[0].group, watermark=DAY, whole=True)
    rows = await stage.query("select _practice from patients order by 1")
    assert [row["_practice"] for row in rows] == ["", "demo", "other"]


ODD: list[bytes] = [
    b'{"id":1,"email":"a\\u0000b","first_name":"\\u0000","location_ids":[7,99999999999999999999]}',
    b'{"id":1,"config":{"a":"\\u0000","b":"\\ud83d\\ude00"},"inst_ids":[1]}',
    b'{"id":1,"guarantor":{"id":3,"email":"x\\u0000y"},"invalid_email":["a","b\\u0000"]}',
    b'{"id":1,"balance":{"amount":"12345678901234567890.123456789","currency":"USD"}}',
    b'{"id":1,"balance":{"amount":"1e400","currency":"US\\u0000"}}',
    b'{"id":1,"guarantor":{"id":3,"weight":1e99999},"chart_id":7,"config":{"b":"\\\\u0000"}}',
    b'{"id":1,"guarantor_id":99999999999999999999,"provider_id":-9223372036854775808}',
    b'{"id":1,"created_at":"0001-01-01T00:00:00Z","updated_at":"9999-12-31T23:59:59.999999Z"}',
    b'{"id":1,"created_at":"0001-01-01T00:00:00+05:00","bio":{"date_of_birth":"0001-01-01"}}',
    b'{"id":1,"email":"\\ud83d\\ude00 \\\\ \\" \\t tab","bio":{"city":"\\u0000","state":"NY"}}',
    b'{"id":1,"unheard_of":["\\u0000",1e99999,{"a":[]}]}',
    b'{"id":1,"config":\n{"a": [1,\n\t2]} , "email" : "e"}',
]


@pytest.mark.parametrize("sent", ODD)
async def test_values_that_fit_no_column_are_in_extra_as_sent(
    stage: MergingStage, sent: bytes
) -> None:
    await copied(stage, [sent])
    (row,) = await stage.query("select * from patients")
    held = dict(row)
    extra = json.loads(held.pop("_extra") or "{}")
    source = json.loads(sent)
    for name, value in source.items():
        if name in extra and extra[name] == value:
            assert held.get(name) in (None, [7, None])
            assert held.get(f"{name}_amount") is None
        elif name == "chart_id":
            assert held[name] == "7"
        elif name in {"created_at", "updated_at"}:
            assert held[name] == datetime.fromisoformat(value)
        elif name == "balance":
            assert held["balance_amount"] == Decimal(value["amount"])
        elif name == "bio" and stage.kind == "duckdb":
            inner = extra.get("bio", {})
            kept = {key: part for key, part in held[name].items() if part is not None}
            kept |= {key: str(part) for key, part in kept.items() if isinstance(part, date)}
            assert kept | inner == value
        elif name in {"config", "bio", "guarantor", "inst_ids", "invalid_email"}:
            assert json.loads(held[name]) == value
        else:
            assert held[name] == value


async def test_the_first_and_the_last_day_are_finite_dates(stage: MergingStage) -> None:
    hipaa = {"authorization_date": "9999-12-31", "privacy_date": "0001-01-01"}
    moments = {"created_at": "0001-01-01T00:00:00Z", "updated_at": "9999-12-31T23:59:59.999999Z"}
    await copied(stage, [{"id": 1, "hipaa": hipaa} | moments])
    await copied(
        stage,
        [{"id": 1, "first_payment_due_date": "9999-12-31", "created_date": "0001-01-01"}],
        model="PaymentPlan",
        resource="payment_plans",
    )
    rows = await stage.query(
        "select extract(year from created_at at time zone 'UTC') a, "
        "extract(year from updated_at at time zone 'UTC') b from patients union all "
        "select extract(year from created_date), extract(year from first_payment_due_date) "
        "from payment_plans"
    )
    assert [(int(row["a"]), int(row["b"])) for row in rows] == [(1, 9999), (1, 9999)]


async def test_rows_that_a_complete_pull_did_not_see_are_deleted_and_counted(
    stage: MergingStage,
) -> None:
    await copied(stage, [{"id": 1}, {"id": 2}, {"id": 3}])
    shard = shard_of()
    async with opened(stage.target()) as target:
        await target.begin(plan_of(shard, id="pull-2"))
        await target.write(batch_of(shard, [{"id": 2}]), OPEN)
        assert await target.complete(shard.group, watermark=DAY, whole=False) == 0
        assert sorted(await target.known(shard.group)) == [2]
        later = DAY + timedelta(days=1)
        assert await target.complete(shard.group, watermark=later, whole=True) == 2
        assert await target.groups() == {shard.group: GroupState(watermark=later, compared=DAY)}
        assert await target.complete(shard.group, watermark=DAY, whole=False) == 0
        assert await target.groups() == {shard.group: GroupState(watermark=DAY, compared=DAY)}
    assert [row["id"] for row in await stage.query("select id from patients")] == [2]


async def test_a_row_of_a_rewound_shard_that_was_deleted_meanwhile_is_deleted(
    stage: MergingStage,
) -> None:
    first, second = shard_of(location=7), shard_of(location=8)
    async with opened(stage.target()) as target:
        await target.begin(plan_of(first, second))
        await target.write(batch_of(first, [{"id": 1}]), OPEN)
        await target.write(batch_of(second, [{"id": 2}, {"id": 3}]), OPEN)
        await target.rewind(second, OPEN)
        assert sorted(await target.known(first.group)) == [1]
        await target.write(batch_of(second, [{"id": 3}]), OPEN)
        assert await target.complete(first.group, watermark=DAY, whole=True) == 1
    rows = await stage.query("select id from patients order by id")
    assert [row["id"] for row in rows] == [1, 3]


V3 = "v3.0.0"
SHARDS = [shard_of(name, version=V3) for name in ("patients", "appointments", "sync_status")]
LAST = shard_of(location=8, version=V3)
GONE = 5
"""Deleted between the kill and the next run."""


def world(*last: int, more: bool = False) -> list[tuple[Shard, str, list[Any]]]:
    old: list[Any] = [{"id": 90}] if more else []
    status: list[Any] = [{"read_status": color} for color in ("red", "green", "red")]
    return [
        (SHARDS[0], "Patient", [{"id": n, "email": "new"} for n in (1, 2, 3)] + old),
        (SHARDS[1], "Appointment", [{"id": n, "note": "new"} for n in range(5)] + old),
        (SHARDS[2], "SyncStatus", status + [{"read_status": "old"}] * more),
        (LAST, "Patient", [{"id": n, "email": "new"} for n in last]),
    ]


@pytest.mark.parametrize("calls", range(25))
async def test_a_copy_killed_between_any_two_calls_ends_exact(
    stage: MergingStage, calls: int
) -> None:
    async with opened(stage.target()) as target:
        await pull(KillPoints(target), world(4, 5, 6, 91, more=True), "pull-1")
    victim = KillPoints(stage.target(), calls)
    await victim.target.open()
    try:
        await pull(victim, world(4, 5, 6), "pull-2")
    except KilledError:
        await stage.kill(victim.target)
    else:
        await victim.target.aclose()
        assert calls > 20, "the pull takes fewer calls than this"
    async with opened(stage.target()) as target:
        progress = await target.load()
        if progress is not None and not progress.finished:
            assert progress.id == "pull-2"
            assert {n for n, s in progress.states.items() if s.status == "done"} == victim.settled
        await pull(KillPoints(target), world(4, 6), "pull-3")
        last = await target.load()
    assert last is not None
    assert last.finished
    patients = await stage.query("select id, email from patients order by id")
    was_read = last.id == "pull-2" and LAST.name in victim.settled
    expected = [1, 2, 3, 4, *[GONE] * was_read, 6]
    assert [tuple(row.values()) for row in patients] == [(n, "new") for n in expected]
    visits = await stage.query("select id, note from appointments order by id")
    assert [tuple(row.values()) for row in visits] == [(n, "new") for n in range(5)]
    states = await stage.query("select read_status from sync_status order by 1")
    assert [row["read_status"] for row in states] == ["green", "red", "red"]


async def test_an_unfinished_pull_is_read_back_unchanged(stage: MergingStage) -> None:
    shards = (
        shard_of(version=V3, compares=True),
        shard_of("appointments", 331107, V3),
        shard_of("appointments", 331107, V3, sweep=True),
        attrs.evolve(shard_of("institutions", version=V3), subdomain=None),
    )
    states = {
        shards[0].name: ShardState(status="failed", error="Forbidden: no", refused=2, repaired=3),
        shards[1].name: ShardState(position='0:{"list":1}', records=9, pages=3, duplicates=1),
    }
    progress = attrs.evolve(plan_of(*shards), states=states)
    async with opened(stage.target()) as target:
        assert await target.load() is None
        await target.begin(progress)
    async with opened(stage.target()) as target:
        assert await target.load() == progress
        done = ShardState(status="done", records=4)
        await target.settle(shards[3], done)
        await target.finish()
        expected = attrs.evolve(progress, states=states | {shards[3].name: done}, finished=True)
        assert await target.load() == expected


async def test_empty_tables_are_created(stage: MergingStage) -> None:
    async with opened(stage.target()) as target:
        await target.begin(plan_of(shard_of("locations.appointment_descriptors")))
        assert await target.complete(group_of("patients"), watermark=DAY, whole=True) == 0
    assert await stage.query("select id, code from locations_appointment_descriptors") == []


async def test_a_second_writer_is_refused_with_the_reason(stage: MergingStage) -> None:
    async with opened(stage.target()) as first:
        with pytest.raises(TargetError, match=r"wait until it ends|is in use"):
            await stage.target().open()
        await first.begin(plan_of(shard_of()))
    async with opened(stage.target()) as second:
        assert await second.load() is not None


async def test_wrong_use_raises_a_clear_error(stage: MergingStage) -> None:
    target = stage.target()
    with pytest.raises(SessionStateError, match="not open"):
        await target.load()
    async with opened(target):
        with pytest.raises(SessionStateError, match="already open"):
            await target.open()
        with pytest.raises(UsageError, match="call load or begin"):
            await target.finish()
        await target.begin(plan_of(shard_of()))
        with pytest.raises(UsageError, match="belongs to another pull"):
            await target.settle(shard_of(location=9), OPEN)
    await target.aclose()


@pytest.mark.parametrize("model", sorted(by_model()))
def test_every_model_has_a_type_for_every_column(model: str) -> None:
    kind = getattr(models, model)
    assert {"_practice", "_extra", "_pull", "_shard"} <= duckdb_columns.types_of(kind).keys()
    assert {"_practice", "_extra", "_pull", "_shard"} <= postgres_columns.types_of(kind).keys()
    assert all(postgres_columns.types_of(kind).values())


async def test_state_is_stored_in_utc_for_every_time_zone(stage: MergingStage) -> None:
    moment = datetime.fromisoformat("2026-03-01T08:00:00.125+05:30")
    async with opened(stage.target()) as target:
        await target.begin(attrs.evolve(plan_of(shard_of()), started=moment))
        await target.complete(shard_of().group, watermark=moment, whole=False)
        loaded = await target.load()
        (state,) = (await target.groups()).values()
    assert loaded is not None
    assert loaded.started == state.watermark == moment
    assert loaded.started.tzinfo is UTC
