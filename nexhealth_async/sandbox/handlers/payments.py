"""Payments and adjustments as they are written: accepted now, in the ledger after the next sync."""

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
from nexhealth_async.sandbox.ledger_data import shares
from nexhealth_async.sandbox.routes import HandlerResult, SandboxCall
from nexhealth_async.sandbox.tables import RecordTable
from nexhealth_async.sandbox.v3_fields import price

__all__ = ["create_adjustment", "create_payment"]

_LONGEST: Final = 50


def create_payment(call: SandboxCall) -> HandlerResult:
    """Take a payment; one split over charges becomes as many ledger rows."""
    practice = call.practice
    wanted = call.wrapped("payment")
    kind = wanted.get("payment_type_id")
    _check_exists(practice.payment_types, kind, "Payment type")
    base, parts = _read(call, wanted, practice.payments)
    for charge_id, amount in parts:
        record: JsonRow = {
            **base,
            "payment_amount": price(amount, text(wanted, "currency") or "USD"),
            "paid_at": _day(call, wanted, "paid_at"),
            "charge_id": charge_id,
            "claim_id": None,
            "payment_plan_id": None,
            "insurance_plan_id": None,
            "payment_type_id": kind,
        }
        practice.pending.append((practice.payments, record))
    return HandlerResult(data=None, status=202)


def create_adjustment(call: SandboxCall) -> HandlerResult:
    """Take an adjustment, as a payment is taken."""
    practice = call.practice
    wanted = call.wrapped("adjustment")
    kind = wanted.get("adjustment_type_id")
    _check_exists(practice.adjustment_types, kind, "Adjustment type")
    base, parts = _read(call, wanted, practice.adjustments)
    for charge_id, amount in parts:
        record: JsonRow = {
            **base,
            "adjustment_amount": price(amount, text(wanted, "currency") or "USD"),
            "adjusted_at": _day(call, wanted, "adjusted_at"),
            "charge_id": charge_id,
            "claim_id": None,
            "adjustment_type_id": kind,
        }
        practice.pending.append((practice.adjustments, record))
    return HandlerResult(data=None, status=202)


def _check_exists(table: RecordTable, id: object, resource: str) -> None:
    if id is not None and (not isinstance(id, int) or id not in table):
        raise RequestRejectedError(400, f"{resource} with id {id} not found")


def _day(call: SandboxCall, wanted: JsonRow, name: str) -> str:
    if wanted.get(name) is None:
        return format_timestamp(call.now)[:10]
    found = parse_timestamp(wanted[name])
    if found is None:
        raise RequestRejectedError(400, f"{name} is invalid")
    return found.date().isoformat()


def _read(
    call: SandboxCall, wanted: JsonRow, table: RecordTable
) -> tuple[JsonRow, list[tuple[int | None, float]]]:
    """What payments and adjustments have in common, and how the amount is dealt to charges."""
    practice = call.practice
    patient_id, amount = wanted.get("patient_id"), wanted.get("amount")
    transaction_id = text(wanted, "transaction_id")
    noun = "payment" if table is practice.payments else "adjustment"
    reject_missing(
        call.body, *(f"{noun}.{name}" for name in ("patient_id", "amount", "transaction_id"))
    )
    if not isinstance(patient_id, int):
        raise RequestRejectedError(400, "patient_id is invalid")
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        raise RequestRejectedError(400, "amount is invalid")
    if len(transaction_id) > _LONGEST:
        raise RequestRejectedError(
            400, f"transaction_id is too long (maximum is {_LONGEST} characters)"
        )
    patient = practice.patients.get(patient_id)
    if patient is None:
        raise RequestRejectedError(400, f"Patient with id {patient_id} not found")
    waiting = any(
        to is table and one["transaction_id"] == transaction_id for to, one in practice.pending
    )
    repeated = waiting or bool(table.where("transaction_id", transaction_id))
    if repeated and not call.world.guesses.repeat_transactions:
        raise RequestRejectedError(400, "transaction_id has already been taken")
    base: JsonRow = {
        "foreign_id": None,
        "foreign_id_type": "nex",
        "location_id": call.params.number("location_id"),
        "patient_id": patient_id,
        "guarantor_id": practice.bookkeeper.guarantor_id(patient_id),
        "provider_id": None,
        "description": wanted.get("notes"),
        "deleted_at": None,
        "transaction_id": transaction_id,
    }
    return base, shares(float(amount), _splits(call, wanted))


def _splits(call: SandboxCall, wanted: JsonRow) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for name, part in (row(wanted.get("charge_splits")) or {}).items():
        try:
            charge_id, amount = int(name), float(str(part))
        except ValueError:
            raise RequestRejectedError(400, "charge_splits is invalid") from None
        if charge_id not in call.practice.charges:
            raise RequestRejectedError(400, f"Charge with id {charge_id} not found")
        found.append((charge_id, amount))
    return found
