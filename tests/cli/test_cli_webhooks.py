from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexhealth_async.sandbox import Sandbox
from tests.cli.helpers import nexhealth

URL = "https://hooks.example.com/in?token=sesame-4711"
ENSURE = ("webhooks", "ensure", URL, "--event", "appointment_insertion")


@pytest.fixture
async def two() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=1, practices=2) as sandbox:
        yield sandbox


def kept(sandbox: Sandbox) -> list[tuple[object, object]]:
    rows = sandbox.world.webhook_subscriptions
    return [(row["institution_id"], row["event"]) for row in rows]


async def test_ensure_creates_missing_webhooks_and_hides_the_secret(
    two: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    ran = await nexhealth(*ENSURE, "--secret-file", str(file), sandbox=two)
    assert (ran.status, ran.err) == (0, "")
    text = ran.out.decode()
    endpoint = two.world.webhook_endpoints.row(two.world.webhook_endpoints.ids[0])
    assert file.read_text().strip() == endpoint["secret_key"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(endpoint["secret_key"]) not in text
    assert "sesame" not in text
    assert text.count("appointment_insertion of sandbox-dental") == 2
    assert len(kept(two)) == 2

    again = await nexhealth(*ENSURE, "--event", "patient_created", sandbox=two)
    assert again.status == 0
    assert again.out.decode().count(": subscribed") == 2
    same = await nexhealth(*ENSURE, sandbox=two)
    assert same.out.decode().splitlines()[-1] == "All 2 subscriptions exist already"
    assert len(kept(two)) == 4

    listing = await nexhealth("webhooks", "list", sandbox=two)
    text = listing.out.decode()
    assert (listing.status, listing.err) == (0, "")
    assert text.count("hooks.example.com") == 4
    assert text.count("sandbox-dental-2") == 2
    assert "sesame" not in text


async def test_ensure_creates_no_endpoint_whose_secret_would_be_lost(
    two: Sandbox, tmp_path: Path
) -> None:
    ran = await nexhealth(*ENSURE, sandbox=two)
    assert ran.status == 2
    assert "--secret-file" in ran.err
    there = tmp_path / "there"
    there.write_text("precious")
    for path in (there, tmp_path / "no" / "directory"):
        ran = await nexhealth(*ENSURE, "--secret-file", str(path), sandbox=two)
        assert ran.status == 2
    assert there.read_text() == "precious"
    assert not two.world.webhook_endpoints


async def test_a_dry_run_changes_nothing(two: Sandbox) -> None:
    ran = await nexhealth(*ENSURE, "--subdomain", "sandbox-dental", "--dry-run", sandbox=two)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.decode().splitlines() == [
        "Dry run; nothing was changed. Changes to make:",
        "Endpoint to be created",
        "appointment_insertion of sandbox-dental: to be subscribed",
    ]
    assert not two.world.webhook_endpoints


@pytest.mark.parametrize(
    "wrong",
    [
        ("--event", "nonsense"),
        ("--event", "appointment_insert"),
        ("--practice", "elsewhere"),
        ("--renew-before", "2026-01-01T00:00:00"),
    ],
)
async def test_impossible_arguments_are_usage_errors(two: Sandbox, wrong: tuple[str, ...]) -> None:
    ran = await nexhealth(*ENSURE, *wrong, "--dry-run", sandbox=two)
    assert ran.status == 2
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err


async def test_ensuring_again_accepts_the_existing_secret_file(
    two: Sandbox, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    first = await nexhealth(*ENSURE, "--secret-file", str(secret), sandbox=two)
    kept = secret.read_bytes()
    again = await nexhealth(*ENSURE, "--secret-file", str(secret), sandbox=two)
    assert (first.status, again.status) == (0, 0), again.err
    assert "Endpoint" in again.out.decode()
    assert secret.read_bytes() == kept
    assert len(two.world.webhook_endpoints) == 1


async def test_a_similar_event_is_suggested(two: Sandbox) -> None:
    ran = await nexhealth(*ENSURE, "--event", "appointment_insert", sandbox=two)
    assert "appointment_insert: there is no such event; did you mean appointment_ins" in ran.err


@pytest.mark.parametrize("address", ["example.com/x", "localhost:8080", "https://", "https://["])
async def test_an_invalid_url_is_refused_before_anything_is_sent(
    two: Sandbox, address: str
) -> None:
    ran = await nexhealth(
        "webhooks", "ensure", address, "--event", "appointment_insertion", "--dry-run", sandbox=two
    )
    assert ran.status == 2
    assert "must begin with https://" in ran.err
    assert not two.requests


async def test_an_empty_list_of_endpoints_is_reported_in_text(two: Sandbox) -> None:
    ran = await nexhealth("webhooks", "list", sandbox=two)
    assert (ran.status, ran.out) == (0, b"")
    assert ran.err == "This key has no webhook endpoint.\n"


async def test_a_move_to_another_version_is_reported(two: Sandbox, tmp_path: Path) -> None:
    await nexhealth(*ENSURE, "--secret-file", str(tmp_path / "secret"), sandbox=two)
    ran = await nexhealth(
        *ENSURE, "--api-version", "v3", "--renew-before", "2100-01-01T00:00:00Z", sandbox=two
    )
    assert ran.status == 0
    assert ran.out.decode().count(": renewed") == 2
    assert {row["version"] for row in two.world.webhook_subscriptions} == {"v3"}
    assert len(kept(two)) == 2
