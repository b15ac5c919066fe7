"""Creation of payments and adjustments, which appear in the ledger after the next sync."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    parse_timestamp,
    reject_missing,
    row,
    text,
)
from nexhealth_async.sandbox.ledger_data import split_amount
from nexhealth_async.sandbox.routes import HandlerResult, SandboxCall
from nexhealth_async.sandbox.tables import RecordTable
from nexhealth_async.sandbox.v3_fields import price

__all__ = ["create_adjustment", "create_payment"]

_MAX_LENGTH: Final = 50


def create_payment(call: SandboxCall) -> HandlerResult:
    """Accept a payment; one that is split over charges becomes several ledger rows."""
    practice = call.practice
    body = call.wrapped("payment")
    kind = body.get("payment_type_id")
    _check_exists(practice.payment_types, kind, "Payment type")
    base, parts = _parse_entry(call, body, practice.payments)
    for charge_id, amount in parts:
        record: JsonRow = {
            **base,
            "payment_amount": price(amount, text(body, "currency") or "USD"),
            "paid_at": _parse_date(call, body, "paid_at"),
            "charge_id": charge_id,
            "claim_id": None,
            "payment_plan_id": None,
            "insurance_plan_id": None,
            "payment_type_id": kind,
        }
        practice.pending.append((practice.payments, record))
    return HandlerResult(data=None, status=202)


def create_adjustment(call: SandboxCall) -> HandlerResult:
    """Accept an adjustment, in the same way as a payment."""
    practice = call.practice
    body = call.wrapped("adjustment")
    kind = body.get("adjustment_type_id")
    _check_exists(practice.adjustment_types, kind, "Adjustment type")
    base, parts = _parse_entry(call, body, practice.adjustments)
    for charge_id, amount in parts:
        record: JsonRow = {
            **base,
            "adjustment_amount": price(amount, text(body, "currency") or "USD"),
            "adjusted_at": _parse_date(call, body, "adjusted_at"),
            "charge_id": charge_id,
            "claim_id": None,
            "adjustment_type_id": kind,
        }
        practice.pending.append((practice.adjustments, record))
    return HandlerResult(data=None, status=202)


def _check_exists(table: RecordTable, id: object, resource: str) -> None:
    if id is not None and (not isinstance(id, int) or id not in table):
        raise RequestRejectedError(400, f"{resource} with id {id} not found")


def _parse_date(call: SandboxCall, body: JsonRow, name: str) -> str:
    if body.get(name) is None:
        return format_timestamp(call.now)[:10]
    timestamp = parse_timestamp(body[name])
    if timestamp is None:
        raise RequestRejectedError(400, f"{name} is invalid")
    return timestamp.date().isoformat()


def _parse_entry(
    call: SandboxCall, body: JsonRow, table: RecordTable
) -> tuple[JsonRow, list[tuple[int | None, float]]]:
    """Return the common fields of payments and adjustments, and the amount for each charge."""
    practice = call.practice
    patient_id, amount = body.get("patient_id"), body.get("amount")
    transaction_id = text(body, "transaction_id")
    noun = "payment" if table is practice.payments else "adjustment"
    reject_missing(
        call.body, *(f"{noun}.{name}" for name in ("patient_id", "amount", "transaction_id"))
    )
    if not isinstance(patient_id, int):
        raise RequestRejectedError(400, "patient_id is invalid")
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        raise RequestRejectedError(400, "amount is invalid")
    if len(transaction_id) > _MAX_LENGTH:
        raise RequestRejectedError(
            400, f"transaction_id is too long (maximum is {_MAX_LENGTH} characters)"
        )
    patient = practice.patients.get(patient_id)
    if patient is None:
        raise RequestRejectedError(400, f"Patient with id {patient_id} not found")
    is_pending = any(
        pending_table is table and record["transaction_id"] == transaction_id
        for pending_table, record in practice.pending
    )
    is_repeated = is_pending or bool(table.where("transaction_id", transaction_id))
    if is_repeated and not call.world.assumptions.repeat_transactions:
        raise RequestRejectedError(400, "transaction_id has already been taken")
    base: JsonRow = {
        "foreign_id": None,
        "foreign_id_type": "nex",
        "location_id": call.params.number("location_id"),
        "patient_id": patient_id,
        "guarantor_id": practice.ledger_data.guarantor_id(patient_id),
        "provider_id": None,
        "description": body.get("notes"),
        "deleted_at": None,
        "transaction_id": transaction_id,
    }
    return base, split_amount(float(amount), _parse_splits(call, body))


def _parse_splits(call: SandboxCall, body: JsonRow) -> list[tuple[int, float]]:
    splits: list[tuple[int, float]] = []
    for name, part in (row(body.get("charge_splits")) or {}).items():
        try:
            charge_id, amount = int(name), float(str(part))
        except ValueError:
            raise RequestRejectedError(400, "charge_splits is invalid") from None
        if charge_id not in call.practice.charges:
            raise RequestRejectedError(400, f"Charge with id {charge_id} not found")
        splits.append((charge_id, amount))
    return splits
