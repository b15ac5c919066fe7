"""Included records of ledger entries and claims (``include[]``)."""

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
    """Return a payment or adjustment with the included records."""
    included: JsonRow = {}
    for name in include:
        if name in {"patient", "guarantor"}:
            included[name] = _patient(practice, shown, name)
        elif name == "provider":
            included[name] = person_v3(_linked(practice.providers, shown, name))
        elif name == "claim":
            linked = _linked(practice.claims, shown, name)
            included[name] = linked and _legacy_claim(linked)
        elif name == "charge":
            linked = _linked(practice.charges, shown, name)
            included[name] = linked and _legacy_charge(practice, linked)
        elif name == "payment_plan":
            linked = _linked(practice.payment_plans, shown, name)
            included[name] = linked and without_fields(linked, "location_id", "updated_at")
        elif name in {"payment_type", "adjustment_type"} and f"{name}_id" in shown:
            table = {
                "payment_type": practice.payment_types,
                "adjustment_type": practice.adjustment_types,
            }[name]
            included[name] = _linked(table, shown, name)
    return shown | included


def _linked(table: RecordTable, shown: JsonRow, name: str) -> JsonRow | None:
    id = shown.get(f"{name}_id")
    return table.get(id) if isinstance(id, int) else None


def _patient(practice: Practice, shown: JsonRow, name: str) -> JsonRow | None:
    found = _linked(practice.patients, shown, name)
    return found and patient_v3(found, listed=False)


def _legacy_claim(linked: JsonRow) -> JsonRow:
    totals = row(linked.get("totals")) or {}
    names = ("id", "location_id", "patient_id", "provider_id", "guarantor_id", "status")
    shown: JsonRow = {
        **{name: linked.get(name) for name in names},
        "subscription_id": linked.get("primary_insurance_plan_id"),
        "finalized_at": linked.get("received_at"),
        "sent_at": linked.get("sent_at"),
        "note": linked.get("note"),
        "payment_estimate_total": totals.get("estimated_insurance_payment"),
        "write_off_estimate_total": totals.get("write_off"),
        "write_off_total": totals.get("write_off"),
        "deleted_at": linked.get("deleted_at"),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _claims_of(practice: Practice, charge_id: int) -> list[JsonRow]:
    by_charge: dict[int, list[int]] = practice.claims.cached(
        "by charge", lambda: _by_charge(practice)
    )
    return [practice.claims.row(id) for id in by_charge.get(charge_id, [])]


def _by_charge(practice: Practice) -> dict[int, list[int]]:
    claim_ids: dict[int, list[int]] = {}
    for claim in practice.claims:
        for charge_id in ints(claim.get("charge_ids")):
            id = claim["id"]
            if isinstance(id, int) and claim.get("deleted_at") is None:
                claim_ids.setdefault(charge_id, []).append(id)
    return claim_ids


def _legacy_charge(practice: Practice, linked: JsonRow) -> JsonRow:
    id = linked["id"]
    claims = _claims_of(practice, id) if isinstance(id, int) else []
    return {
        **without_fields(linked, "procedure_code", "procedure_id"),
        "procedure_id": f"NHP:{linked.get('procedure_id') or linked['id']}",
        "claim_ids": [claim["id"] for claim in claims],
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
    """Return a charge with the included records."""
    shown = practice.charges.row(id)
    included: JsonRow = {}
    for name in include:
        if name in {"patient", "guarantor"}:
            included[name] = _patient(practice, shown, name)
        elif name == "provider":
            included[name] = person_v3(_linked(practice.providers, shown, name))
        elif name == "procedure":
            linked = _linked(practice.procedures, shown, name)
            included[name] = linked and procedure_v3(linked, practice.plans_by_procedure())
        elif name == "claims":
            included[name] = [
                without_fields(claim, "charge_ids", "deleted_at")
                for claim in _claims_of(practice, id)
            ]
        elif name == "claim_payouts":
            included[name] = [
                {**_payout(practice, claim, shown), "claim_id": claim["id"]}
                for claim in _claims_of(practice, id)
            ]
        elif name == "totals":
            claims = _claims_of(practice, id)
            included[name] = claims[0]["totals"] if claims else None
    return shown | included


def claim(practice: Practice, id: int, include: list[str]) -> JsonRow:
    """Return a claim with the included records."""
    shown = practice.claims.row(id)
    charge_ids = [id for id in ints(shown.pop("charge_ids", None)) if id in practice.charges]
    included: JsonRow = {}
    for name in include:
        if name in {"patient", "guarantor"}:
            included[name] = _patient(practice, shown, name)
        elif name == "provider":
            included[name] = person_v3(_linked(practice.providers, shown, name))
        elif name == "charges":
            included[name] = [
                without_fields(practice.charges.row(charge_id), "deleted_at")
                for charge_id in charge_ids
            ]
        elif name == "charge_payouts":
            included[name] = [
                {
                    **_payout(practice, shown, practice.charges.row(charge_id)),
                    "charge_id": charge_id,
                }
                for charge_id in charge_ids
            ]
    return shown | included
