"""Forty practices with many faults: the rest is complete, and the report names what is not.

Connections break, responses are truncated and the server fails now and then; one location is
forbidden, one practice's ledger is closed, and one resource has malformed or unreadable records.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NexHealth, Rates, RetryPolicy
from nexhealth_async.bulk import facts
from nexhealth_async.bulk.resource_facts import Level
from nexhealth_async.errors import (
    FinancialAccessDisabledError,
    PartialPullError,
    PermissionDeniedError,
)
from nexhealth_async.sandbox import Sandbox
from tests.bulk.helpers import VERSIONS, by_group

if TYPE_CHECKING:
    from nexhealth_async.bulk import Batch, Report
    from nexhealth_async.sandbox import Practice, RecordedPage

RESOURCES = {
    "v2": (
        *("patients", "appointments", "procedures", "providers", "operatories"),
        *("patient_recalls", "working_hours", "insurance_plans"),
    ),
    "v3": (
        *("patients", "appointments", "procedures", "providers", "operatories"),
        *("patient_recalls", "charges", "payments"),
    ),
}
LEDGER = ("charges", "payments", "insurance_plans")
TABLES = {"working_hours": "availabilities"}
REFUSED, CLOSED, ODD = 7, 23, 31
"""Practices with a forbidden location, a closed ledger and malformed records."""


class FaultPlan:
    """Injects a fault into about every twenty-fifth request."""

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        self._sandbox, self._draw = sandbox, random.Random(seed)
        self.faults = 0

    def __call__(self, page: RecordedPage) -> None:
        if self._draw.random() < 0.04:
            self.faults += 1
            match self._draw.randrange(5):
                case 0:
                    self._sandbox.fail_next(503)
                case 1:
                    self._sandbox.fail_next(502)
                case 2:
                    self._sandbox.drop_next(when="mid_body")
                case 3:
                    self._sandbox.truncate_next()
                case _:
                    self._sandbox.drop_next(when="after")


def inject_bad_records(practice: Practice) -> tuple[list[int], list[int]]:
    """Make some procedures malformed; return the ids to be repaired and those to be lost."""
    table, ids = practice.procedures, practice.procedures.ids
    malformed, lost = list(ids[:2]), list(ids[2:4])
    for id in malformed:
        table.update(id, start_date="the other day")
    for id in lost:
        table._rows[id] = {**table.row(id), "id": f"lost-{id}"}
    return malformed, lost


def due(practice: Practice, resource: str, version: str) -> list[int]:
    """Ids of the readable records of a practice with forbidden locations.

    Other locations list the patients of a forbidden one: they belong to the whole practice.
    """
    if resource in LEDGER and not practice.financial_access:
        return []
    table = getattr(practice, TABLES.get(resource, resource))
    by_location = facts(resource, version).level is Level.LOCATION
    return sorted(
        id
        for id in table.ids
        if not by_location or table.row(id).get("location_id") not in practice.forbidden
    )


def refused_shards(sandbox: Sandbox, version: str) -> dict[str, type[Exception]]:
    """Failures that the report must name: resource, practice, location and error."""
    found: dict[str, type[Exception]] = {}
    location = sandbox.practices[REFUSED]
    for resource in RESOURCES[version]:
        by_location = facts(resource, version).level is Level.LOCATION
        if by_location:
            found[f"{resource}/{location.subdomain}/{location.locations.ids[1]}"] = (
                PermissionDeniedError
            )
        if resource in LEDGER:
            closed = sandbox.practices[CLOSED]
            for place in closed.locations.ids if by_location else "-":
                found[f"{resource}/{closed.subdomain}/{place}"] = FinancialAccessDisabledError
    return found


def check_failures(report: Report, expected: dict[str, type[Exception]]) -> None:
    named = {name for one in report.failed for name in expected if one.shard.name.startswith(name)}
    assert named == expected.keys()
    for one in report.failed:
        [kind] = [kind for name, kind in expected.items() if one.shard.name.startswith(name)]
        assert isinstance(one.error, kind), one.shard.name
    groups = {one.shard.group for one in report.failed}
    for one in report.shards:
        if one.status == "open":  # the sweep of a group that is not complete
            assert one.shard.sweep
            assert one.shard.group in groups
    with pytest.raises(PartialPullError) as partial:
        report.raise_if_partial()
    left = [shard.shard.name for shard in report.shards if shard.status != "done"]
    assert sorted(partial.value.shards) == sorted(left)


@pytest.mark.parametrize("version", VERSIONS)
async def test_everything_that_the_report_does_not_name_is_complete(version: str) -> None:
    async with Sandbox(
        practices=40, locations=3, patients=7, appointments=6, procedures=6, operatories=1
    ) as sandbox:
        location = sandbox.practices[REFUSED]
        location.forbidden.add(location.locations.ids[1])
        sandbox.practices[CLOSED].financial_access = False
        malformed, lost = inject_bad_records(sandbox.practices[ODD])
        faults = FaultPlan(sandbox, 4)
        sandbox.between_pages(faults)
        batches: list[Batch] = []
        async with (
            NexHealth(
                sandbox.api_key,
                base_url=sandbox.url,
                version=version,
                rates=Rates.unlimited(),
                retry=RetryPolicy(attempts=12, base_delay=0.001, max_wait=0.01),
            ) as nex,
            nex.bulk.pull(RESOURCES[version], concurrency=12, per_page=4) as pull,
        ):
            async for batch in pull:
                batches.append(batch)
        assert faults.faults > 20
        assert pull.report.stats.retries > 20
        check_failures(pull.report, refused_shards(sandbox, version))
        for resource in RESOURCES[version]:
            found = by_group(batches, resource)
            for practice in sandbox.practices:
                ids = due(practice, resource, version)
                if resource == "procedures" and practice is sandbox.practices[ODD]:
                    ids = [id for id in ids if id not in lost]
                assert found.get(practice.subdomain, []) == ids, (resource, practice.subdomain)
        refused = [(batch.shard.name, one) for batch in batches for one in batch.refused]
        [shard] = {name for name, _ in refused}
        assert shard.startswith(f"procedures/{sandbox.practices[ODD].subdomain}/")
        assert [json.loads(one.raw_json)["id"] for _, one in refused] == [
            f"lost-{id}" for id in lost
        ]
        assert {one.path for _, one in refused} == {"id"}
        assert pull.report.refused == len(lost)
        assert pull.report.repaired == len(malformed)
        assert {one.shard.name for one in pull.report.shards if one.repaired} == {shard}
