"""What comes along with ledger entries and claims when ``include[]`` asks for it."""

from __future__ import annotations

from nexhealth_async.sandbox.json_format import JsonRow, ints, row, text
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.tables import RecordTable
from nexhealth_async.sandbox.v3_fields import (
    patient_v3,
    person_v3,
    price,
    procedure_v3,
    without_fields,
)

__all__ = ["charge", "claim", "related"]


def related(practice: Practice, shown: JsonRow, include: list[str]) -> JsonRow:
    """A payment or adjustment with the records its ids point to."""
    found: JsonRow = {}
    for name in include:
        if name in {"patient", "guarantor"}:
            found[name] = _patient(practice, shown, name)
        elif name == "provider":
            found[name] = person_v3(_linked(practice.providers, shown, name))
        elif name == "claim":
            known = _linked(practice.claims, shown, name)
            found[name] = known and _legacy_claim(known)
        elif name == "charge":
            known = _linked(practice.charges, shown, name)
            found[name] = known and _legacy_charge(practice, known)
        elif name == "payment_plan":
            known = _linked(practice.payment_plans, shown, name)
            found[name] = known and without_fields(known, "location_id", "updated_at")
        elif name in {"payment_type", "adjustment_type"} and f"{name}_id" in shown:
            table = {
                "payment_type": practice.payment_types,
                "adjustment_type": practice.adjustment_types,
            }[name]
            found[name] = _linked(table, shown, name)
    return shown | found


def _linked(table: RecordTable, shown: JsonRow, name: str) -> JsonRow | None:
    id = shown.get(f"{name}_id")
    return table.get(id) if isinstance(id, int) else None


def _patient(practice: Practice, shown: JsonRow, name: str) -> JsonRow | None:
    found = _linked(practice.patients, shown, name)
    return found and patient_v3(found, listed=False)


def _legacy_claim(known: JsonRow) -> JsonRow:
    totals = row(known.get("totals")) or {}
    names = ("id", "location_id", "patient_id", "provider_id", "guarantor_id", "status")
    shown: JsonRow = {
        **{name: known.get(name) for name in names},
        "subscription_id": known.get("primary_insurance_plan_id"),
        "finalized_at": known.get("received_at"),
        "sent_at": known.get("sent_at"),
        "note": known.get("note"),
        "payment_estimate_total": totals.get("estimated_insurance_payment"),
        "write_off_estimate_total": totals.get("write_off"),
        "write_off_total": totals.get("write_off"),
        "deleted_at": known.get("deleted_at"),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _claims_of(practice: Practice, charge_id: int) -> list[JsonRow]:
    by_charge: dict[int, list[int]] = practice.claims.cached(
        "by charge", lambda: _by_charge(practice)
    )
    return [practice.claims.row(id) for id in by_charge.get(charge_id, [])]


def _by_charge(practice: Practice) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for one in practice.claims:
        for charge_id in ints(one.get("charge_ids")):
            id = one["id"]
            if isinstance(id, int) and one.get("deleted_at") is None:
                found.setdefault(charge_id, []).append(id)
    return found


def _legacy_charge(practice: Practice, known: JsonRow) -> JsonRow:
    id = known["id"]
    claims = _claims_of(practice, id) if isinstance(id, int) else []
    return {
        **without_fields(known, "procedure_code", "procedure_id"),
        "procedure_id": f"NHP:{known.get('procedure_id') or known['id']}",
        "claim_ids": [one["id"] for one in claims],
        "payment_estimate_total": price(0),
        "write_off_estimate_total": price(0),
        "write_off_total": price(0),
    }


def _payout(practice: Practice, claim: JsonRow, charge: JsonRow | None) -> JsonRow:
    totals = row(claim.get("totals")) or {}
    code = text(charge, "procedure_code")
    fees = practice.fee_schedule_procedures.where("code", code)
    return {
        **totals,
        "allowed_amount": totals.get("amount_billed_to_insurance"),
        **(
            {"fee_schedule_procedure_code": practice.fee_schedule_procedures.row(fees[0])}
            if fees
            else {}
        ),
    }


def charge(practice: Practice, id: int, include: list[str]) -> JsonRow:
    """A charge and what is asked for with it."""
    shown = practice.charges.row(id)
    found: JsonRow = {}
    for name in include:
        if name in {"patient", "guarantor"}:
            found[name] = _patient(practice, shown, name)
        elif name == "provider":
            found[name] = person_v3(_linked(practice.providers, shown, name))
        elif name == "procedure":
            known = _linked(practice.procedures, shown, name)
            found[name] = known and procedure_v3(known, practice.plans_by_procedure())
        elif name == "claims":
            found[name] = [
                without_fields(one, "charge_ids", "deleted_at") for one in _claims_of(practice, id)
            ]
        elif name == "claim_payouts":
            found[name] = [
                {**_payout(practice, one, shown), "claim_id": one["id"]}
                for one in _claims_of(practice, id)
            ]
        elif name == "totals":
            claims = _claims_of(practice, id)
            found[name] = claims[0]["totals"] if claims else None
    return shown | found


def claim(practice: Practice, id: int, include: list[str]) -> JsonRow:
    """A claim and what is asked for with it."""
    shown = practice.claims.row(id)
    wanted = [one for one in ints(shown.pop("charge_ids", None)) if one in practice.charges]
    found: JsonRow = {}
    for name in include:
        if name in {"patient", "guarantor"}:
            found[name] = _patient(practice, shown, name)
        elif name == "provider":
            found[name] = person_v3(_linked(practice.providers, shown, name))
        elif name == "charges":
            found[name] = [
                without_fields(practice.charges.row(one), "deleted_at") for one in wanted
            ]
        elif name == "charge_payouts":
            found[name] = [
                {**_payout(practice, shown, practice.charges.row(one)), "charge_id": one}
                for one in wanted
            ]
    return shown | found
