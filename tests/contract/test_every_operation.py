"""Every operation of both versions, called against the sandbox over a socket."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import frozen

from nexhealth_async import NexHealth, models
from nexhealth_async._protocol.operations import Endpoint
from nexhealth_async.resources import ENDPOINTS
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
CASES = [
    pytest.param(endpoint, version, id=f"{endpoint.resource}.{endpoint.verb}-{version}")
    for endpoint in ENDPOINTS
    for version, row in (("v2", endpoint.v2), ("v3", endpoint.v3))
    if row is not None
]


@frozen
class ContractStage:
    """A sandbox, and a session of one version, bound to its practice and location."""

    sandbox: Sandbox
    nex: Any

    @property
    def patient(self) -> int:
        return self.sandbox.patients.ids[0]

    @property
    def provider(self) -> int:
        return self.sandbox.providers.ids[0]

    @property
    def soon(self) -> datetime:
        return self.sandbox.clock.today().replace(microsecond=0) + timedelta(days=30)

    def resource_of(self, resource: str) -> Any:
        found = self.nex
        for name in resource.split("."):
            found = getattr(found, name)
        return found

    async def first(self, resource: str) -> Any:
        """Return the id of a resource's first record."""
        _, arguments = FILTERS.get(resource, _no_filters)(self)
        async for record in self.resource_of(resource).walk(**arguments):
            return record.id
        raise LookupError(resource)

    async def hook(self) -> Any:
        return await self.nex.webhook_endpoints.create(target_url="https://hooks.example.com/n")

    async def subscription(self) -> tuple[int, int]:
        hook = await self.hook()
        made = await self.nex.webhook_endpoints.subscriptions.create(
            hook.id, resource_type="Appointment", event="appointment_insertion"
        )
        return hook.id, made.id

    async def appointment(self, **more: Any) -> Any:
        start = self.soon.replace(hour=15, minute=0, second=0)
        return await self.nex.appointments.create(
            patient_id=self.patient,
            provider_id=self.provider,
            operatory_id=self.sandbox.operatories.ids[0],
            start_time=start,
            end_time=start + timedelta(minutes=30),
            **more,
        )

    async def alert(self) -> Any:
        return await self.nex.patients.alerts.create(self.patient, note="An invented note")

    async def hours(self) -> Any:
        return await self.nex.working_hours.create(
            provider_id=self.provider, begin_time="09:00", end_time="10:00", days=["Monday"]
        )

    async def type(self) -> Any:
        return await self.nex.appointment_types.create(name="An invented type", minutes=20)


def _no_filters(_: ContractStage) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (), {}


def _since(_: ContractStage) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (), {"updated_since": LONG_AGO}


