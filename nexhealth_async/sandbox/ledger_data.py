"""Invented ledgers, plans, notes and staff, generated on demand from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Protocol

from nexhealth_async.sandbox.fake_data import EMR, Maker
from nexhealth_async.sandbox.fake_names import CODES, FIRST, LAST
from nexhealth_async.sandbox.json_format import JsonRow, number, row, text
from nexhealth_async.sandbox.tables import RecordTable
from nexhealth_async.sandbox.v3_fields import price

__all__ = ["LedgerData", "LedgerTables"]

CLAIM_STATES: Final = ("sent", "received", "draft")
PLAN_STATES: Final = ("proposed", "accepted", "completed", "rejected")


class LedgerTables(Protocol):
    """Tables of a practice that ledger rows refer to."""

    @property
    def patients(self) -> RecordTable:
        """The practice's patients."""
        ...

    @property
    def procedures(self) -> RecordTable:
        """Procedures, which charges are for."""
        ...

    @property
    def charges(self) -> RecordTable:
        """Charges, which payments, adjustments and claims refer to."""
        ...

    @property
    def claims(self) -> RecordTable:
        """Insurance claims."""
        ...

    @property
    def payment_plans(self) -> RecordTable:
        """Payment plans."""
        ...

    @property
    def payment_types(self) -> RecordTable:
        """Payment types."""
        ...

    @property
    def adjustment_types(self) -> RecordTable:
        """Adjustment types."""
        ...

    @property
    def fee_schedules(self) -> RecordTable:
        """Fee schedules."""
        ...


