"""Charges, payments, adjustments, claims, and that balances are their sums."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.raw_client import RawClient, Row

EVER = {"updated_since": "2000-01-01", "per_page": 1000}


def amount(row: Row, name: str) -> Decimal:
    assert row[name]["currency"] == "USD"
    return Decimal(row[name]["amount"])


async def ledger_of(v3: RawClient, guarantor_id: int) -> Decimal:
    total = Decimal(0)
    for path, field in (
        ("/charges", "fee"),
        ("/payments", "payment_amount"),
        ("/adjustments", "adjustment_amount"),
    ):
        rows = (await v3.get(path, {"guarantor_id": guarantor_id, "per_page": 1000})).rows
        total += sum((amount(row, field) for row in rows), Decimal(0))
    return total


async def test_balances_are_the_sums_of_their_entries(v3: RawClient) -> None:
    rows = (await v3.get("/guarantor_balances", {**EVER, "show_zero_balances": "true"})).rows
    assert len(rows) == len(v3.sandbox.patients)
    for row in rows[:8]:
        assert amount(row, "total_balance") == await ledger_of(v3, row["guarantor_id"])
    row = rows[0]
    ages = ("under_30", "31_60", "61_90", "over_90")
    assert sum(amount(row, f"total_balance_{age}") for age in ages) == amount(row, "total_balance")
    portion = amount(row, "total_balance") - amount(row, "insurance_estimate")
    assert amount(row, "guarantor_portion") == portion
    path = f"/guarantor_balances/{row['id']}"
    single = (await v3.get(path, [("include[]", "guarantor")], scope=None)).data
    assert single["guarantor"]["id"] == row["guarantor_id"]


async def test_a_guarantor_pays_for_others(v3: RawClient) -> None:
    payer, child = list(v3.sandbox.patients.ids)[:2]
    v3.sandbox.patients.update(child, guarantor_id=payer)
    rows = (await v3.get("/guarantor_balances", {"guarantor_id": payer})).rows
    assert [amount(row, "total_balance") for row in rows] == [await ledger_of(v3, payer)]
    charged = (await v3.get("/charges", {"guarantor_id": payer})).rows
    assert {row["patient_id"] for row in charged} == {payer, child}


async def test_payments_are_accepted_and_written_later(v3: RawClient) -> None:
    patient_id = v3.sandbox.patients.ids[1]
    before = await ledger_of(v3, patient_id)
    payment = {"patient_id": patient_id, "amount": -25.5, "transaction_id": "T-1"}
    accepted = await v3.post("/payments", {"payment": payment})
    assert (accepted.status, accepted.body) == (202, b"")
    query = {"transaction_id": "T-1"}
    assert (await v3.get("/payments", query)).rows == []
    assert v3.sandbox.sync() == 1
    (row,) = (await v3.get("/payments", query)).rows
    assert row["foreign_id"]
    assert row["payment_amount"] == {"amount": "-25.50", "currency": "USD"}
    assert await ledger_of(v3, patient_id) == before - Decimal("25.5")
    balance = (await v3.get("/guarantor_balances", {"guarantor_id": patient_id})).rows[0]
    assert amount(balance, "total_balance") == before - Decimal("25.5")


async def test_adjustments_are_accepted_and_split(v3: RawClient) -> None:
    charges = list(v3.sandbox.practice.charges.ids)[:2]
    adjustment = {
        "patient_id": v3.sandbox.patients.ids[0],
        "amount": -10,
        "transaction_id": "A-1",
        "adjustment_type_id": v3.sandbox.practice.adjustment_types.ids[0],
        "charge_splits": {str(charges[0]): "-4.00", str(charges[1]): -5},
        "notes": "Kindness",
    }
    assert (await v3.post("/adjustments", {"adjustment": adjustment})).status == 202
    v3.sandbox.sync()
    rows = (await v3.get("/adjustments", {"patient_id": v3.sandbox.patients.ids[0]})).rows
    made = {row["charge_id"]: row for row in rows if row["transaction_id"] == "A-1"}
    assert {id: row["adjustment_amount"]["amount"] for id, row in made.items()} == {
        charges[0]: "-4.00",
        charges[1]: "-5.00",
        None: "-1.00",
    }
    single = await v3.get(
        f"/adjustments/{made[charges[0]]['id']}",
        [("include[]", "charge"), ("include[]", "adjustment_type"), ("include[]", "patient")],
        scope="subdomain",
    )
    assert single.data["charge"]["procedure_id"].startswith("NHP:")
    assert single.data["adjustment_type"]["action"] == "credit"


@pytest.mark.parametrize(
    "changed",
    [
        {"patient_id": None},
        {"patient_id": 1},
        {"amount": None},
        {"transaction_id": None},
        {"transaction_id": "x" * 51},
        {"payment_type_id": 1},
        {"paid_at": "soon"},
        {"charge_splits": {"1": 2}},
    ],
)
async def test_invalid_payments_are_rejected(v3: RawClient, changed: dict[str, Any]) -> None:
    good = {"patient_id": v3.sandbox.patients.ids[0], "amount": -1, "transaction_id": "T-2"}
    reply = await v3.post("/payments", {"payment": {**good, **changed}})
    assert reply.status == 400
    assert v3.sandbox.sync() == 0


async def test_a_transaction_can_be_duplicated(v3: RawClient) -> None:
    payment = {"patient_id": v3.sandbox.patients.ids[0], "amount": -1, "transaction_id": "T-3"}
    for _ in range(2):
        assert (await v3.post("/payments", {"payment": payment})).status == 202
    v3.sandbox.sync()
    assert len((await v3.get("/payments", {"transaction_id": "T-3"})).rows) == 2
    v3.sandbox.assumptions.repeat_transactions = False
    assert (await v3.post("/payments", {"payment": payment})).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/adjustments",
        "/charges",
        "/payments",
        "/procedures",
        "/claims",
        "/insurance_balances",
        "/guarantor_balances",
        "/clinical_notes",
        "/fee_schedule_procedures",
    ],
)
async def test_lists_require_a_filter(v3: RawClient, path: str) -> None:
    assert (await v3.get(path)).status == 400
    assert (await v3.get(path, EVER)).rows


@pytest.mark.parametrize(
    "path", ["/charges", "/claims", "/insurance_plans", "/payment_types", "/payment_plans"]
)
async def test_financial_access(v3: RawClient, path: str) -> None:
    v3.sandbox.financial_access = False
    reply = await v3.get(path, EVER)
    assert reply.status == 403
    assert reply.error == "You don't have access to perform this action."
    payment = {"patient_id": v3.sandbox.patients.ids[0], "amount": -1, "transaction_id": "T-4"}
    assert (await v3.post("/payments", {"payment": payment})).status == 403
    assert (await v3.get("/patients")).status == 200


async def test_deletions_are_listed_on_request(v3: RawClient) -> None:
    id = v3.sandbox.practice.charges.ids[0]
    v3.sandbox.practice.charges.update(id, deleted_at="2026-06-01T00:00:00.000Z")
    assert id not in (await v3.get("/charges", EVER)).ids
    assert id in (await v3.get("/charges", {**EVER, "include_deleted": "true"})).ids


async def test_includes_of_claims_and_charges(v3: RawClient) -> None:
    claim_id = v3.sandbox.practice.claims.ids[0]
    names = ("patient", "provider", "guarantor", "charges", "charge_payouts")
    query = [("include[]", name) for name in names]
    claim = (await v3.get(f"/claims/{claim_id}", query, scope="subdomain")).data
    (charge,) = claim["charges"]
    assert claim["charge_payouts"][0]["charge_id"] == charge["id"]
    query = [("include[]", one) for one in ("claims", "claim_payouts", "totals", "procedure")]
    shown = (await v3.get(f"/charges/{charge['id']}", query, scope="subdomain")).data
    assert [one["id"] for one in shown["claims"]] == [claim_id]
    assert shown["procedure"]["id"] == charge["procedure_id"]
    listed = await v3.get("/charges", [*EVER.items(), ("include[]", "claim_payouts")])
    assert listed.rows[0]["claim_payouts"][0]["claim_id"] == claim_id


async def test_unknown_ids(v3: RawClient) -> None:
    assert (await v3.get("/claims/1", scope="subdomain")).status == 404
    v3.sandbox.assumptions.unknown_claim_status = 500
    assert (await v3.get("/claims/1", scope="subdomain")).status == 500
    assert (await v3.get("/charges/1", scope="subdomain")).status == 400
    v3.sandbox.assumptions.undeclared_not_found = 404
    assert (await v3.get("/charges/1", scope="subdomain")).status == 404


async def test_types_schedules_and_plans(v3: RawClient) -> None:
    assert len((await v3.get("/payment_types")).rows) == 3
    assert len((await v3.get("/payment_types", {"active": "false"})).rows) == 1
    kind = (await v3.get("/adjustment_types")).ids[0]
    assert (await v3.get(f"/adjustment_types/{kind}", scope="subdomain")).data["name"]
    schedule = (await v3.get("/fee_schedules")).ids[0]
    fees = (await v3.get("/fee_schedule_procedures", {"fee_schedule_id": schedule})).rows
    query = [("include[]", "procedure_fees")]
    shown = (await v3.get(f"/fee_schedules/{schedule}", query, scope="subdomain")).data
    assert [one["code"] for one in shown["procedure_fees"]] == [fee["code"] for fee in fees]
    plan = (await v3.get("/payment_plans")).rows[0]
    query = [("include[]", "patient")]
    single = (await v3.get(f"/payment_plans/{plan['id']}", query, scope=None)).data
    assert single["patient"]["id"] == plan["patient_id"]


async def test_insurance_balances_count_open_claims(v3: RawClient) -> None:
    rows = (await v3.get("/insurance_balances", EVER)).rows
    row = next(row for row in rows if amount(row, "billed_amount_over_90"))
    claims = (await v3.get("/claims", {"patient_id": row["patient_id"]})).rows
    billed = sum(amount(claim["totals"], "amount_billed_to_insurance") for claim in claims)
    assert billed >= amount(row, "billed_amount_over_90") > 0
    assert (await v3.get(f"/insurance_balances/{row['id']}", scope="subdomain")).data == row
