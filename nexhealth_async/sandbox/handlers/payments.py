"""Payments and adjustments as they are written: accepted now, in the ledger after the next sync."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.json_format import (
    Refusal,
    Row,
    moment,
    refuse_missing,
    row,
    stamp,
    text,
)
from nexhealth_async.sandbox.ledger_data import shares
from nexhealth_async.sandbox.routes import Answer, Call
from nexhealth_async.sandbox.tables import Table
from nexhealth_async.sandbox.v3_fields import price

__all__ = ["adjust", "pay"]

_LONGEST: Final = 50


def pay(call: Call) -> Answer:
    """Take a payment; one split over charges becomes as many ledger rows."""
    practice = call.practice
    wanted = call.wrapped("payment")
    kind = wanted.get("payment_type_id")
    _known(practice.payment_types, kind, "Payment type")
    base, parts = _read(call, wanted, practice.payments)
    for charge_id, amount in parts:
        record: Row = {
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
    return Answer(data=None, status=202)


def adjust(call: Call) -> Answer:
    """Take an adjustment, as a payment is taken."""
    practice = call.practice
    wanted = call.wrapped("adjustment")
    kind = wanted.get("adjustment_type_id")
    _known(practice.adjustment_types, kind, "Adjustment type")
    base, parts = _read(call, wanted, practice.adjustments)
    for charge_id, amount in parts:
        record: Row = {
            **base,
            "adjustment_amount": price(amount, text(wanted, "currency") or "USD"),
            "adjusted_at": _day(call, wanted, "adjusted_at"),
            "charge_id": charge_id,
            "claim_id": None,
            "adjustment_type_id": kind,
        }
        practice.pending.append((practice.adjustments, record))
    return Answer(data=None, status=202)


def _known(table: Table, id: object, noun: str) -> None:
    if id is not None and (not isinstance(id, int) or id not in table):
        raise Refusal(400, f"{noun} with id {id} not found")


def _day(call: Call, wanted: Row, name: str) -> str:
    if wanted.get(name) is None:
        return stamp(call.now)[:10]
    found = moment(wanted[name])
    if found is None:
        raise Refusal(400, f"{name} is invalid")
    return found.date().isoformat()


def _read(call: Call, wanted: Row, table: Table) -> tuple[Row, list[tuple[int | None, float]]]:
    """What payments and adjustments have in common, and how the amount is dealt to charges."""
    practice = call.practice
    patient_id, amount = wanted.get("patient_id"), wanted.get("amount")
    transaction_id = text(wanted, "transaction_id")
    noun = "payment" if table is practice.payments else "adjustment"
    refuse_missing(
        call.body, *(f"{noun}.{name}" for name in ("patient_id", "amount", "transaction_id"))
    )
    if not isinstance(patient_id, int):
        raise Refusal(400, "patient_id is invalid")
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        raise Refusal(400, "amount is invalid")
    if len(transaction_id) > _LONGEST:
        raise Refusal(400, f"transaction_id is too long (maximum is {_LONGEST} characters)")
    patient = practice.patients.get(patient_id)
    if patient is None:
        raise Refusal(400, f"Patient with id {patient_id} not found")
    waiting = any(
        to is table and one["transaction_id"] == transaction_id for to, one in practice.pending
    )
    repeated = waiting or bool(table.where("transaction_id", transaction_id))
    if repeated and not call.world.guesses.repeat_transactions:
        raise Refusal(400, "transaction_id has already been taken")
    base: Row = {
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


def _splits(call: Call, wanted: Row) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for name, part in (row(wanted.get("charge_splits")) or {}).items():
        try:
            charge_id, amount = int(name), float(str(part))
        except ValueError:
            raise Refusal(400, "charge_splits is invalid") from None
        if charge_id not in call.practice.charges:
            raise Refusal(400, f"Charge with id {charge_id} not found")
        found.append((charge_id, amount))
    return found
