"""Money: charges, payments, adjustments, claims, balances, fees and payment plans; v3 only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import Endpoint, Need, Paging, Row

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "ADJUSTMENTS",
    "ADJUSTMENTS_CREATE",
    "ADJUSTMENTS_GET",
    "ADJUSTMENT_TYPES",
    "ADJUSTMENT_TYPES_GET",
    "CHARGES",
    "CHARGES_GET",
    "CLAIMS",
    "CLAIMS_GET",
    "FEE_SCHEDULES",
    "FEE_SCHEDULES_GET",
    "FEE_SCHEDULE_PROCEDURES",
    "GUARANTOR_BALANCES",
    "GUARANTOR_BALANCES_GET",
    "INSURANCE_BALANCES",
    "INSURANCE_BALANCES_GET",
    "PAYMENTS",
    "PAYMENTS_CREATE",
    "PAYMENTS_GET",
    "PAYMENT_PLANS",
    "PAYMENT_PLANS_GET",
    "PAYMENT_TYPES",
    "PAYMENT_TYPES_GET",
]

_ACCEPTED = frozenset({200, 201, 202})
"""Statuses of a write that waits for the practice's system; it is answered without a body."""


def _list(path: str, *filters: str, one_of: tuple[str, ...] = ()) -> Row:
    return Row(
        method="GET",
        path=path,
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.REQUIRED,
        filters=filters,
        one_of=one_of,
    )


_CHARGE_FILTERS = ("patient_id", "provider_id", "procedure_id", "guarantor_id", "updated_since")

CHARGES: Endpoint[m.Charge] = Endpoint(
    resource="charges",
    verb="walk",
    model="Charge",
    v3=_list(
        "/charges",
        *_CHARGE_FILTERS,
        "include_deleted",
        "sort",
        "include[]",
        one_of=_CHARGE_FILTERS,
    ),
)

CHARGES_GET: Endpoint[m.Charge] = Endpoint(
    resource="charges",
    verb="get",
    model="Charge",
    v3=Row(method="GET", path="/charges/{id}", filters=("include[]",)),
)

_PAYMENT_FILTERS = (
    "patient_id",
    "provider_id",
    "guarantor_id",
    "charge_id",
    "claim_id",
    "transaction_id",
    "updated_since",
)

PAYMENTS: Endpoint[m.Payment] = Endpoint(
    resource="payments",
    verb="walk",
    model="Payment",
    v3=_list("/payments", *_PAYMENT_FILTERS, "include_deleted", "sort", one_of=_PAYMENT_FILTERS),
)

PAYMENTS_GET: Endpoint[m.Payment] = Endpoint(
    resource="payments",
    verb="get",
    model="Payment",
    v3=Row(method="GET", path="/payments/{id}", filters=("include[]",)),
)

PAYMENTS_CREATE: Endpoint[None] = Endpoint(
    resource="payments",
    verb="create",
    model=None,
    v3=Row(
        method="POST",
        path="/payments",
        success=_ACCEPTED,
        safe=False,
        location=Need.REQUIRED,
        wrap="payment",
        lookup="Ask payments.walk(transaction_id=...) for it, again after some minutes.",
    ),
)

_ADJUSTMENT_FILTERS = (
    "patient_id",
    "provider_id",
    "guarantor_id",
    "claim_id",
    "charge_id",
    "updated_since",
)

ADJUSTMENTS: Endpoint[m.Adjustment] = Endpoint(
    resource="adjustments",
    verb="walk",
    model="Adjustment",
    v3=_list(
        "/adjustments",
        *_ADJUSTMENT_FILTERS,
        "include_deleted",
        "sort",
        one_of=_ADJUSTMENT_FILTERS,
    ),
)

ADJUSTMENTS_GET: Endpoint[m.Adjustment] = Endpoint(
    resource="adjustments",
    verb="get",
    model="Adjustment",
    v3=Row(method="GET", path="/adjustments/{id}", filters=("include[]",)),
)

ADJUSTMENTS_CREATE: Endpoint[None] = Endpoint(
    resource="adjustments",
    verb="create",
    model=None,
    v3=Row(
        method="POST",
        path="/adjustments",
        success=_ACCEPTED,
        safe=False,
        location=Need.REQUIRED,
        wrap="adjustment",
        lookup="Look for its transaction_id in adjustments.walk(patient_id=...), again after some "
        "minutes.",
    ),
)

