"""The sandbox checked against the vendor's document with generated requests."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexhealth_async.sandbox import Sandbox
from tests.contract.public_methods import REFERENCE
from tests.event_loops import end_tasks

DOCUMENT = REFERENCE / "openapi-v3.json"
CHECKS = (
    "not_a_server_error",
    "response_schema_conformance",
    "status_code_conformance",
    "content_type_conformance",
)

pytestmark = [
    pytest.mark.skipif(not DOCUMENT.exists(), reason="the vendor's document is not here"),
    pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed"),
]


OPEN_ONBOARDING: dict[str, object] = {
    "hashid": "a1b2c3",
    "subdomain": None,
    "url": "https://onboarding.example.com/a1b2c3",
    "url_expires_at": "2026-01-08T00:00:00.000Z",
    "status": "in_progress",
    "booking_params": None,
    "availability_ready_at": None,
}


@contextmanager
def running() -> Generator[tuple[Sandbox, str]]:
    """A sandbox in a thread, with a token for it."""
    sandbox = Sandbox(patients=40)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result()
        yield sandbox, login(sandbox)
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result()
        asyncio.run_coroutine_threadsafe(end_tasks(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def login(sandbox: Sandbox) -> str:
    request = urllib.request.Request(  # noqa: S310 -- our own sandbox
        f"{sandbox.url}/authenticates",
        method="POST",
        headers={"Authorization": sandbox.api_key, "Nex-Api-Version": "v3.0.0"},
    )
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        return str(json.load(reply)["data"]["token"])


Known = int | str | list[int]


def known_ids(sandbox: Sandbox) -> dict[str, dict[str, list[Known]]]:
    """Two existing values for each path parameter; otherwise every response would be an error."""
    practice, world = sandbox.practice, sandbox.world
    patient_id = practice.patients.ids[0]
    created: dict[str, object] = {"created_at": "2026-01-01T00:00:00.000Z"}
    times = {**created, "updated_at": "2026-01-01T00:00:00.000Z"}
    alert_id = practice.patient_alerts.add(
        {"patient_id": patient_id, "note": "Latex", "disabled_at": None, **times}
    )
    endpoint: dict[str, object] = {"target_url": "https://example.com/", "secret_key": "x"}
    endpoints: list[Known] = [
        world.webhook_endpoints.add({**endpoint, "active": True, **times}) for _ in range(3)
    ]
    subscriptions: list[Known] = [
        world.webhook_subscriptions.add(
            {
                "webhook_endpoint_id": endpoints[at],
                "institution_id": practice.institution_id,
                "resource_type": "Patient",
                "event": "patient_created",
                "active": True,
                "version": "v3",
                **times,
            }
        )
        for at in (0, 2)
    ]
    world.onboardings.add({**OPEN_ONBOARDING, **created})
    tables = {
        "adjustment_types": practice.adjustment_types,
        "adjustments": practice.adjustments,
        "appointment_types": practice.appointment_types,
        "appointments": practice.appointments,
        "charges": practice.charges,
        "claims": practice.claims,
        "document_types": practice.document_types,
        "fee_schedules": practice.fee_schedules,
        "insurance_coverages": practice.insurance_coverages,
        "insurance_plans": practice.insurance_plans,
        "operatories": practice.operatories,
        "patient_recalls": practice.patient_recalls,
        "patients": practice.patients,
        "payment_plans": practice.payment_plans,
        "payment_types": practice.payment_types,
        "payments": practice.payments,
        "procedures": practice.procedures,
        "providers": practice.providers,
        "recall_types": practice.recall_types,
        "treatment_plans": practice.treatment_plans,
        "working_hours": practice.availabilities,
    }
    first: dict[str, list[Known]] = {name: [*table.ids[:2]] for name, table in tables.items()}
    first |= {
        "institutions": [practice.institution_id],
        "locations": [sandbox.location_id],
        "guarantor_balances": [patient_id + 1_000_000_000],
        "insurance_balances": [patient_id + 2_000_000_000],
        "webhook_endpoints": endpoints,
    }
    found: dict[str, dict[str, list[Known]]] = {
        "/onboardings/{hashid}": {"hashid": ["a1b2c3"]},
        "/available_slots": {
            "lids[]": [[sandbox.location_id]],
            "pids[]": [[*practice.providers.ids]],
            "start_date": ["2026-06-01"],
            "days": [2],
        },
    }
    for path in json.loads(DOCUMENT.read_bytes())["paths"]:
        if "{id}" in path:
            found[path] = {"id": first[path.split("/")[1]]}
        if "{alert_id}" in path:
            found[path]["alert_id"] = [alert_id]
        if "{subscription_id}" in path:
            found[path] = {"id": [endpoints[0], endpoints[2]], "subscription_id": subscriptions}
    return found


def hooks(sandbox: Sandbox) -> str:
    """Generated bodies with valid ids and times: only those pass the first check."""
    practice = sandbox.practice
    soon = (sandbox.clock.today() + timedelta(days=3)).replace(microsecond=0)
    values: dict[str, object] = {
        "patient_id": practice.patients.ids[0],
        "provider_id": practice.providers.ids[0],
        "operatory_id": practice.operatories.ids[0],
        "payment_type_id": practice.payment_types.ids[0],
        "adjustment_type_id": practice.adjustment_types.ids[0],
        "document_type_id": practice.document_types.ids[0],
        "new_endpoint_id": sandbox.world.webhook_endpoints.ids[0],
        "phone_number": "2125550123",
        "target_url": "https://example.com/hook",
        "resource_type": "Patient",
        "event": "patient_created",
        "begin_time": "09:00",
        "end_time": "17:00",
        "start_time": soon.isoformat(),
        "charge_splits": {},
        "parent_type": "Institution",
        "transaction_id": "T-1",
        "note": "As agreed",
        "emr_name": "opendental",
        "appointments_per_timeslot": 5,
    }
    dropped = [
        "appointment_type_id",
        "appointment_type_ids",
        "custom_recurrence",
        "specific_date",
        "subdomain",
        "unavailable",
    ]
    later = (soon + timedelta(minutes=30)).isoformat()
    return f"""