class LedgerData:
    """A generator of one practice's ledger rows, each from its index and id alone.

    Every patient has a charge, for their first procedure if they have one. Every second charge has
    a payment of half its fee, every third a claim, every fifth an adjustment.
    """

    def __init__(self, tables: LedgerTables, maker: Maker) -> None:
        self._tables = tables
        self._make = maker

    def _patient_id(self, index: int) -> int:
        ids = self._make.patient_ids
        return ids[index % len(ids)]

    def guarantor_id(self, patient_id: int) -> int:
        """Return the guarantor of a patient: the patient, unless the record names another."""
        patient = self._tables.patients.get(patient_id)
        return (number(patient, "guarantor_id") if patient else 0) or patient_id

    def _procedure(self, index: int) -> tuple[int | None, JsonRow]:
        ids = self._tables.procedures.ids
        id = ids[index] if index < len(ids) else None
        return id, self._make.procedure(index, id or 0)

    def _entry(self, stream: int, index: int, id: int, charge: int) -> JsonRow:
        _, procedure = self._procedure(charge)
        patient_id = self._patient_id(charge)
        return {
            "id": id,
            "foreign_id": str(100_000 + index),
            "location_id": procedure["location_id"],
            "patient_id": patient_id,
            "guarantor_id": self.guarantor_id(patient_id),
            "provider_id": procedure["provider_id"],
            "updated_at": self._make.times(self._make.draw(stream, index))["updated_at"],
            "description": procedure["name"],
            "deleted_at": None,
        }

    def charge(self, index: int, id: int) -> JsonRow:
        """Return the charge of a procedure."""
        procedure_id, procedure = self._procedure(index)
        return {
            **self._entry(20, index, id, index),
            "procedure_id": procedure_id,
            "procedure_code": procedure["code"],
            "fee": procedure["fee"],
            "charged_at": procedure["start_date"],
        }

    def payment(self, index: int, id: int) -> JsonRow:
        """Return a payment of half of every second charge, negative, three weeks later."""
        charge = index * 2
        _, procedure = self._procedure(charge)
        return {
            **self._entry(21, index, id, charge),
            "description": "Payment",
            "payment_amount": price(-_fee(procedure) / 2),
            "paid_at": _add_days(procedure, 21),
            "transaction_id": None,
            "charge_id": self._tables.charges.first_id + charge,
            "claim_id": self._tables.claims.first_id + charge // 3 if charge % 3 == 0 else None,
            "payment_plan_id": self._tables.payment_plans.first_id + charge // 5
            if charge % 5 == 0
            else None,
            "insurance_plan_id": self._plan_id(charge) if charge % 3 == 0 else None,
            "payment_type_id": self._tables.payment_types.ids[index % 2],
        }

    def adjustment(self, index: int, id: int) -> JsonRow:
        """Return an adjustment of ten dollars off every fifth charge."""
        charge = index * 5
        _, procedure = self._procedure(charge)
        return {
            **self._entry(22, index, id, charge),
            "description": "Courtesy",
            "adjustment_amount": price("-10.00"),
            "adjusted_at": _add_days(procedure, 7),
            "transaction_id": None,
            "charge_id": self._tables.charges.first_id + charge,
            "claim_id": None,
            "adjustment_type_id": self._tables.adjustment_types.ids[0],
        }

    def claim(self, index: int, id: int) -> JsonRow:
        """Return a claim of every third charge; ``charge_ids`` is not part of responses."""
        charge = index * 3
        _, procedure = self._procedure(charge)
        fee = _fee(procedure)
        status = CLAIM_STATES[self._make.draw(23, index) % 3]
        entry = self._entry(23, index, id, charge)
        sent = f"{_add_days(procedure, 2)}T09:00:00.000Z"
        return {
            "id": id,
            **{name: entry[name] for name in ("location_id", "patient_id", "provider_id")},
            "guarantor_id": entry["guarantor_id"],
            "status": status,
            "received_at": f"{_add_days(procedure, 16)}T09:00:00.000Z"
            if status == "received"
            else None,
            "sent_at": None if status == "draft" else sent,
            "note": None,
            "primary_insurance_plan_id": self._plan_id(charge),
            "secondary_insurance_plan_id": None,
            "date_of_service": procedure["start_date"],
            "totals": {
                "amount_billed_to_insurance": price(fee),
                "estimated_insurance_payment": price(fee * 0.8),
                "insurance_payment": price(fee / 2 if status == "received" else 0),
                "write_off": price(0),
            },
            "updated_at": entry["updated_at"],
            "deleted_at": None,
            "charge_ids": [self._tables.charges.first_id + charge],
        }

    def _plan_id(self, index: int) -> int:
        plans = self._make.plan_ids
        return plans[index % len(plans)]

    def payment_type(self, index: int, id: int) -> JsonRow:
        """Return a payment type; the last one is inactive."""
        name = ("Credit card", "Insurance cheque", "Cash", "Voucher")[index % 4]
        return {
            "id": id,
            "name": name,
            "active": index != 3,
            "updated_at": self._make.times(self._make.draw(24, index))["updated_at"],
        }

    def adjustment_type(self, index: int, id: int) -> JsonRow:
        """Return an adjustment type; the last one is inactive."""
        name, action = (
            ("Courtesy discount", "credit"),
            ("Refund", "debit"),
            ("Correction", "unknown"),
        )[index % 3]
        return {
            "id": id,
            "name": name,
            "active": index != 2,
            "action": action,
            "updated_at": self._make.times(self._make.draw(25, index))["updated_at"],
        }

    def fee_schedule(self, index: int, id: int) -> JsonRow:
        """Return a fee schedule; the last one is inactive."""
        return {
            "id": id,
            "name": ("Standard fees", "Network fees", "Old fees")[index % 3],
            "active": index != 2,
            "location_id": self._make.location_ids[0],
            "updated_at": self._make.times(self._make.draw(26, index))["updated_at"],
        }

    def fee(self, index: int, id: int) -> JsonRow:
        """Return a procedure's fee in one of the fee schedules."""
        code, _, fee = CODES[index % len(CODES)]
        schedule = index // len(CODES)
        return {
            "id": id,
            "procedure_code_id": f"00000000-0000-4000-8000-{index:012d}",
            "fee": price(float(fee) * (1 - schedule / 10)),
            "code": code,
            "location_id": self._make.location_ids[0],
            "fee_schedule_id": self._tables.fee_schedules.first_id + schedule,
            "updated_at": self._make.times(self._make.draw(27, index))["updated_at"],
        }

    def payment_plan(self, index: int, id: int) -> JsonRow:
        """Return a payment plan of every fifth patient.

        ``location_id`` and ``updated_at`` are not part of responses.
        """
        patient_index = index * 5
        patient_id = self._patient_id(patient_index)
        created = self._make.anchor - timedelta(days=self._make.draw(28, index) % 300 + 40)
        return {
            "id": id,
            "patient_id": patient_id,
            "guarantor_id": self.guarantor_id(patient_id),
            "first_payment_due_date": (created + timedelta(days=30)).isoformat(),
            "created_date": created.isoformat(),
            "active": index % 3 != 2,
            "location_id": self._make.location_ids[patient_index % len(self._make.location_ids)],
            "updated_at": self._make.times(self._make.draw(28, index))["updated_at"],
        }

    def treatment_plan(self, index: int, id: int) -> JsonRow:
        """Return a treatment plan of every fourth patient.

        ``procedure_ids`` is not part of responses.
        """
        procedure_id, _ = self._procedure(index * 4)
        return {
            "id": id,
            "name": f"Plan {index + 1}",
            "patient_id": self._patient_id(index * 4),
            "updated_at": self._make.times(self._make.draw(29, index))["updated_at"],
            "status": PLAN_STATES[self._make.draw(29, index) % len(PLAN_STATES)],
            "procedure_ids": [] if procedure_id is None else [procedure_id],
        }

    def clinical_note(self, index: int, id: int) -> JsonRow:
        """Return a clinical note on every second patient's first procedure."""
        procedure_id, procedure = self._procedure(index * 2)
        return {
            "id": id,
            "patient_id": self._patient_id(index * 2),
            "procedure_id": procedure_id,
            "entered_at": f"{procedure['start_date']}T15:30:00.000Z",
            "content": f"{procedure['name']}: no complaints.",
            "signed": index % 3 != 0,
            "completed": index % 4 != 0,
            "updated_at": self._make.times(self._make.draw(30, index))["updated_at"],
            "location_id": procedure["location_id"],
        }

    def label(self, index: int, id: int) -> JsonRow:
        """Return a label of working hours; the last one is inactive."""
        return {
            "id": id,
            "location_id": self._make.location_ids[0],
            "name": ("Regular", "Emergencies", "Old timetable")[index % 3],
            "active": index != 2,
        }

    def staff(self, index: int, id: int) -> JsonRow:
        """Return a member of the staff; the last one is inactive."""
        value = self._make.draw(31, index)
        first, last = FIRST[value % len(FIRST)], LAST[(value >> 8) % len(LAST)]
        return {
            "id": id,
            "email": f"{first}.{last}.staff@example.com".lower(),
            "first_name": first,
            "last_name": last,
            **self._make.times(value),
            "patientable": False,
            "inst_ids": [self._make.institution_id],
            "unsubscribe_emails": False,
            "inactive": index == 3,
            "unsubscribe_sms": True,
            "location_ids": list(self._make.location_ids),
        }

    def foreign_id_fields(self, id: int) -> JsonRow:
        """Return the fields that a payment or adjustment gets when it is synced."""
        return {"foreign_id": str(id % 1_000_000), "foreign_id_type": EMR}


def _fee(procedure: JsonRow) -> float:
    return float(text(row(procedure["fee"]), "amount"))


def _add_days(procedure: JsonRow, days: int) -> str:
    return (date.fromisoformat(text(procedure, "start_date")) + timedelta(days=days)).isoformat()


def split_amount(
    amount: float, splits: Sequence[tuple[int, float]]
) -> list[tuple[int | None, float]]:
    """Distribute an amount over charges; the remainder belongs to no charge."""
    remainder = round(amount - sum(part for _, part in splits), 2)
    parts: list[tuple[int | None, float]] = [*splits]
    return [*parts, (None, remainder)] if remainder or not parts else parts