PAYMENT_TYPES: Endpoint[m.PaymentType] = Endpoint(
    resource="payment_types",
    verb="walk",
    model="PaymentType",
    v3=_list("/payment_types", "updated_since", "active"),
)

PAYMENT_TYPES_GET: Endpoint[m.PaymentType] = Endpoint(
    resource="payment_types",
    verb="get",
    model="PaymentType",
    v3=Row(method="GET", path="/payment_types/{id}"),
)

ADJUSTMENT_TYPES: Endpoint[m.AdjustmentType] = Endpoint(
    resource="adjustment_types",
    verb="walk",
    model="AdjustmentType",
    v3=_list("/adjustment_types", "updated_since", "active"),
)

ADJUSTMENT_TYPES_GET: Endpoint[m.AdjustmentType] = Endpoint(
    resource="adjustment_types",
    verb="get",
    model="AdjustmentType",
    v3=Row(method="GET", path="/adjustment_types/{id}"),
)

_CLAIM_FILTERS = ("patient_id", "guarantor_id", "provider_id", "updated_since", "date_of_service")

CLAIMS: Endpoint[m.Claim] = Endpoint(
    resource="claims",
    verb="walk",
    model="Claim",
    v3=_list("/claims", *_CLAIM_FILTERS, "include_deleted", "sort", one_of=_CLAIM_FILTERS),
)

CLAIMS_GET: Endpoint[m.Claim] = Endpoint(
    resource="claims",
    verb="get",
    model="Claim",
    v3=Row(method="GET", path="/claims/{id}", filters=("include[]",)),
)

GUARANTOR_BALANCES: Endpoint[m.GuarantorBalance] = Endpoint(
    resource="guarantor_balances",
    verb="walk",
    model="GuarantorBalance",
    v3=_list(
        "/guarantor_balances",
        "guarantor_id",
        "updated_since",
        "show_zero_balances",
        "sort",
        one_of=("guarantor_id", "updated_since"),
    ),
)

GUARANTOR_BALANCES_GET: Endpoint[m.GuarantorBalance] = Endpoint(
    resource="guarantor_balances",
    verb="get",
    model="GuarantorBalance",
    v3=Row(
        method="GET",
        path="/guarantor_balances/{id}",
        subdomain=Need.NONE,
        filters=("include[]",),
    ),
)

_INSURANCE_BALANCE_FILTERS = ("patient_id", "guarantor_id", "updated_since")

INSURANCE_BALANCES: Endpoint[m.InsuranceBalance] = Endpoint(
    resource="insurance_balances",
    verb="walk",
    model="InsuranceBalance",
    v3=_list(
        "/insurance_balances",
        *_INSURANCE_BALANCE_FILTERS,
        "sort",
        one_of=_INSURANCE_BALANCE_FILTERS,
    ),
)

INSURANCE_BALANCES_GET: Endpoint[m.InsuranceBalance] = Endpoint(
    resource="insurance_balances",
    verb="get",
    model="InsuranceBalance",
    v3=Row(method="GET", path="/insurance_balances/{id}"),
)

FEE_SCHEDULES: Endpoint[m.FeeSchedule] = Endpoint(
    resource="fee_schedules",
    verb="walk",
    model="FeeSchedule",
    v3=_list("/fee_schedules", "updated_since", "active"),
)

FEE_SCHEDULES_GET: Endpoint[m.FeeSchedule] = Endpoint(
    resource="fee_schedules",
    verb="get",
    model="FeeSchedule",
    v3=Row(method="GET", path="/fee_schedules/{id}", filters=("include[]",)),
)

FEE_SCHEDULE_PROCEDURES: Endpoint[m.FeeScheduleProcedure] = Endpoint(
    resource="fee_schedule_procedures",
    verb="walk",
    model="FeeScheduleProcedure",
    v3=_list(
        "/fee_schedule_procedures",
        "fee_schedule_id",
        "updated_since",
        one_of=("fee_schedule_id", "updated_since"),
    ),
)

PAYMENT_PLANS: Endpoint[m.PaymentPlan] = Endpoint(
    resource="payment_plans",
    verb="walk",
    model="PaymentPlan",
    v3=_list("/payment_plans", "patient_id", "guarantor_id", "updated_since", "sort"),
)

PAYMENT_PLANS_GET: Endpoint[m.PaymentPlan] = Endpoint(
    resource="payment_plans",
    verb="get",
    model="PaymentPlan",
    v3=Row(method="GET", path="/payment_plans/{id}", subdomain=Need.NONE, filters=("include[]",)),
)
