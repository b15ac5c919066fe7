"""Ensuring webhooks: created or repaired from any state, and idempotent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import frozen

from nexhealth_async import (
    InvalidArgumentError,
    InvalidRequestError,
    NexHealth,
    NexHealthError,
    OutcomeUnknownError,
    WebhookSyncResult,
)
from nexhealth_async.sandbox import Clock, Sandbox
from nexhealth_async.sandbox.handlers.webhooks import EVENTS
from nexhealth_async.webhooks.subscription_plan import SubscriptionKey, resource_of
from tests.session.transport_error_helpers import QUICK
from tests.workflows.helpers import versions

URL = "https://hooks.example.com/nexhealth?token=sesame-4711"
TWO = ("appointment_insertion", "patient_created")


@frozen
class SubscriptionScene:
    sandbox: Sandbox
    nex: NexHealth

    async def ensure(self, *events: Any, practices: Any = None, **more: Any) -> WebhookSyncResult:
        named = (
            [practice.subdomain for practice in self.sandbox.practices]
            if practices is None
            else practices
        )
        return await self.nex.webhooks.ensure(URL, events or TWO, named, **more)

    @property
    def there(self) -> list[tuple[object, ...]]:
        """All subscriptions: institution, event, version, active or not."""
        rows = self.sandbox.world.webhook_subscriptions
        names = ("institution_id", "event", "version", "active")
        return sorted(tuple(row[name] for name in names) for row in rows)

    @property
    def writes(self) -> int:
        return sum(
            request.method != "GET" and request.path != "/authenticates"
            for request in self.sandbox.requests
        )


@asynccontextmanager
async def account(version: str = "v2", **options: Any) -> AsyncGenerator[SubscriptionScene]:
    async with (
        Sandbox(
            patients=1, appointments=0, practices=2, clock=options.pop("clock", None)
        ) as sandbox,
        NexHealth(
            sandbox.api_key, base_url=sandbox.url, version=version, retry=QUICK, **options
        ) as nex,
    ):
        yield SubscriptionScene(sandbox, nex)


def expected(at: SubscriptionScene, *events: str, version: str = "v2") -> list[tuple[object, ...]]:
    return sorted(
        (practice.institution_id, event, version, True)
        for practice in at.sandbox.practices
        for event in events
    )


@versions
async def test_everything_is_created_once_and_then_unchanged(version: str) -> None:
    async with account(version) as at:
        first = await at.ensure()
        assert first.created
        assert first.changed
        assert first.endpoint is not None
        assert first.endpoint.secret_key
        assert len(first.created_subscriptions) == 4
        assert at.there == expected(at, *TWO, version=version)
        sent = at.writes
        again = await at.ensure()
        assert not again.changed
        assert again.unchanged == first.created_subscriptions
        assert again.endpoint is not None
        assert again.endpoint.id == first.endpoint.id
        assert at.writes == sent == 5


async def test_neither_secret_nor_url_is_printed() -> None:
    async with account() as at:
        done = await at.ensure()
        assert done.endpoint is not None
        for shown in (repr(done), str(done), repr(at.nex.webhooks)):
            assert "sesame" not in shown
            assert str(done.endpoint.secret_key) not in shown


@versions
async def test_missing_subscriptions_are_added_and_the_others_kept(version: str) -> None:
    async with account(version) as at:
        await at.ensure("appointment_insertion", practices=at.sandbox.subdomain)
        done = await at.ensure()
        assert not done.created
        assert len(done.unchanged) == 1
        assert len(done.created_subscriptions) == 3
        assert at.there == expected(at, *TWO, version=version)


@versions
async def test_an_inactive_endpoint_is_activated(version: str) -> None:
    async with account(version) as at:
        first = await at.ensure()
        assert first.endpoint is not None
        at.sandbox.world.webhook_endpoints.update(first.endpoint.id, active=False)
        done = await at.ensure()
        assert (done.reactivated, done.created) == (True, False)
        assert done.endpoint is not None
        assert done.endpoint.active
        assert done.endpoint.secret_key == first.endpoint.secret_key
        assert at.sandbox.world.webhook_endpoints.row(first.endpoint.id)["active"] is True


@versions
async def test_an_inactive_subscription_is_activated(version: str) -> None:
    async with account(version) as at:
        await at.ensure()
        table = at.sandbox.world.webhook_subscriptions
        table.update(table.ids[2], active=False)
        done = await at.ensure()
        assert len(done.activated) == 1
        assert at.there == expected(at, *TWO, version=version)
        assert not (await at.ensure()).changed


@versions
async def test_a_dry_run_reports_all_changes_and_makes_none(version: str) -> None:
    async with account(version) as at:
        changes = await at.ensure(dry_run=True)
        assert (changes.created, changes.endpoint, len(changes.created_subscriptions)) == (
            True,
            None,
            4,
        )
        assert at.writes == 0
        done = await at.ensure()
        assert done.created_subscriptions == changes.created_subscriptions
        assert done.endpoint is not None
        at.sandbox.world.webhook_endpoints.update(done.endpoint.id, active=False)
        before = at.writes
        changes = await at.ensure("patient_created", prune=True, dry_run=True)
        assert changes.reactivated
        assert len(changes.removed) == 2
        assert at.writes == before
        assert len(at.there) == 4


@versions
async def test_pruning_removes_additional_subscriptions(version: str) -> None:
    async with account(version) as at:
        await at.ensure()
        first, other = at.sandbox.practices
        done = await at.ensure("patient_created", practices=[first.subdomain], prune=True)
        assert done.removed == (
            SubscriptionKey(
                practice=first.subdomain,
                resource_type="Appointment",
                event="appointment_insertion",
            ),
        )
        kept = [(one[0], one[1]) for one in at.there]
        assert kept == sorted(
            [(first.institution_id, "patient_created"), *((other.institution_id, e) for e in TWO)]
        )


@versions
async def test_duplicates_are_reported_and_pruned(version: str) -> None:
    async with account(version) as at:
        done = await at.ensure()
        table = at.sandbox.world.webhook_subscriptions
        table.add({**table.row(table.ids[0])})
        assert len((await at.ensure()).duplicated) == 1
        assert len(table) == 5
        done = await at.ensure(prune=True)
        assert len(done.removed) == 1
        assert at.there == expected(at, *TWO, version=version)
        assert not (await at.ensure(prune=True)).changed


async def test_moving_to_another_version_adds_before_it_removes() -> None:
    clock = Clock()
    async with account(clock=clock) as at:
        await at.ensure()
        clock.advance(600)
        moment = datetime.fromtimestamp(clock.now(), UTC)
        clock.advance(60)
        at.sandbox.clear()
        done = await at.ensure(version="v3", renew_before=moment)
        assert len(done.renewed) == 4
        assert not done.created_subscriptions
        assert at.there == expected(at, *TWO, version="v3")
        steps = [
            request.method
            for request in at.sandbox.requests
            if request.method in {"POST", "DELETE"}
        ]
        assert steps == ["POST"] * 4 + ["DELETE"] * 4
        again = await at.ensure(version="v3", renew_before=moment)
        assert not again.changed
        assert len(again.unchanged) == 4


async def test_an_interrupted_move_is_finished_by_the_next() -> None:
    clock = Clock()
    async with account(clock=clock) as at:
        await at.ensure()
        clock.advance(600)
        moment = datetime.fromtimestamp(clock.now(), UTC)
        clock.advance(60)
        deletion = "/webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}"
        at.sandbox.fail_next(400, times=99, path=deletion, method="DELETE")
        with pytest.raises(InvalidRequestError):
            await at.ensure(version="v3", renew_before=moment)
        assert len(at.there) == 8
        at.sandbox.clear()
        done = await at.ensure(version="v3", renew_before=moment)
        assert len(done.renewed) == 4
        assert at.there == expected(at, *TWO, version="v3")


@versions
async def test_a_sessions_own_practice_does_not_restrict_ensure(version: str) -> None:
    async with account(version, subdomain="sandbox-dental-2") as at:
        await at.ensure()
        assert not (await at.ensure()).changed
        assert at.there == expected(at, *TWO, version=version)


@versions
async def test_events_without_a_practice_are_found(version: str) -> None:
    """The sandbox does not accept such a subscription, but can contain one."""
    async with account(version) as at:
        made = await at.ensure()
        assert made.endpoint is not None
        at.sandbox.world.webhook_subscriptions.add(
            {
                "webhook_endpoint_id": made.endpoint.id,
                "institution_id": None,
                "resource_type": "Onboarding",
                "event": "onboarding_created",
                "active": True,
            }
        )
        done = await at.ensure("onboarding_created", practices=[])
        assert not done.changed
        assert [(one.practice, one.event) for one in done.unchanged] == [
            (None, "onboarding_created")
        ]
        assert not (await at.ensure(*TWO, prune=True)).changed


@versions
@pytest.mark.parametrize("processes", [2, 5])
async def test_concurrent_processes_leave_no_duplicates(version: str, processes: int) -> None:
    async with account(version) as at:
        at.sandbox.latency, at.sandbox.jitter = 0.01, 0.01
        sessions = [
            NexHealth(at.sandbox.api_key, base_url=at.sandbox.url, version=version)
            for _ in range(processes)
        ]
        names = [practice.subdomain for practice in at.sandbox.practices]
        try:
            for one in sessions:
                await one.open()
            done = await asyncio.gather(
                *(session.webhooks.ensure(URL, TWO, names) for session in sessions)
            )
        finally:
            for one in sessions:
                await one.aclose()
        assert len(at.sandbox.world.webhook_endpoints) == 1
        assert at.there == expected(at, *TWO, version=version)
        assert sum(one.created for one in done) == 1
        winner = at.sandbox.world.webhook_endpoints.ids[0]
        assert {one.endpoint.id for one in done if one.endpoint} == {winner}
        at.sandbox.latency = at.sandbox.jitter = 0.0
        assert not (await at.ensure()).changed


@versions
@pytest.mark.parametrize("nth", range(9))
@pytest.mark.parametrize("when", ["before", "after", "mid_body"])
async def test_responses_lost_at_any_moment_leave_no_duplicates(
    version: str, nth: int, when: Any
) -> None:
    async with account(version) as at:
        await at.nex.log_in()
        for _ in range(nth):
            at.sandbox.alter_next(lambda body: body)
        at.sandbox.drop_next(when=when)
        for _ in range(3):
            try:
                await at.ensure()
            except (OutcomeUnknownError, NexHealthError):
                continue
            break
        at.sandbox.clear()
        assert not (await at.ensure()).changed
        assert len(at.sandbox.world.webhook_endpoints) == 1
        assert at.there == expected(at, *TWO, version=version)


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": ["appointment_insertion.complete"]},
        {"events": ["nonsense"]},
        {"events": []},
        {"practices": []},
        {"practices": ["sandbox-dental", "no-such-practice"]},
        {"renew_before": datetime(2026, 1, 1)},  # noqa: DTZ001 - the mistake to be refused
    ],
)
async def test_impossible_arguments_are_refused_before_anything_is_written(wrong: Any) -> None:
    async with account() as at:
        arguments: Any = {"events": TWO, "practices": ["sandbox-dental"], **wrong}
        with pytest.raises(InvalidArgumentError):
            await at.nex.webhooks.ensure(URL, **arguments)
        assert at.writes == 0


async def test_a_url_rejected_by_the_api_raises_its_error() -> None:
    async with account() as at:
        with pytest.raises(InvalidRequestError):
            await at.nex.webhooks.ensure("http://example.com/", TWO, ["sandbox-dental"])


async def test_an_unknown_event_is_given_with_its_resource_type() -> None:
    async with account() as at:
        done = await at.ensure(("Patient", "patient_updated"))
        assert {subscription.event for subscription in done.created_subscriptions} == {
            "patient_updated"
        }


def test_every_documented_event_has_a_level() -> None:
    for kind, events in EVENTS.items():
        assert {resource_of(event) for event in events} == {kind}


async def test_without_a_time_nothing_is_renewed() -> None:
    clock = Clock()
    async with account(clock=clock) as at:
        await at.ensure()
        clock.advance(1800)
        done = await at.ensure(version="v3")
        assert not done.changed
        assert at.there == expected(at, *TWO, version="v2")


async def test_a_resource_type_in_the_vendors_other_spelling_is_the_same_subscription() -> None:
    """The vendor's pages write both ``Appointment`` and ``appointment``."""
    async with account("v3") as at:
        await at.ensure("appointment_insertion", "patient_insurance_created")
        rows = at.sandbox.world.webhook_subscriptions
        spelled = {
            "Appointment": "appointment",
            "PatientInsuranceCoverage": "patient_insurance_coverage",
        }
        for id in tuple(rows.ids):
            rows.update(id, resource_type=spelled[str(rows.row(id)["resource_type"])])
        again = await at.ensure("appointment_insertion", "patient_insurance_created", prune=True)
        assert not again.changed
        assert len(again.unchanged) == 4
        pair = ("appointment", "appointment_insertion")
        assert not (await at.ensure(pair, "patient_insurance_created")).changed
