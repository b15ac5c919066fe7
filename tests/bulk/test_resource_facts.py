"""Facts about resources, compared with the endpoint table and a practice's records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import InvalidArgumentError, NexHealth, NotInVersionError
from nexhealth_async._protocol.operations import OperationSpec
from nexhealth_async.bulk.resource_facts import (
    Deletions,
    Level,
    excluded_resources,
    facts,
    resources,
)
from nexhealth_async.bulk.shard_filters import walk_arguments
from nexhealth_async.bulk.shard_planning import find_practices, plan_shards
from nexhealth_async.bulk.shards import Shard
from nexhealth_async.resources import ENDPOINTS
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.session import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nexhealth_async.sandbox.practice import Practice
    from nexhealth_async.sandbox.tables import RecordTable

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
VERSIONS = ("v2", "v3")
EVERY = [(name, version) for version in VERSIONS for name in resources(version)]


def row_of(resource: str, version: str) -> OperationSpec:
    return facts(resource, version).spec


@pytest.mark.parametrize("version", VERSIONS)
def test_every_list_of_the_table_is_pulled_or_excluded_with_a_reason(version: str) -> None:
    walks = {
        endpoint.resource
        for endpoint in ENDPOINTS
        if endpoint.verb == "walk" and getattr(endpoint, version)
    }
    pulled, left_out = set(resources(version)), excluded_resources(version)
    assert pulled | set(left_out) == walks
    assert pulled.isdisjoint(left_out)
    assert all("; " in sentence for sentence in left_out.values()), "what to do is missing"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_excluded_list_is_refused_with_its_reason(version: str) -> None:
    for resource, sentence in excluded_resources(version).items():
        if resource == "appointment_categories":
            assert facts(resource, version).model == "AppointmentType"
            continue
        with pytest.raises((InvalidArgumentError, NotInVersionError)) as caught:
            facts(resource, version)
        assert str(caught.value) == sentence
        assert resource in sentence


@pytest.mark.parametrize(
    ("resource", "version", "error"),
    [
        ("teeth", "v2", InvalidArgumentError),
        ("charges", "v2", NotInVersionError),
        ("insurance_coverages", "v2", NotInVersionError),
        ("appointment_categories", "v3", NotInVersionError),
        ("locations.providers", "v3", InvalidArgumentError),
        ("available_slots", "v3", InvalidArgumentError),
        ("patients", "newest", InvalidArgumentError),
    ],
)
def test_unknown_names_are_refused(resource: str, version: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        facts(resource, version)


@pytest.mark.parametrize(("resource", "version"), EVERY)
def test_every_filter_of_a_list_exists_in_the_api_and_has_a_reason(
    resource: str, version: str
) -> None:
    about = facts(resource, version)
    assert about.lists
    for arguments in about.lists:
        assert set(arguments.filters) <= set(about.spec.wire_names)
        assert bool(arguments.filters) == bool(arguments.reason)


@pytest.mark.parametrize(("resource", "version"), EVERY)
def test_default_filters_are_overridden_with_both_values(resource: str, version: str) -> None:
    about = facts(resource, version)
    for name in ("include_deleted", "show_zero_balances"):
        if name in about.spec.filters:
            assert [arguments.filters[name] for arguments in about.lists] == [True]
    for name in ("cancelled", "new_patient"):
        if name in about.spec.filters:
            assert {arguments.filters[name] for arguments in about.lists} == {True, False}


@pytest.mark.parametrize(("resource", "version"), EVERY)
def test_the_guarantee_fits_the_list(resource: str, version: str) -> None:
    about = facts(resource, version)
    tombstones = "include_deleted" in about.spec.filters
    assert (about.deletions is Deletions.TOMBSTONES) == tombstones
    assert ("comparison" in about.guarantee or "compared" in about.guarantee) != tombstones
    assert ("the changes since" in about.guarantee) == about.incremental
    assert about.guarantee.count(".") == 3


def test_levels_match_the_required_location() -> None:
    assert facts("institutions", "v2").level is Level.ACCOUNT
    assert facts("onboardings", "v3").level is Level.ACCOUNT
    assert facts("procedures", "v3").level is Level.PRACTICE
    assert facts("appointments", "v3").level is Level.LOCATION
    assert facts("appointment_types", "v3").level is Level.LOCATION
    assert facts("locations.appointment_descriptors", "v2").level is Level.LOCATION
    assert not facts("insurance_plans", "v2").narrows
    assert not facts("sync_status", "v2").narrows
    assert facts("nex_staff", "v2").narrows


def test_arguments_of_a_list_are_typed_and_placed() -> None:
    shard = Shard(resource="appointments", version="v2", subdomain="demo", location_id=7)
    endpoint, arguments, ids = walk_arguments(
        shard, {"start": "2026-01-01T00:00:00Z", "cancelled": None, "foreign_id": "2026-01-01"}
    )
    assert endpoint.resource == "appointments"
    assert arguments == {
        "start": datetime(2026, 1, 1, tzinfo=UTC),
        "cancelled": None,
        "foreign_id": "2026-01-01",
        "subdomain": "demo",
        "location_id": 7,
    }
    assert ids == ()
    location = Shard(
        resource="locations.appointment_descriptors", version="v2", subdomain="demo", location_id=7
    )
    assert walk_arguments(location, {})[1:] == ({}, (7,))
    staff = Shard(resource="nex_staff", version="v3.0.0", subdomain="demo", location_id=7)
    assert walk_arguments(staff, {})[1:] == ({"subdomain": "demo", "location_ids": 7}, ())


TABLES: Mapping[str, Callable[[Practice], RecordTable]] = {
    "adjustment_types": lambda it: it.adjustment_types,
    "adjustments": lambda it: it.adjustments,
    "appointment_types": lambda it: it.appointment_types,
    "appointments": lambda it: it.appointments,
    "charges": lambda it: it.charges,
    "claims": lambda it: it.claims,
    "clinical_notes": lambda it: it.clinical_notes,
    "document_types": lambda it: it.document_types,
    "fee_schedule_procedures": lambda it: it.fee_schedule_procedures,
    "fee_schedules": lambda it: it.fee_schedules,
    "insurance_coverages": lambda it: it.insurance_coverages,
    "insurance_plans": lambda it: it.insurance_plans,
    "locations": lambda it: it.locations,
    "locations.appointment_descriptors": lambda it: it.descriptors,
    "nex_staff": lambda it: it.staff,
    "operatories": lambda it: it.operatories,
    "patient_recalls": lambda it: it.patient_recalls,
    "patients": lambda it: it.patients,
    "payment_plans": lambda it: it.payment_plans,
    "payment_types": lambda it: it.payment_types,
    "payments": lambda it: it.payments,
    "procedures": lambda it: it.procedures,
    "providers": lambda it: it.providers,
    "recall_types": lambda it: it.recall_types,
    "treatment_plans": lambda it: it.treatment_plans,
    "working_hour_labels": lambda it: it.working_hour_labels,
    "working_hours": lambda it: it.availabilities,
}


def hide_some(practice: Practice) -> None:
    """Make one record of each kind that the server omits by default."""
    for table, fields in (
        (practice.providers, {"inactive": True}),
        (practice.locations, {"inactive": True}),
        (practice.document_types, {"active": False}),
        (practice.availabilities, {"active": False}),
        (practice.payment_types, {"active": False}),
        (practice.adjustment_types, {"active": False}),
        (practice.fee_schedules, {"active": False}),
        (practice.appointments, {"cancelled": True}),
        (practice.patients, {"inactive": True}),
        (practice.charges, {"deleted_at": "2026-01-01T00:00:00.000Z"}),
        (practice.payments, {"deleted_at": "2026-01-01T00:00:00.000Z"}),
    ):
        table.update(table.ids[-1], **fields)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_lists_together_contain_every_record_of_the_practices(version: str) -> None:
    async with (
        Sandbox(patients=12, practices=2, locations=2, seed=6) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url, version=version) as nex,
    ):
        for practice in sandbox.practices:
            hide_some(practice)
        plan = plan_shards(
            resources(version), version, await find_practices(client_of(nex)), now=NOW
        )
        found: dict[tuple[str, str | None], set[object]] = {}
        for shard in plan.shards:
            ids = found.setdefault((shard.resource, shard.subdomain), set())
            for filters in shard.lists:
                endpoint, arguments, path_ids = walk_arguments(shard, filters)
                async for record in client_of(nex).walk(endpoint, arguments, *path_ids):
                    ids.add(getattr(record, "id", None))
    assert {name for name, _ in found} == set(resources(version))
    for practice in sandbox.practices:
        for name, table in TABLES.items():
            if name in resources(version):
                expected = set(table(practice).ids)
                assert expected, name
                assert found[name, practice.subdomain] == expected, name
