"""Balances: sums over the ledger by guarantor, and over open claims by patient."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import chain
from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import require_one_of
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    ints,
    number,
    row,
    text,
)
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import (
    V3,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
    SortOrder,
)
from nexhealth_async.sandbox.tables import RecordTable
from nexhealth_async.sandbox.v3_fields import patient_v3, price

__all__ = ["ROUTES", "guarantor_balance"]

_BY_GUARANTOR: Final = 1_000_000_000
_BY_PATIENT: Final = 2_000_000_000
"""Difference between the id of a balance and the id of its person."""
_AGE_BUCKETS: Final = ((30, "under_30"), (60, "31_60"), (90, "61_90"))
_OPEN: Final = frozenset({"draft", "sent"})


def _amount_in_cents(record: JsonRow, field: str) -> int:
    money = row(record.get(field)) or {}
    try:
        return round(float(text(money, "amount")) * 100)
    except ValueError:  # a test has set an invalid amount
        return 0


def _age_bucket(timestamp: str, today: date) -> str:
    try:
        days = (today - date.fromisoformat(timestamp[:10])).days
    except ValueError:
        return "over_90"
    return next((name for limit, name in _AGE_BUCKETS if days <= limit), "over_90")


def _sums(
    call: SandboxCall,
    practice: Practice,
    tables: Mapping[str, tuple[RecordTable, str, str]],
    by: str,
) -> dict[int, dict[str, int]]:
    """Return the cents of each person by age bucket."""
    today = datetime.fromtimestamp(call.now, UTC).date()
    key = ("sums", by, today, *(table.version for table, _, _ in tables.values()))

    def build() -> dict[int, dict[str, int]]:
        sums: dict[int, dict[str, int]] = {}
        for table, field, date_field in tables.values():
            for record in table:
                if record.get("deleted_at") is None:
                    ages = sums.setdefault(number(record, by), {})
                    age = _age_bucket(text(record, date_field), today)
                    ages[age] = ages.get(age, 0) + _amount_in_cents(record, field)
        return sums

    return practice.charges.cached(key, build)


def _ledger(practice: Practice) -> dict[str, tuple[RecordTable, str, str]]:
    return {
        "charges": (practice.charges, "fee", "charged_at"),
        "payments": (practice.payments, "payment_amount", "paid_at"),
        "adjustments": (practice.adjustments, "adjustment_amount", "adjusted_at"),
    }


def _open_claims(practice: Practice, person_id: int, by: str) -> list[JsonRow]:
    claims = [practice.claims.row(id) for id in practice.claims.where(by, person_id)]
    return [
        claim
        for claim in claims
        if claim.get("status") in _OPEN and claim.get("deleted_at") is None
    ]


def _total(claims: list[JsonRow], name: str) -> int:
    return sum(_amount_in_cents(row(claim.get("totals")) or {}, name) for claim in claims)


def _location_of(practice: Practice, person_id: int) -> int | None:
    def build() -> dict[int, int | None]:
        return {
            number(patient, "id"): next(iter(ints(patient.get("location_ids"))), None)
            for patient in table
        }

    table = practice.patients
    return table.cached(("locations", table.version), build).get(person_id)


def _updated_at(practice: Practice, person_id: int, by: str) -> str:
    tables = (practice.charges, practice.payments, practice.adjustments, practice.claims)

    def build() -> dict[int, str]:
        latest: dict[int, str] = {}
        for record in chain.from_iterable(tables):
            person = number(record, by)
            latest[person] = max(latest.get(person, ""), text(record, "updated_at"))
        return latest

    key = ("updated_at", by, *(table.version for table in tables))
    return practice.claims.cached(key, build).get(person_id, "")


def _money(cents: int) -> JsonRow:
    return price(cents / 100)


def guarantor_balance(call: SandboxCall, practice: Practice, guarantor_id: int) -> JsonRow:
    """Return the balance of a guarantor, for themselves and their dependants."""
    ages = _sums(call, practice, _ledger(practice), "guarantor_id").get(guarantor_id, {})
    total = sum(ages.values())
    claims = _open_claims(practice, guarantor_id, "guarantor_id")
    estimate = _total(claims, "estimated_insurance_payment")
    names = (*(name for _, name in _AGE_BUCKETS), "over_90")
    return {
        "id": guarantor_id + _BY_GUARANTOR,
        "foreign_id": str(guarantor_id),
        "guarantor_id": guarantor_id,
        "location_id": _location_of(practice, guarantor_id),
        "updated_at": _updated_at(practice, guarantor_id, "guarantor_id"),
        "write_off_estimate": _money(_total(claims, "write_off")),
        "total_balance": _money(total),
        "insurance_estimate": _money(estimate),
        "guarantor_portion": _money(total - estimate),
        **{f"total_balance_{name}": _money(ages.get(name, 0)) for name in names},
    }


def _insurance_balance(call: SandboxCall, practice: Practice, patient_id: int) -> JsonRow:
    today = datetime.fromtimestamp(call.now, UTC).date()
    claims = _open_claims(practice, patient_id, "patient_id")
    balance: JsonRow = {
        "id": patient_id + _BY_PATIENT,
        "patient_id": patient_id,
        "guarantor_id": practice.ledger_data.guarantor_id(patient_id),
        "location_id": _location_of(practice, patient_id),
        "updated_at": _updated_at(practice, patient_id, "patient_id"),
    }
    for name in (*(name for _, name in _AGE_BUCKETS), "over_90"):
        group = [
            claim for claim in claims if _age_bucket(text(claim, "date_of_service"), today) == name
        ]
        balance[f"estimated_amount_{name}"] = _money(_total(group, "estimated_insurance_payment"))
        balance[f"billed_amount_{name}"] = _money(_total(group, "amount_billed_to_insurance"))
    return balance


def _guarantor_balances(call: SandboxCall) -> ListResult:
    require_one_of(call, ("guarantor_id", "updated_since"))
    practice, params = call.practice, call.params
    sums = _sums(call, practice, _ledger(practice), "guarantor_id")
    include_zero = params.flag("show_zero_balances") is True
    people = [id for id, ages in sums.items() if include_zero or sum(ages.values()) != 0]
    return _list_balances(call, people, "guarantor_id", _BY_GUARANTOR)


def _list_balances(call: SandboxCall, people: list[int], by: str, id_offset: int) -> ListResult:
    practice, params = call.practice, call.params

    def show(id: int) -> JsonRow:
        if by == "guarantor_id":
            return guarantor_balance(call, practice, id - id_offset)
        return _insurance_balance(call, practice, id - id_offset)

    person_id = params.number(by)
    guarantor_id = None if by == "guarantor_id" else params.number("guarantor_id")
    since = params.time("updated_since")
    earliest_update = format_timestamp(since.timestamp()) if since else ""
    ids = [
        id + id_offset
        for id in sorted(people)
        if (person_id is None or id == person_id)
        and (guarantor_id is None or practice.ledger_data.guarantor_id(id) == guarantor_id)
        and _location_of(practice, id) == params.number("location_id")
        and (not earliest_update or _updated_at(practice, id, by) >= earliest_update)
    ]
    sort = params.text("sort")
    order = None
    if sort:
        if sort.removeprefix("-") != "updated_at":
            raise RequestRejectedError(400, "sort is invalid")
        order = SortOrder([("updated_at", sort.startswith("-"))], show)
        ids = order.sorted(ids)
    return ListResult(ids=ids, show=show, order=order)


def _insured_patients(practice: Practice) -> list[int]:
    claims = practice.claims
    return claims.cached(
        ("insured", claims.version),
        lambda: sorted({number(claim, "patient_id") for claim in claims}),
    )


def _insurance_balances(call: SandboxCall) -> ListResult:
    require_one_of(call, ("patient_id", "guarantor_id", "updated_since"))
    return _list_balances(call, _insured_patients(call.practice), "patient_id", _BY_PATIENT)


def _guarantor_balance_get(call: SandboxCall) -> HandlerResult:
    id = call.ids[0] - _BY_GUARANTOR
    for practice in [call.scope] if call.scope else call.world.practices:
        person = practice.patients.get(id)
        if person is not None:
            balance = guarantor_balance(call, practice, id)
            if "guarantor" in call.params.texts("include"):
                balance["guarantor"] = patient_v3(person, listed=False)
            return HandlerResult(data=balance)
    raise RequestRejectedError(404, "Resource not found")


def _insurance_balance_get(call: SandboxCall) -> HandlerResult:
    id = call.ids[0] - _BY_PATIENT
    if id not in call.practice.patients or not call.practice.claims.where("patient_id", id):
        raise RequestRejectedError(404, "Resource not found")
    return HandlerResult(data=_insurance_balance(call, call.practice, id))


ROUTES: Final = (
    Route(
        method="GET",
        path="/guarantor_balances",
        handler=_guarantor_balances,
        filters="subdomain! location_id:int! sort guarantor_id:int updated_since:time "
        "show_zero_balances:bool",
        versions=V3,
        paging="cursor",
        financial=True,
        no_404=True,
    ),
    Route(
        method="GET",
        path="/guarantor_balances/{id}",
        handler=_guarantor_balance_get,
        filters="include:texts",
        versions=V3,
        financial=True,
    ),
    Route(
        method="GET",
        path="/insurance_balances",
        handler=_insurance_balances,
        filters="subdomain! location_id:int! sort patient_id:int guarantor_id:int "
        "updated_since:time",
        versions=V3,
        paging="cursor",
        financial=True,
        no_404=True,
    ),
    Route(
        method="GET",
        path="/insurance_balances/{id}",
        handler=_insurance_balance_get,
        filters="subdomain!",
        versions=V3,
        financial=True,
    ),
)