import itertools

import schemathesis

COUNTER = itertools.count()

VALUES = {values!r}
DROPPED = {dropped!r}


def mended(body):
    if isinstance(body, list):
        return [mended(one) for one in body]
    if not isinstance(body, dict):
        return body
    found = {{
        name: VALUES.get(name, mended(one)) for name, one in body.items() if name not in DROPPED
    }}
    if "start_time" in found:
        for name in ("patient_id", "provider_id", "operatory_id"):
            found[name] = VALUES[name]
        found["end_time"] = {later!r}
    if "begin_time" in found:
        found["days"] = ["Monday"]
    if "appointment_type" in found:
        found["appointment_type"] = {{
            **(found["appointment_type"] or {{}}),
            "name": f"Type {{next(COUNTER)}}",
            "minutes": 20,
        }}
    if "onboarding" in found:
        found["onboarding"] = {{**(found["onboarding"] or {{}}), "institution_name": "New Dental"}}
    return found


@schemathesis.hook
def map_body(context, body):
    return mended(body)
"""


def settings(sandbox: Sandbox) -> str:
    lines = [
        'hooks = "hooks.py"',
        "[parameters]",
        f'subdomain = "{sandbox.subdomain}"',
        f"location_id = {sandbox.location_id}",
    ]
    names = known_ids(sandbox)
    for path, operations in json.loads(DOCUMENT.read_bytes())["paths"].items():
        for method in operations:
            # What is deleted is another record, or the rest would meet nothing but 404.
            at = 1 if method == "delete" else 0
            known = {f'"{name}"': values[at] for name, values in names.get(path, {}).items()}
            inside = ", ".join(f"{name} = {json.dumps(value)}" for name, value in known.items())
            if inside:
                lines += ["[[operations]]", f'include-name = "{method.upper()} {path}"']
                lines += [f"parameters = {{ {inside} }}"]
    lines += ["[[operations]]", 'include-path = "/authenticates"']
    lines += [f'headers = {{ Authorization = "{sandbox.api_key}" }}']
    return "\n".join(lines) + "\n"


def test_responses_match_the_document_and_none_is_a_500(tmp_path: Path) -> None:
    with running() as (sandbox, token):
        config = tmp_path / "schemathesis.toml"
        config.write_text(settings(sandbox))
        (tmp_path / "hooks.py").write_text(hooks(sandbox))
        ran = subprocess.run(  # noqa: S603 -- our own tool, our own arguments
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
                *("run", str(DOCUMENT), "--url", sandbox.url),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "1"),
                *("--mode", "positive", "--checks", ",".join(CHECKS)),
                *("--generation-deterministic", "--workers", "2", "--continue-on-failure"),
                "--no-color",
                *("-H", f"Authorization: Bearer {token}", "-H", "Nex-Api-Version: v3.0.0"),
                *("-H", "User-Agent: sandbox-tests/1"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
    assert re.search(r"\d+ passed|No issues found", ran.stdout), ran.stdout[-2_000:]
    met: dict[str, set[int]] = {}
    for seen in sandbox.requests:
        if seen.template is not None and seen.status is not None:
            met.setdefault(f"{seen.method} {seen.template}", set()).add(seen.status)
    assert len(met) == 88, sorted(met)
    refused = {n: s for n, s in met.items() if not s & {200, 201, 202, 204}}
    assert refused == {}
