"""Validation in ledger, insurance and webhook methods, and the form of their unusual calls."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import pytest

from nexhealth_async._client.client import Client
from nexhealth_async._protocol.operations import Endpoint
from nexhealth_async._protocol.requests import PlannedCall, plan
from nexhealth_async.errors import InvalidArgumentError, MissingScopeError, NotInVersionError
from nexhealth_async.resources import (
    adjustments,
    charges,
    claims,
    fee_schedule_procedures,
    guarantor_balances,
    insurance_balances,
    insurance_coverages,
    payments,
    webhook_subscriptions,
)
from nexhealth_async.resources.adjustments import Adjustments, NewAdjustment
from nexhealth_async.resources.payments import NewPayment, Payments

V3 = "v3.0.0"


class WriteRecorder(Client):
    """A client for writes without a response; records the arguments."""

    def __init__(self) -> None:
        self.arguments: Mapping[str, object] | None = None

    async def execute(
        self, endpoint: object, arguments: Mapping[str, object], *ids: int | str
    ) -> None:
        del endpoint, ids
        self.arguments = arguments


@pytest.fixture
def recorder() -> WriteRecorder:
    return WriteRecorder()


def planned(
    endpoint: Endpoint[Any],
    version: str,
    *ids: int,
    subdomain: str | None = "demo",
    **arguments: object,
) -> PlannedCall:
    return plan(
        endpoint,
        version,
        ids=ids,
        subdomain=subdomain,
        location_id=7,
        arguments=arguments,
    )


def payment(**changes: object) -> NewPayment:
    fields = {"patient_id": 1, "amount": Decimal("-138.50"), "transaction_id": "shop:1"}
    return cast("NewPayment", {**fields, **changes})


@pytest.mark.parametrize("amount", [1.5, True, "1.50"])
async def test_money_is_decimal_or_integer(recorder: WriteRecorder, amount: object) -> None:
    for changes in (
        {"amount": amount},
        {"charge_splits": {12: amount}},
        {"provider_splits": {12: amount}},
    ):
        with pytest.raises(InvalidArgumentError, match=next(iter(changes))):
            await Payments(recorder).create(**payment(**changes))
        with pytest.raises(InvalidArgumentError, match=next(iter(changes))):
            await Adjustments(recorder).create(**cast("NewAdjustment", payment(**changes)))
    assert recorder.arguments is None


async def test_a_transaction_id_has_at_most_50_characters(recorder: WriteRecorder) -> None:
    await Payments(recorder).create(**payment(transaction_id="t" * 50))
    for name in ("", " ", "secret" * 9):
        with pytest.raises(InvalidArgumentError, match="1 to 50") as refused:
            await Payments(recorder).create(**payment(transaction_id=name))
        assert "secret" not in str(refused.value)


def test_amounts_are_exact_numbers_and_splits_have_ids() -> None:
    call = planned(payments.CREATE, V3, **payment(charge_splits={12: Decimal("-100.10"), 13: -38}))
    assert call.body == (
        b'{"payment":{"patient_id":1,"amount":-138.50,"transaction_id":"shop:1",'
        b'"charge_splits":{"12":-100.10,"13":-38}}}'
    )
    assert dict(call.query) == {"subdomain": "demo", "location_id": "7"}
    assert not call.spec.safe


def test_a_ledger_list_needs_a_filter_besides_its_location() -> None:
    for endpoint in (
        charges.LIST,
        payments.LIST,
        adjustments.LIST,
        claims.LIST,
        guarantor_balances.LIST,
        insurance_balances.LIST,
        fee_schedule_procedures.LIST,
    ):
        with pytest.raises(InvalidArgumentError, match=r"at least one of .*updated_since"):
            planned(endpoint, V3)


def test_the_ledger_is_not_in_v2() -> None:
    with pytest.raises(NotInVersionError, match='version="v3"'):
        planned(charges.LIST, "v2", patient_id=1)


def test_v2_has_a_coverages_patient_in_the_path_and_v3_in_the_query() -> None:
    old = planned(insurance_coverages.LIST, "v2", patient_id=5)
    assert (old.path, dict(old.query)) == (
        "/patients/5/insurance_coverages",
        {"subdomain": "demo"},
    )
    new = planned(insurance_coverages.LIST, V3, patient_id=5)
    assert (new.path, dict(new.query)) == (
        "/insurance_coverages",
        {"subdomain": "demo", "patient_id": "5"},
    )


def test_path_parameters_are_required() -> None:
    with pytest.raises(InvalidArgumentError, match="patient_id is required"):
        planned(insurance_coverages.LIST, "v2")
    assert planned(insurance_coverages.LIST, V3).path == "/insurance_coverages"


def test_a_subscription_to_onboardings_has_no_practice() -> None:
    body = {"resource_type": "Onboarding", "event": "onboarding_created"}
    assert planned(webhook_subscriptions.CREATE, V3, 3, **body).query == ()
    with pytest.raises(InvalidArgumentError, match="no practice"):
        plan(
            webhook_subscriptions.CREATE,
            V3,
            ids=(3,),
            arguments={**body, "subdomain": "demo"},
        )


def test_other_subscriptions_name_their_practice_in_the_query() -> None:
    body = {"resource_type": "Patient", "event": "patient_created"}
    call = planned(webhook_subscriptions.CREATE, V3, 3, **body)
    assert call.query == (("subdomain", "demo"),)
    assert call.body == b'{"resource_type":"Patient","event":"patient_created"}'
    with pytest.raises(MissingScopeError):
        planned(webhook_subscriptions.CREATE, V3, 3, subdomain=None, **body)


def test_v2_lists_the_subscriptions_of_all_practices() -> None:
    assert planned(webhook_subscriptions.LIST, "v2", 3).query == ()
    with pytest.raises(NotInVersionError, match="subdomain only in v3"):
        plan(webhook_subscriptions.LIST, "v2", ids=(3,), arguments={"subdomain": "demo"})
