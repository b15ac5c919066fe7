"""The examples and claims of docs/observability.md, executed."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from nexhealth_async import Budget, NexHealth, NotFoundError, Stats, otel
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = Path(__file__).parents[2] / "docs/observability.md"


def blocks() -> list[str]:
    """Return the page's Python blocks."""
    parser = CodeBlockParser("python", evaluator=lambda _: None)
    return [str(example.parsed) for example in Document.parse(str(PAGE), parser).examples()]


def block(mark: str) -> dict[str, Any]:
    """Run the one Python block that contains a mark, and return its names."""
    (code,) = [text for text in blocks() if mark in text]
    names: dict[str, Any] = {"__name__": "observability"}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return names


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=40, seed=1) as sandbox:
        monkeypatch.setenv("NEXHEALTH_API_KEY", sandbox.api_key)
        monkeypatch.setenv("NEXHEALTH_BASE_URL", sandbox.url)
        yield sandbox


async def _one_good_one_bad(nex: NexHealth, sandbox: Sandbox) -> None:
    async with nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        await location.patients.get(sandbox.patients.ids[0])
        with pytest.raises(NotFoundError):
            await location.patients.get(1)


def test_every_python_block_is_run_here() -> None:
    assert len(blocks()) == 7


async def test_a_difference_of_snapshots_has_the_counts_of_a_walk(sandbox: Sandbox) -> None:
    count_patients = block("count_patients")["count_patients"]
    count, text = await count_patients(sandbox.subdomain, sandbox.location_id)
    assert count == 40
    assert text.startswith("2 requests, 0 of them again, 40 records, 0.0 s")


def test_counters_form_a_prometheus_page() -> None:
    stats = Stats(requests=3, waited_rate=0.5)
    stats.operations["GET /patients/{id}"] += 3
    stats.failures["RateLimitError"] += 1
    lines = block("def exposition")["metrics_page"](stats).splitlines()
    assert "nexhealth_requests_total 3" in lines
    assert 'nexhealth_operations_total{operation="GET /patients/{id}"} 3' in lines
    assert 'nexhealth_failures_total{error="RateLimitError"} 1' in lines
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.]+')
    assert all(sample.fullmatch(line) for line in lines if not line.startswith("# TYPE "))


async def test_the_hook_reports_failures(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "clinic.nexhealth"):
        await _one_good_one_bad(block("class SlowAndFailed")["make_session"](), sandbox)
    assert [record.getMessage() for record in caplog.records] == [
        "GET /patients/{id} failed: NotFoundError (404)"
    ]


async def test_logs_are_lines_of_json(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    names = block("class JsonLines")
    with caplog.at_level(logging.INFO, "clinic.nexhealth"):
        await _one_good_one_bad(NexHealth(hooks=[names["Fields"]()]), sandbox)
    lines = [json.loads(names["JsonLines"]().format(record)) for record in caplog.records]
    assert [
        (line["level"], line["operation"], line["status"], line["error"]) for line in lines
    ] == [
        ("INFO", "POST /authenticates", 201, None),
        ("INFO", "GET /patients/{id}", 200, None),
        ("WARNING", "GET /patients/{id}", 404, "NotFoundError"),
    ]


class _Logger:
    """Accepts the calls of structlog's loggers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, **fields: object) -> None:
        self.said.append((event, fields))


async def test_a_logger_with_bound_fields_receives_them(sandbox: Sandbox) -> None:
    logger = _Logger()
    await _one_good_one_bad(NexHealth(hooks=[block("class Bound")["Bound"](logger)]), sandbox)
    assert [(event, fields["status"]) for event, fields in logger.said] == [
        ("nexhealth.attempt", status) for status in (201, 200, 404)
    ]


async def test_a_pull_within_a_budget_continues_later(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    names = block("budget=budget")
    assert await names["pull"](sandbox.subdomain, sandbox.location_id, None) == (40, None)

    def smaller(**limits: Any) -> Budget:
        limits["overall"] = 5
        return Budget(**limits)

    names["Budget"] = smaller
    with caplog.at_level(logging.WARNING, "clinic.nexhealth"):
        first, resume = await names["pull"](sandbox.subdomain, sandbox.location_id, None)
        second, end = await names["pull"](sandbox.subdomain, sandbox.location_id, resume)
    assert (first, second, end) == (20, 20, None)
    assert "5 of 5 requests are used (overall)" in caplog.text


async def test_the_session_has_spans(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    usual = otel.OpenTelemetry.before

    def before(hook: otel.OpenTelemetry, attempt: Any) -> None:
        usual(hook, attempt)
        begun.append(attempt.operation)

    monkeypatch.setattr(otel.OpenTelemetry, "before", before)
    await _one_good_one_bad(block("hooks=[OpenTelemetry()]")["make_session"](), sandbox)
    assert begun == ["POST /authenticates", *["GET /patients/{id}"] * 2]


def test_the_tables_match_the_integration() -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = [
        value
        for name, value in vars(otel).items()
        if re.fullmatch(r"_[A-Z_]+", name) and isinstance(value, str) and "." in value
    ]
    assert len(names) > 12
    assert not [name for name in names if f"`{name}`" not in page]