FILTERS: dict[str, Callable[[ContractStage], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "procedures": _since,
    "clinical_notes": _since,
    "charges": _since,
    "payments": _since,
    "adjustments": _since,
    "claims": _since,
    "guarantor_balances": _since,
    "insurance_balances": _since,
    "fee_schedule_procedures": _since,
    "appointments": lambda at: (
        (),
        {"start": at.soon - timedelta(days=900), "end": at.soon + timedelta(days=900)},
    ),
    "available_slots": lambda at: (
        (),
        {"start_date": at.soon.date(), "days": 7, "pids": [at.provider]},
    ),
    "insurance_coverages": lambda at: ((), {"patient_id": at.patient}),
    "patients.documents": lambda at: ((at.patient,), {}),
    "patients.alerts": lambda at: ((at.patient,), {}),
    "locations.providers": lambda at: ((at.sandbox.location_id,), {}),
    "locations.appointment_descriptors": lambda at: ((at.sandbox.location_id,), {}),
    "appointment_types.appointment_descriptors": lambda at: (
        (at.sandbox.appointment_types.ids[0],),
        {},
    ),
}


async def _walk(at: ContractStage, resource: str) -> object:
    ids, arguments = FILTERS.get(resource, _no_filters)(at)
    return [record async for record in at.resource_of(resource).walk(*ids, **arguments)]


async def _get(at: ContractStage, resource: str) -> object:
    return await at.resource_of(resource).get(await at.first(resource))


async def _create_patient(at: ContractStage) -> object:
    return await at.nex.patients.create(
        provider_id=at.provider,
        first_name="Ada",
        last_name="Invented",
        email="ada@example.com",
        bio={"date_of_birth": date(1990, 5, 17), "phone_number": "2125550123", "gender": "Female"},
    )


async def _create_entry(at: ContractStage, resource: str) -> object:
    return await at.resource_of(resource).create(
        patient_id=at.patient, amount=Decimal("-12.50"), transaction_id="invented-1"
    )


async def _update_alert(at: ContractStage) -> object:
    alert = await at.alert()
    return await at.nex.patients.alerts.update(at.patient, alert.id, disabled=True)


async def _get_alert(at: ContractStage) -> object:
    alert = await at.alert()
    return await at.nex.patients.alerts.get(at.patient, alert.id)


async def _walk_alerts(at: ContractStage) -> object:
    await at.alert()
    return await _walk(at, "patients.alerts")


async def _create_document(at: ContractStage) -> object:
    return await at.nex.patients.documents.create(
        at.patient, file=b"invented bytes", filename="scan.txt"
    )


async def _walk_documents(at: ContractStage) -> object:
    await _create_document(at)
    return await _walk(at, "patients.documents")


async def _walk_hooks(at: ContractStage) -> object:
    await at.hook()
    return await _walk(at, "webhook_endpoints")


async def _walk_subscriptions(at: ContractStage) -> object:
    hook, _ = await at.subscription()
    return [s async for s in at.nex.webhook_endpoints.subscriptions.walk(hook)]


async def _create_onboarding(at: ContractStage) -> object:
    return await at.nex.onboardings.create(
        institution_name="Invented Dental",
        institution_zip_code="10013",
        institution_website="https://dental.example.com",
        institution_email="office@example.com",
        emr_name="opendental",
    )


async def _get_onboarding(at: ContractStage) -> object:
    made: Any = await _create_onboarding(at)
    return await at.nex.onboardings.get(made.id)


async def _walk_onboardings(at: ContractStage) -> object:
    """Without a practice: one that is being set up has another subdomain than the sandbox's."""
    await _create_onboarding(at)
    async with NexHealth(at.sandbox.api_key, base_url=at.sandbox.url, version="v3") as nex:
        return [onboarding async for onboarding in nex.onboardings.walk()]


async def _walk_descriptors(at: ContractStage) -> object:
    known = at.nex.locations.appointment_descriptors.walk(at.sandbox.location_id)
    booked = await at.appointment(descriptor_ids=[(await anext(known)).id])
    return [
        descriptor
        async for descriptor in at.nex.appointments.appointment_descriptors.walk(booked.id)
    ]


async def _update_subscription(at: ContractStage) -> object:
    return await at.nex.webhook_endpoints.subscriptions.update(
        *(await at.subscription()), active=False
    )


async def _delete_subscription(at: ContractStage) -> object:
    return await at.nex.webhook_endpoints.subscriptions.delete(*(await at.subscription()))


SPECIAL: dict[str, Callable[[ContractStage], Awaitable[object]]] = {
    "patients.create": _create_patient,
    "patients.alerts.walk": _walk_alerts,
    "patients.alerts.create": ContractStage.alert,
    "patients.alerts.get": _get_alert,
    "patients.alerts.update": _update_alert,
    "patients.documents.walk": _walk_documents,
    "patients.documents.create": _create_document,
    "appointment_types.create": ContractStage.type,
    "appointment_types.update": lambda at: _after(at, at.type(), "appointment_types", minutes=45),
    "appointment_types.delete": lambda at: _delete(at, at.type(), "appointment_types"),
    "working_hours.create": ContractStage.hours,
    "working_hours.update": lambda at: _after(at, at.hours(), "working_hours", active=False),
    "working_hours.delete": lambda at: _delete(at, at.hours(), "working_hours"),
    "appointments.create": ContractStage.appointment,
    "appointments.update": lambda at: _after(at, at.appointment(), "appointments", cancelled=True),
    "appointments.appointment_descriptors.walk": _walk_descriptors,
    "payments.create": lambda at: _create_entry(at, "payments"),
    "adjustments.create": lambda at: _create_entry(at, "adjustments"),
    "webhook_endpoints.walk": _walk_hooks,
    "webhook_endpoints.create": ContractStage.hook,
    "webhook_endpoints.update": lambda at: _after(at, at.hook(), "webhook_endpoints", active=False),
    "webhook_endpoints.delete": lambda at: _delete(at, at.hook(), "webhook_endpoints"),
    "webhook_endpoints.subscriptions.walk": _walk_subscriptions,
    "webhook_endpoints.subscriptions.create": ContractStage.subscription,
    "webhook_endpoints.subscriptions.update": _update_subscription,
    "webhook_endpoints.subscriptions.delete": _delete_subscription,
    "onboardings.walk": _walk_onboardings,
    "onboardings.get": _get_onboarding,
    "onboardings.create": _create_onboarding,
}


async def _after(
    at: ContractStage, making: Awaitable[Any], resource: str, **changes: Any
) -> object:
    made = await making
    return await at.resource_of(resource).update(made.id, **changes)


async def _delete(at: ContractStage, making: Awaitable[Any], resource: str) -> object:
    made = await making
    return await at.resource_of(resource).delete(made.id)


@pytest.mark.parametrize(("endpoint", "version"), CASES)
async def test_the_operation_is_performed(endpoint: Endpoint[object], version: str) -> None:
    row = endpoint.v2 if version == "v2" else endpoint.v3
    assert row is not None
    async with (
        Sandbox(patients=6, seed=4) as sandbox,
        NexHealth(
            sandbox.api_key,
            base_url=sandbox.url,
            version=version,
            subdomain=sandbox.subdomain,
            location_id=sandbox.location_id,
        ) as nex,
    ):
        at = ContractStage(sandbox, nex)
        perform = SPECIAL.get(f"{endpoint.resource}.{endpoint.verb}")
        if perform is not None:
            done = await perform(at)
        elif endpoint.verb == "walk":
            done = await _walk(at, endpoint.resource)
        elif endpoint.verb == "get":
            done = await _get(at, endpoint.resource)
        else:
            pytest.fail(f"say in SPECIAL how {endpoint.resource}.{endpoint.verb} is performed")

        place = re.compile(re.sub(r"\{\w+\}", "[^/]+", row.path))
        sent = [
            request
            for request in sandbox.requests
            if request.method == row.method and place.fullmatch(request.path)
        ]
        assert sent, f"{endpoint.resource}.{endpoint.verb} never sent {row.operation}"
        seen = sent[-1]
        assert seen.status in row.success
        if endpoint.model is not None and not isinstance(done, tuple):
            model = getattr(models, endpoint.model)
            records = cast("list[object]", done if isinstance(done, list) else [done])
            assert records, (
                "the sandbox has none to show: give it some in sandbox/practice.py, "
                "or make one here, with an entry in SPECIAL"
            )
            assert all(isinstance(record, model) for record in records)
