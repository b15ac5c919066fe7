"""Columns of models, and rows of plain values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import attrs
import pytest

from nexhealth_async import models
from nexhealth_async.codec import Codec
from nexhealth_async.export.columns import (
    EXTRA,
    PRACTICE,
    PULL,
    Check,
    ColumnKind,
    FieldColumn,
    check_of,
    columns_of,
    fields_of,
)
from nexhealth_async.export.model_rows import flat_columns, values_of
from nexhealth_async.models import Charge, Money, Patient, Payment, Record
from tests.models.model_samples import MODELS, SAMPLES

_EACH_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


def row(model: type[Any], raw: bytes, **options: Any) -> tuple[dict[str, object], object]:
    record = Codec().decode(model, raw)[0]
    ((values, extra),) = values_of(model, [record], [raw], **options)
    names = [column.name for column in flat_columns(model)]
    return dict(zip(names, values, strict=True)), extra


@_EACH_MODEL
def test_every_field_of_a_model_has_a_column_of_its_name(model: type[Record]) -> None:
    names = [column.name for column in fields_of(model)]
    expected = [field.name for field in attrs.fields(cast("type[attrs.AttrsInstance]", model))]
    assert sorted(names) == sorted(set(expected) - {"canceled"})  # which `cancelled` follows
    assert not {PRACTICE.name, EXTRA.name, PULL.name} & set(names)
    assert columns_of(model) == (PRACTICE, *fields_of(model), EXTRA, PULL)


_KINDS = [
    ("Patient", "id", ColumnKind.INTEGER),
    ("Onboarding", "id", ColumnKind.TEXT),
    ("Patient", "inactive", ColumnKind.BOOLEAN),
    ("Patient", "created_at", ColumnKind.TIMESTAMP),
    ("Payment", "paid_at", ColumnKind.DATE),
    ("Payment", "payment_amount", ColumnKind.MONEY),
    ("Location", "latitude", ColumnKind.FLOAT),
    ("Patient", "bio", ColumnKind.STRUCT),
    ("Patient", "location_ids", ColumnKind.LIST),
    ("Procedure", "body_site", ColumnKind.STRUCT),
    ("Charge", "claim_payouts", ColumnKind.LIST),
    ("Charge", "procedure_id", ColumnKind.INTEGER),
    ("AppointmentDescriptor", "id", ColumnKind.TEXT),
    ("Patient", "guarantor", ColumnKind.JSON),
    ("Patient", "procedures", ColumnKind.JSON),
    ("Appointment", "misc", ColumnKind.JSON),
    ("Location", "specialty", ColumnKind.JSON),
]


@pytest.mark.parametrize(("model", "field", "kind"), _KINDS)
def test_fields_have_the_kind_of_their_type(model: str, field: str, kind: ColumnKind) -> None:
    columns = {column.name: column for column in fields_of(getattr(models, model))}
    assert columns[field].kind is kind


@_EACH_MODEL
def test_flat_columns_are_plain_or_json(model: type[Record]) -> None:
    for column, flat in zip(fields_of(model), flat_columns(model), strict=True):
        assert flat == column if column.is_plain else flat.kind is ColumnKind.JSON


@pytest.mark.parametrize(("name", "text"), SAMPLES)
def test_rows_of_samples_hold_the_records_values(name: str, text: str) -> None:
    model = getattr(models, name)
    record = Codec().decode(model, text.encode())[0]
    found, extra = row(model, text.encode())
    aside: dict[str, object] = json.loads(cast("str", extra or "{}"))
    assert set(aside) <= {"procedure_id"}  # text where other tables have numbers
    sent = json.loads(text)
    for column in flat_columns(model):
        if column.name in aside:
            assert found[column.name] is None
            continue
        value = getattr(record, column.name)
        if column.kind is ColumnKind.JSON and value is not None and column.name in sent:
            assert json.loads(cast("str", found[column.name])) == sent[column.name]
        elif column.mixed and value is not None:
            assert found[column.name] == str(value)
        elif column.kind is not ColumnKind.JSON:
            assert found[column.name] == value


def test_rows_keep_unknown_fields_in_extra_or_in_their_json() -> None:
    raw = b"""{"id": 1, "bio": {"city": "Ames", "new": 1}, "odd": [1.50],
        "balance": {"amount": "1", "currency": "USD", "shown": "$1"}, "created_at": "soon"}"""
    found, extra = row(Patient, raw)
    assert json.loads(cast("str", found["bio"])) == {"city": "Ames", "new": 1}
    assert found["balance"] == Money(amount=Decimal(1), currency="USD")
    assert json.loads(cast("str", extra)) == {
        "odd": [1.5],
        "balance": {"shown": "$1"},
        "created_at": "soon",
    }


@pytest.mark.parametrize(
    ("model", "field", "sent"),
    [
        (Patient, "provider_id", "9223372036854775808"),
        (Patient, "location_ids", "[1, 9223372036854775808]"),
        (Patient, "created_at", '"0001-01-01T00:00:00+01:00"'),
        (Payment, "payment_amount", '{"amount":"0.00001","currency":"USD"}'),
        (Charge, "fee", '{"amount":"1e20","currency":"USD"}'),
    ],
)
def test_rows_keep_values_that_fit_no_column_in_extra(
    model: type[Record], field: str, sent: str
) -> None:
    found, extra = row(model, f'{{"id":1,"{field}":{sent}}}'.encode())
    assert found[field] is None
    assert extra == f'{{"{field}":{sent}}}'


def test_a_target_may_restrict_the_values() -> None:
    def without_nul(column: FieldColumn) -> Check:
        check = check_of(column)
        return lambda value: check(value) and "\0" not in str(value) and "\\u0000" not in str(value)

    raw = rb"""{"id": 1, "first_name": "a\u0000b", "last_name": "c",
        "bio": {"city": "\u0000"}, "invalid_email": ["x", "\u0000"]}"""
    found, extra = row(Patient, raw, checks=without_nul)
    assert found["last_name"] == "c"
    assert found["first_name"] is found["bio"] is found["invalid_email"] is None
    assert set(json.loads(cast("str", extra))) == {"first_name", "bio", "invalid_email"}


_CHECKS: list[tuple[ColumnKind, object, bool]] = [
    (ColumnKind.INTEGER, 2**63 - 1, True),
    (ColumnKind.INTEGER, 2**63, False),
    (ColumnKind.INTEGER, -(2**63), True),
    (ColumnKind.INTEGER, True, False),
    (ColumnKind.INTEGER, "1", False),
    (ColumnKind.FLOAT, 0.5, True),
    (ColumnKind.FLOAT, 2**53, True),
    (ColumnKind.FLOAT, 2**53 + 1, False),
    (ColumnKind.BOOLEAN, True, True),
    (ColumnKind.BOOLEAN, 1, False),
    (ColumnKind.TEXT, "a\0", True),
    (ColumnKind.TEXT, "\udcff", False),
    (ColumnKind.TEXT, 5, False),
    (ColumnKind.TIMESTAMP, datetime(1, 1, 1, tzinfo=UTC), True),
    (ColumnKind.TIMESTAMP, datetime(2026, 1, 1), False),  # noqa: DTZ001 - naive on purpose
    (ColumnKind.DATE, datetime(2026, 1, 1, tzinfo=UTC), False),
    (ColumnKind.MONEY, Money(amount=Decimal("1.2345"), currency=""), True),
    (ColumnKind.MONEY, Money(amount=Decimal("1.23456"), currency=""), False),
    (
        ColumnKind.MONEY,
        Money(amount=Decimal("12345678901234.00000000000000000000001"), currency=""),
        False,
    ),
    (ColumnKind.MONEY, Money(amount=Decimal("1e999999999"), currency=""), False),
    (ColumnKind.MONEY, Money(amount=Decimal("1e-999999999"), currency=""), False),
    (ColumnKind.MONEY, Decimal(1), False),
    (ColumnKind.LIST, (), True),
    (ColumnKind.LIST, "abc", False),
]


@pytest.mark.parametrize(("kind", "value", "fits"), _CHECKS)
def test_columns_know_their_valid_values(kind: ColumnKind, value: object, *, fits: bool) -> None:
    assert check_of(FieldColumn(name="x", kind=kind))(value) is fits
