"""The examples and claims of docs/migration.md, executed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from docs._sphinx import version_tables
from docs._sphinx.tables import with_tables
from docs._sphinx.version_tables import INSTEAD, filter_changes
from nexhealth_async import InvalidArgumentError, NexHealth, NotInVersionError, UsageError
from nexhealth_async.resources import ENDPOINTS, operations
from nexhealth_async.sandbox import Sandbox
from tests.docs.generated_parts import DOCS

PAGE = DOCS / "migration.md"
TEXT = with_tables(PAGE.read_text(encoding="utf-8"))


def blocks() -> list[str]:
    """Return the page's Python."""
    parser = CodeBlockParser("python", evaluator=lambda _: None)
    return [str(example.parsed) for example in Document.parse(str(PAGE), parser).examples()]


def named(function: str) -> Callable[..., Any]:
    """Run the one block that defines a function, and return the function."""
    (code,) = [text for text in blocks() if f"def {function}(" in text]
    names: dict[str, Any] = {"__name__": "migration_page"}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    found: Callable[..., Any] = names[function]
    return found


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=12, practices=2, seed=1) as sandbox:
        monkeypatch.setenv("NEXHEALTH_API_KEY", sandbox.api_key)
        monkeypatch.setenv("NEXHEALTH_BASE_URL", sandbox.url)
        yield sandbox


def test_every_block_is_run_here() -> None:
    assert len(blocks()) == 4


def test_every_operation_that_differs_is_in_a_table() -> None:
    tables = TEXT.split("## Every difference")[1]
    for one in ENDPOINTS:
        if one.v2 is None or one.v3 is None or one.v2 != one.v3:
            name = f"{one.resource}.{one.verb}"
            assert re.search(rf"`{re.escape(name.removesuffix('.walk'))}(\.walk)?`", tables), name


def test_removed_operations_have_a_replacement() -> None:
    gone = {f"{one.resource}.{one.verb}" for one in ENDPOINTS if one.v2 and not one.v3}
    assert gone == set(INSTEAD)
    v3 = {f"{one.resource}.{one.verb}" for one in operations() if one.version == "v3"}
    for words in INSTEAD.values():
        name = re.findall(r"`(\w+\.walk)", words)[0]
        assert name in v3


def test_operations_without_a_replacement_are_named_when_the_site_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(version_tables, "INSTEAD", {})
    with pytest.raises(LookupError, match=r"`locations.providers.walk` is in v2 only: say in INST"):
        with_tables("<!-- table: gone -->\n")


def test_the_known_changes_of_filters_are_listed() -> None:
    found = filter_changes()
    assert ("procedures.walk", "updated_since", "updated_after", "updated_since") in found
    assert ("appointments.walk", "patient_ids", "patient_id", "patient_ids[]") in found
    assert ("patients.walk", "include", "include[]", "") in found
    assert ("insurance_coverages.walk", "patient_id", "in the path", "patient_id") in found


def test_a_missing_operation_is_reported_without_a_request(sandbox: Sandbox) -> None:
    only_in = named("only_in")
    nex = NexHealth()
    assert only_in(nex, "v2") == set(INSTEAD)
    assert "claims.walk" in only_in(nex, "v3")
    assert not sandbox.requests


async def test_both_versions_work_in_one_session_with_one_login(sandbox: Sandbox) -> None:
    seen_differently = named("seen_differently")
    assert await seen_differently(sandbox.subdomain, sandbox.location_id) == set()
    versions = [request.headers["nex-api-version"] for request in sandbox.seen("GET", "/patients")]
    assert set(versions) == {"v2", "v3.0.0"}
    assert sandbox.logins == 1


async def test_includes_of_lists_are_replaced_by_reads_of_records(sandbox: Sandbox) -> None:
    async with NexHealth(version="v3") as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        found = [patient async for patient in named("with_visits")(location)]
    assert [patient.id for patient in found] == list(sandbox.patients.ids)
    assert all(patient.upcoming_appts is not None for patient in found)


async def test_moving_webhooks_is_idempotent(sandbox: Sandbox) -> None:
    url, events = "https://hooks.example.com/nexhealth", ["appointment_updated"]
    practices = [practice.subdomain for practice in sandbox.practices]
    async with NexHealth() as old:
        await old.webhooks.ensure(url, events, practices)
    await asyncio.sleep(0.002)  # the moment must come after
    moment = datetime.now(UTC)
    move = named("move_webhooks")
    assert len((await move(url, events, practices, moment)).renewed) == 2
    assert not (await move(url, events, practices, moment)).renewed
    assert [row["version"] for row in sandbox.world.webhook_subscriptions] == ["v3", "v3"]


async def test_the_statements_about_cursor_lists_are_true(sandbox: Sandbox) -> None:
    async with NexHealth(version="v3") as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        with pytest.raises(UsageError):
            await location.patients.walk().count()
        with pytest.raises(InvalidArgumentError):
            location.patients.walk(drift="verify")
        pages = [page async for page in location.patients.walk(drift="ignore", per_page=5).pages()]
        assert [page.count for page in pages] == [None] * 3
        with pytest.raises(InvalidArgumentError):
            nex.with_options(version="v2").practice(sandbox.subdomain).location(
                sandbox.location_id
            ).patients.walk(after=pages[0].resume)


async def test_each_version_names_the_one_that_has_a_missing_operation(sandbox: Sandbox) -> None:
    until = sandbox.clock.today() + timedelta(days=1)
    async with NexHealth() as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        with pytest.raises(NotInVersionError, match="v3"):
            location.claims.walk(updated_since=until)
        with pytest.raises(NotInVersionError, match="v3"):
            location.appointments.walk(start=until, end=until, patient_ids=[1, 2])
    assert not sandbox.seen("GET", "/claims")


async def test_no_unexpected_request_is_sent(sandbox: Sandbox) -> None:
    day = sandbox.clock.today()
    for version in ("v2", "v3"):
        sandbox.clear()
        async with NexHealth(version=version) as nex:
            location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
            assert len([patient async for patient in location.patients.walk()]) <= 12
            async for _ in location.appointments.walk(start=day, end=day + timedelta(days=1)):
                pass
        (patients,), (visits,) = (
            sandbox.seen("GET", path) for path in ("/patients", "/appointments")
        )
        assert patients.param("new_patient") is None
        assert visits.param("cancelled") is None
