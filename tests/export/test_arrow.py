"""Arrow tables: every record of every model survives the round trip."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexhealth_async import models
from nexhealth_async.bulk import Batch, Shard
from nexhealth_async.codec import Codec, to_json
from nexhealth_async.errors import UsageError, WalkClosedError
from nexhealth_async.export import pyarrow_types
from nexhealth_async.export.arrow import schema_of, table_of, table_of_batch, tables_of, to_arrow
from nexhealth_async.models import (
    Appointment,
    Charge,
    ClaimPayout,
    Money,
    Patient,
    PatientBio,
    Payment,
    Provider,
    Record,
)
from nexhealth_async.pagination.batch_decoder import Repair
from tests.bulk.helpers import scene
from tests.export.table_helpers import as_kept, from_row
from tests.models.model_samples import MODELS, SAMPLES, filled, instances

_CODEC = Codec()
_TABLED = [model for model in MODELS if model is not Money]
_SLOW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def read(model: type[Any], *raw: bytes) -> tuple[list[Any], list[Repair]]:
    records: list[Any] = []
    repairs: list[Repair] = []
    for data in raw:
        record, paths = _CODEC.decode(model, data)
        records.append(record)
        repairs += [Repair(getattr(record, "id", None), path) for path in paths]
    return records, repairs


def rows(model: type[Any], *raw: bytes) -> list[dict[str, Any]]:
    """Rows of records as a pull would write them."""
    records, repairs = read(model, *raw)
    ids = {repair.record_id for repair in repairs}
    table = table_of(model, records, raw, practice="demo", pull="p", repaired=ids)
    assert table.schema.equals(schema_of(model))
    return table.to_pylist()


@pytest.mark.parametrize(("name", "text"), SAMPLES)
def test_samples_of_the_vendor_survive_the_round_trip(name: str, text: str) -> None:
    model = getattr(models, name)
    (record,), _ = read(model, text.encode())
    (row,) = rows(model, text.encode())
    assert row["_practice"] == "demo"
    assert row["_pull"] == "p"
    assert json.loads(row["_extra"] or "{}").keys() <= {"procedure_id"}  # text goes aside
    assert from_row(model, row) == as_kept(record)


@pytest.mark.parametrize("model", _TABLED, ids=lambda model: model.__name__)
@_SLOW
@given(data=st.data())
def test_any_record_survives_the_round_trip(model: type[Record], data: st.DataObject) -> None:
    records = data.draw(st.lists(instances(model), min_size=1, max_size=3))
    raw = [to_json(cast("Any", record)) for record in records]
    with_json = table_of(model, records, raw)
    alone = table_of(model, records)
    again = [as_kept(_CODEC.decode(model, one)[0]) for one in raw]
    assert [from_row(model, row) for row in with_json.to_pylist()] == again
    assert [from_row(model, row) for row in alone.to_pylist()] == again


@pytest.mark.parametrize("model", _TABLED, ids=lambda model: model.__name__)
def test_a_record_with_every_field_set_fills_every_column(model: type[Record]) -> None:
    (row,) = table_of(model, [filled(model)]).to_pylist()
    assert row.pop("_extra") is None
    assert None not in row.values()


_TYPES = {
    "_practice": "string",
    "id": "int64",
    "email": "string",
    "created_at": "timestamp[us, tz=UTC]",
    "inactive": "bool",
    "balance_amount": "decimal128(18, 4)",
    "balance_currency": "string",
    "location_ids": "list<item: int64>",
    "invalid_email": "string",
    "hipaa": "struct<authorization: bool, authorization_date: date32[day], privacy: bool, "
    "privacy_date: date32[day], consent: bool, consent_date: date32[day]>",
    "guarantor": "string",
    "procedures": "string",
    "config": "string",
    "_extra": "string",
    "_pull": "string",
}


def test_columns_have_the_promised_types() -> None:
    schema = schema_of(Patient)
    assert {name: str(schema.field(name).type) for name in _TYPES} == _TYPES
    assert schema.names[0] == "_practice"
    assert schema.names[-2:] == ["_extra", "_pull"]
    assert str(schema_of(models.Location).field("latitude").type) == "double"
    assert str(schema_of(models.Institution).field("emrs").type) == "list<item: string>"


def test_unknown_fields_are_kept_at_every_level() -> None:
    raw = b"""{"id": 1, "nickname": {"a": [1, 2.50]}, "bio": {"city": "Ames", "pronouns": "they"},
        "balance": {"amount": "1.00", "currency": "USD", "shown": "$1"}, "email": null}"""
    plain = b'{"id": 2}'
    first, second = rows(Patient, raw, plain)
    assert json.loads(first["_extra"]) == {
        "nickname": {"a": [1, 2.5]},
        "bio": {"pronouns": "they"},
        "balance": {"shown": "$1"},
    }
    assert b"2.50" in first["_extra"].encode()  # as it was sent
    assert first["bio"]["city"] == "Ames"
    assert second["_extra"] is None


def test_unknown_fields_in_a_list_of_structs_keep_their_positions() -> None:
    raw = b"""{"id": 1, "claim_payouts": [{"claim_id": 4},
        {"claim_id": 5, "why": "x", "write_off": {"amount": "2", "currency": "USD", "q": 1}}]}"""
    (row,) = rows(Charge, raw)
    assert json.loads(row["_extra"]) == {"claim_payouts": [{}, {"why": "x", "write_off": {"q": 1}}]}
    assert [payout["claim_id"] for payout in row["claim_payouts"]] == [4, 5]


def test_a_list_that_lost_elements_is_kept_whole_in_extra() -> None:
    raw = b'{"id": 1, "provider_requestables": [null, {"location_id": 3, "new": 1}]}'
    (row,) = rows(Provider, raw)
    assert row["provider_requestables"] == [{"location_id": 3}]
    assert json.loads(row["_extra"]) == {
        "provider_requestables": [None, {"location_id": 3, "new": 1}]
    }


def test_unknown_fields_in_embedded_records_stay_in_their_json() -> None:
    raw = b"""{"id": 1, "guarantor": {"id": 2, "shoe": 9}, "misc": 1,
        "procedures": [{"id": 3, "x": {}}]}"""
    (row,) = rows(Patient, raw)
    assert json.loads(row["guarantor"]) == {"id": 2, "shoe": 9}
    assert json.loads(row["procedures"]) == [{"id": 3, "x": {}}]
    assert json.loads(row["_extra"]) == {"misc": 1}


def test_values_that_would_be_read_as_none_are_kept_as_sent() -> None:
    raw = b"""{"id": "7", "created_at": "the day before", "updated_at": {}, "email": 12,
        "bio": {"date_of_birth": "in spring", "city": "Ames"}}"""
    (row,) = rows(Patient, raw)
    assert row["id"] == 7
    assert row["created_at"] is None
    assert row["email"] == "12"
    assert json.loads(row["_extra"]) == {
        "created_at": "the day before",
        "bio": {"date_of_birth": "in spring"},
    }


_ODD: list[tuple[type[Record], str, str, object]] = [
    (Patient, "provider_id", "9223372036854775808", None),
    (Patient, "provider_id", "-9223372036854775809", None),
    (Patient, "provider_id", "9223372036854775807", 2**63 - 1),
    (Patient, "created_at", '"0001-01-01T00:00:00+14:00"', None),
    (Patient, "created_at", '"9999-12-31T23:59:59-01:00"', None),
    (Patient, "created_at", '"0001-01-01T00:00:00Z"', datetime(1, 1, 1, tzinfo=UTC)),
    (
        Patient,
        "created_at",
        '"9999-12-31T23:59:59.999999Z"',
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ),
    (Payment, "paid_at", '"0001-01-01"', date(1, 1, 1)),
    (Payment, "payment_amount", '{"amount": "0.00001", "currency": "USD"}', None),
    (Payment, "payment_amount", '{"amount": "100000000000000", "currency": "USD"}', None),
    (
        Payment,
        "payment_amount",
        '{"amount": "12345678901234567890123.45", "currency": "USD"}',
        None,
    ),
    (Payment, "payment_amount", '{"amount": "1e-999999999", "currency": "USD"}', None),
    (
        Payment,
        "payment_amount",
        '{"amount": "-99999999999999.9999", "currency": "USD"}',
        {"amount": Decimal("-99999999999999.9999"), "currency": "USD"},
    ),
    (
        Payment,
        "payment_amount",
        '{"amount": "1.500000000000000000000000", "currency": "USD"}',
        {"amount": Decimal("1.5"), "currency": "USD"},
    ),
    (Patient, "first_name", '"a\\u0000b"', "a\0b"),
    (Patient, "location_ids", "[1, 9223372036854775808]", [1, None]),
]


@pytest.mark.parametrize(("model", "field", "sent", "kept"), _ODD)
def test_values_that_fit_no_column_are_null_and_kept_in_extra(
    model: type[Record], field: str, sent: str, kept: object
) -> None:
    raw = f'{{"id": 1, "{field}": {sent}}}'.encode()
    malformed, plain = rows(model, raw, b'{"id": 2}')
    if field == "payment_amount":
        amount = malformed["payment_amount_amount"]
        assert (amount is None) is (malformed["payment_amount_currency"] is None)
        assert amount == (kept and cast("dict[str, object]", kept)["amount"])
    else:
        assert malformed[field] == kept
    assert plain["_extra"] is None
    whole = kept is not None and kept != [1, None]
    assert malformed["_extra"] == (None if whole else f'{{"{field}":{sent}}}')


def test_a_malformed_nested_value_keeps_its_whole_field() -> None:
    raw = b"""{"id": 1, "totals": {"write_off": {"amount": "0.123456", "currency": "USD"},
        "insurance_payment": {"amount": "5", "currency": "USD"}}}"""
    (row,) = rows(Charge, raw)
    assert row["totals"]["write_off"] is None
    assert row["totals"]["insurance_payment"]["amount"] == 5
    assert json.loads(row["_extra"])["totals"]["write_off"]["amount"] == "0.123456"


def test_numbers_in_a_text_field_become_text() -> None:
    first, second = rows(models.AppointmentDescriptor, b'{"id":34}', b'{"id":"OD-1"}')
    assert [first["id"], second["id"]] == ["34", "OD-1"]
    assert first["_extra"] is second["_extra"] is None


def test_text_in_a_key_column_is_kept_in_extra() -> None:
    first, second = rows(Charge, b'{"id":1,"procedure_id":34}', b'{"id":2,"procedure_id":"NHP:1"}')
    assert [first["procedure_id"], second["procedure_id"]] == [34, None]
    assert first["_extra"] is None
    assert json.loads(second["_extra"]) == {"procedure_id": "NHP:1"}


def test_a_field_with_two_spellings_is_one_column() -> None:
    raw = b'{"id":1,"canceled":true}', b'{"id":2,"cancelled":true}', b'{"id":3}'
    made = rows(models.Appointment, *raw)
    assert [row["cancelled"] for row in made] == [True, True, None]
    assert "canceled" not in schema_of(models.Appointment).names


def test_a_lone_surrogate_is_kept_as_an_escape() -> None:
    record = Patient(id=1, first_name="a\ud800b", config={"x": "\udfff"})
    (row,) = table_of(Patient, [record]).to_pylist()
    assert row["first_name"] is None
    assert json.loads(cast("str", row["_extra"])) == {"first_name": "a\ud800b"}
    assert json.loads(cast("str", row["config"])) == {"x": "\udfff"}


def test_bytes_that_are_not_utf8_are_kept_as_text() -> None:
    raw = b'{"id": 1, "odd": "a\xffb", "\xfe": 2}'
    (row,) = table_of(Patient, [Patient(id=1)], [raw]).to_pylist()
    assert json.loads(cast("str", row["_extra"])) == {"odd": "a\\xffb", "\\xfe": 2}


def test_values_made_by_a_hook_do_not_break_their_column() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - naive on purpose
    malformed = cast("Any", {"email": 5, "created_at": naive, "bio": "x", "balance": 1.5})
    record = Patient(id=1, **malformed)
    (row,) = table_of(Patient, [record]).to_pylist()
    columns = ["email", "created_at", "bio", "balance_amount", "balance_currency"]
    assert [row[name] for name in columns] == [None] * 5
    assert set(json.loads(cast("str", row["_extra"]))) == set(malformed)


def test_timestamps_are_the_same_instants_in_utc() -> None:
    there = datetime(2026, 1, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=-5)))
    (row,) = table_of(Appointment, [Appointment(id=1, start_time=there)]).to_pylist()
    assert row["start_time"] == there
    assert cast("datetime", row["start_time"]).hour == 14


def test_no_records_make_a_table_with_all_columns() -> None:
    table = table_of(Patient, [], [], practice="", pull="")
    assert table.num_rows == 0
    assert table.schema.equals(schema_of(Patient))


def test_records_without_their_json_still_have_their_fields() -> None:
    payout = ClaimPayout(claim_id=1, fee_schedule_procedure_code=None)
    record = Charge(id=1, claim_payouts=(payout,), totals=None, claim_ids=())
    (row,) = table_of(Charge, [record]).to_pylist()
    assert cast("Any", row["claim_payouts"])[0]["claim_id"] == 1
    assert row["claim_ids"] == []
    assert row["totals"] is None


def test_a_batch_becomes_rows_of_its_practice_and_pull() -> None:
    raw = (b'{"id": 1, "created_at": "whenever"}', b'{"id": 2}')
    records, repairs = read(Patient, *raw)
    batch = Batch(
        shard=Shard(resource="patients", version="v2", subdomain="demo"),
        model="Patient",
        records=tuple(records),
        raw=raw,
        repairs=tuple(repairs),
    )
    first, second = table_of_batch(batch, pull="7").to_pylist()
    assert (first["_practice"], first["_pull"]) == ("demo", "7")
    assert json.loads(cast("str", first["_extra"])) == {"created_at": "whenever"}
    assert second["_extra"] is None


async def test_a_walk_becomes_a_table_for_pandas_and_polars() -> None:
    async with scene(practices=1, locations=1, patients=1_100, appointments=0) as (sandbox, nex):
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        table = await to_arrow(location.patients.walk(per_page=300))
        assert table.num_rows == 1_100
        ids = table.column("id").to_pylist()
        assert sorted(cast("list[int]", ids)) == sorted(sandbox.practices[0].patients.ids)
        frame = cast("Any", table.to_pandas())
        assert list(frame["id"]) == ids
        assert str(frame["created_at"].dtype) == "datetime64[us, UTC]"
        polar = cast("Any", pl).from_arrow(table)
        assert isinstance(polar, pl.DataFrame)
        assert polar["id"].to_list() == ids
        assert polar.schema["created_at"] == pl.Datetime("us", "UTC")


async def test_an_empty_walk_becomes_a_table_with_columns() -> None:
    async with scene(practices=1, locations=1, patients=0, appointments=0) as (sandbox, nex):
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        table = await to_arrow(location.procedures.walk())
        assert table.num_rows == 0 or table.column("id").null_count == 0
        assert "treatment_plan_ids" in table.schema.names


async def test_a_started_walk_is_refused() -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        walk = nex.practice(sandbox.subdomain).location(sandbox.location_id).patients.walk()
        await anext(walk)
        with pytest.raises(WalkClosedError):
            await to_arrow(walk)
        await walk.aclose()


async def test_a_pull_becomes_a_table_for_each_resource() -> None:
    async with (
        scene(practices=2) as (sandbox, nex),
        nex.bulk.pull(["patients", "providers"]) as pull,
    ):
        tables = await tables_of(pull)
    assert sorted(tables) == ["patients", "providers"]
    table = tables["patients"]
    assert table.schema.equals(schema_of(Patient))
    assert set(table.column("_practice").to_pylist()) == {
        practice.subdomain for practice in sandbox.practices
    }
    assert table.num_rows == sum(len(practice.patients.ids) for practice in sandbox.practices)


def test_without_pyarrow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    pyarrow_types.arrow.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"nexhealth-async\[parquet\]"):
            table_of(PatientBio, [])
    finally:
        pyarrow_types.arrow.cache_clear()
