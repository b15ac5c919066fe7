"""Invented ledgers and the papers beside them: the same for the same seed, made one by one."""

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
    """The tables of a practice that ledger rows refer to."""

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
    """Makes one practice's ledger rows, each from its index and id alone.

    Every patient has a charge, for their first procedure where they have one. Every second charge
    has a payment of half its fee, every third a claim, every fifth an adjustment.
    """

    def __init__(self, tables: LedgerTables, maker: Maker) -> None:
        self._tables = tables
        self._make = maker

    def _patient_id(self, index: int) -> int:
        ids = self._make.patient_ids
        return ids[index % len(ids)]

    def guarantor_id(self, patient_id: int) -> int:
        """Who pays for a patient: themselves, unless the record names somebody."""
        known = self._tables.patients.get(patient_id)
        return (number(known, "guarantor_id") if known else 0) or patient_id

    def _procedure(self, index: int) -> tuple[int | None, JsonRow]:
        made = self._tables.procedures.ids
        id = made[index] if index < len(made) else None
        return id, self._make.procedure(index, id or 0)

    def _entry(self, stream: int, index: int, id: int, charge: int) -> JsonRow:
        _, work = self._procedure(charge)
        patient_id = self._patient_id(charge)
        return {
            "id": id,
            "foreign_id": str(100_000 + index),
            "location_id": work["location_id"],
            "patient_id": patient_id,
            "guarantor_id": self.guarantor_id(patient_id),
            "provider_id": work["provider_id"],
            "updated_at": self._make.times(self._make.draw(stream, index))["updated_at"],
            "description": work["name"],
            "deleted_at": None,
        }

    def charge(self, index: int, id: int) -> JsonRow:
        """What a procedure costs."""
        procedure_id, work = self._procedure(index)
        return {
            **self._entry(20, index, id, index),
            "procedure_id": procedure_id,
            "procedure_code": work["code"],
            "fee": work["fee"],
            "charged_at": work["start_date"],
        }

    def payment(self, index: int, id: int) -> JsonRow:
        """Half of every second charge, three weeks later; negative, as it lowers a balance."""
        at = index * 2
        _, work = self._procedure(at)
        return {
            **self._entry(21, index, id, at),
            "description": "Payment",
            "payment_amount": price(-_fee(work) / 2),
            "paid_at": _add_days(work, 21),
            "transaction_id": None,
            "charge_id": self._tables.charges.first_id + at,
            "claim_id": self._tables.claims.first_id + at // 3 if at % 3 == 0 else None,
            "payment_plan_id": self._tables.payment_plans.first_id + at // 5
            if at % 5 == 0
            else None,
            "insurance_plan_id": self._plan_id(at) if at % 3 == 0 else None,
            "payment_type_id": self._tables.payment_types.ids[index % 2],
        }

    def adjustment(self, index: int, id: int) -> JsonRow:
        """Ten dollars off every fifth charge."""
        at = index * 5
        _, work = self._procedure(at)
        return {
            **self._entry(22, index, id, at),
            "description": "Courtesy",
            "adjustment_amount": price("-10.00"),
            "adjusted_at": _add_days(work, 7),
            "transaction_id": None,
            "charge_id": self._tables.charges.first_id + at,
            "claim_id": None,
            "adjustment_type_id": self._tables.adjustment_types.ids[0],
        }

    def claim(self, index: int, id: int) -> JsonRow:
        """What the insurer is asked for every third charge; ``charge_ids`` is not shown."""
        at = index * 3
        _, work = self._procedure(at)
        fee = _fee(work)
        status = CLAIM_STATES[self._make.draw(23, index) % 3]
        entry = self._entry(23, index, id, at)
        sent = f"{_add_days(work, 2)}T09:00:00.000Z"
        return {
            "id": id,
            **{name: entry[name] for name in ("location_id", "patient_id", "provider_id")},
            "guarantor_id": entry["guarantor_id"],
            "status": status,
            "received_at": f"{_add_days(work, 16)}T09:00:00.000Z" if status == "received" else None,
            "sent_at": None if status == "draft" else sent,
            "note": None,
            "primary_insurance_plan_id": self._plan_id(at),
            "secondary_insurance_plan_id": None,
            "date_of_service": work["start_date"],
            "totals": {
                "amount_billed_to_insurance": price(fee),
                "estimated_insurance_payment": price(fee * 0.8),
                "insurance_payment": price(fee / 2 if status == "received" else 0),
                "write_off": price(0),
            },
            "updated_at": entry["updated_at"],
            "deleted_at": None,
            "charge_ids": [self._tables.charges.first_id + at],
        }

    def _plan_id(self, index: int) -> int:
        plans = self._make.plan_ids
        return plans[index % len(plans)]

    def payment_type(self, index: int, id: int) -> JsonRow:
        """One way to pay; the last is out of use."""
        name = ("Credit card", "Insurance cheque", "Cash", "Voucher")[index % 4]
        return {
            "id": id,
            "name": name,
            "active": index != 3,
            "updated_at": self._make.times(self._make.draw(24, index))["updated_at"],
        }

    def adjustment_type(self, index: int, id: int) -> JsonRow:
        """One reason to adjust; the last is out of use."""
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
        """One list of fees; the last is out of use."""
        return {
            "id": id,
            "name": ("Standard fees", "Network fees", "Old fees")[index % 3],
            "active": index != 2,
            "location_id": self._make.location_ids[0],
            "updated_at": self._make.times(self._make.draw(26, index))["updated_at"],
        }

    def fee(self, index: int, id: int) -> JsonRow:
        """One procedure's fee in one of the lists."""
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
        """Every fifth patient pays by instalments; where and since when is not shown."""
        at = index * 5
        patient_id = self._patient_id(at)
        made = self._make.anchor - timedelta(days=self._make.draw(28, index) % 300 + 40)
        return {
            "id": id,
            "patient_id": patient_id,
            "guarantor_id": self.guarantor_id(patient_id),
            "first_payment_due_date": (made + timedelta(days=30)).isoformat(),
            "created_date": made.isoformat(),
            "active": index % 3 != 2,
            "location_id": self._make.location_ids[at % len(self._make.location_ids)],
            "updated_at": self._make.times(self._make.draw(28, index))["updated_at"],
        }

    def treatment_plan(self, index: int, id: int) -> JsonRow:
        """Every fourth patient has a plan; ``procedure_ids`` is not shown."""
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
        """A note on every second patient's first procedure."""
        procedure_id, work = self._procedure(index * 2)
        return {
            "id": id,
            "patient_id": self._patient_id(index * 2),
            "procedure_id": procedure_id,
            "entered_at": f"{work['start_date']}T15:30:00.000Z",
            "content": f"{work['name']}: no complaints.",
            "signed": index % 3 != 0,
            "completed": index % 4 != 0,
            "updated_at": self._make.times(self._make.draw(30, index))["updated_at"],
            "location_id": work["location_id"],
        }

    def label(self, index: int, id: int) -> JsonRow:
        """One label of working hours; the last is out of use."""
        return {
            "id": id,
            "location_id": self._make.location_ids[0],
            "name": ("Regular", "Emergencies", "Old timetable")[index % 3],
            "active": index != 2,
        }

    def staff(self, index: int, id: int) -> JsonRow:
        """One member of the staff; the last has left."""
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

    def is_paid(self, id: int) -> JsonRow:
        """What a payment or adjustment is given once the practice's system has it."""
        return {"foreign_id": str(id % 1_000_000), "foreign_id_type": EMR}


def _fee(work: JsonRow) -> float:
    return float(text(row(work["fee"]), "amount"))


def _add_days(work: JsonRow, days: int) -> str:
    return (date.fromisoformat(text(work, "start_date")) + timedelta(days=days)).isoformat()


def shares(amount: float, splits: Sequence[tuple[int, float]]) -> list[tuple[int | None, float]]:
    """An amount as dealt to charges: what the splits leave over goes to none."""
    rest = round(amount - sum(part for _, part in splits), 2)
    parts: list[tuple[int | None, float]] = [*splits]
    return [*parts, (None, rest)] if rest or not parts else parts
