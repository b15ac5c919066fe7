"""Spans and metrics follow the semantic conventions and contain nothing personal."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    server_attributes,
    url_attributes,
)
from opentelemetry.semconv.metrics import http_metrics
from opentelemetry.trace import SpanKind, StatusCode

from nexhealth_async import Limit, NotFoundError, Rates, otel
from nexhealth_async.otel import OpenTelemetry
from tests.session.transport_error_helpers import SENTINEL, LoopClock, scene

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

    from tests.conftest import MovableLoop


@define(eq=False)
class Telemetry:
    """An SDK that keeps everything in memory."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracers: TracerProvider
    meters: MeterProvider

    def hook(self, **options: Any) -> OpenTelemetry:
        return OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def tracer(self) -> Tracer:
        return self.tracers.get_tracer("an application")

    @property
    def attempts(self) -> list[ReadableSpan]:
        """The library's spans but those of logins."""
        return [
            span
            for span in self.spans.get_finished_spans()
            if span.kind is SpanKind.CLIENT and "authenticates" not in span.name
        ]

    @property
    def attributes(self) -> list[dict[str, Any]]:
        """The spans of the attempts."""
        return [dict(span.attributes or {}) for span in self.attempts]

    def points(self, name: str) -> list[dict[str, Any]]:
        """The points of a histogram, as the SDK exports them."""
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        resources = json.loads(data.to_json())["resource_metrics"]
        return [
            point
            for resource in resources
            for scope in resource["scope_metrics"]
            for metric in scope["metrics"]
            for point in metric["data"]["data_points"]
            if metric["name"] == name
        ]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    yield Telemetry(spans=spans, reader=reader, tracers=tracers, meters=meters)
    tracers.shutdown()
    meters.shutdown()


def test_the_names_follow_the_stable_conventions() -> None:
    assert otel._METHOD == http_attributes.HTTP_REQUEST_METHOD
    assert otel._STATUS == http_attributes.HTTP_RESPONSE_STATUS_CODE
    assert otel._RESENT == http_attributes.HTTP_REQUEST_RESEND_COUNT
    assert otel._URL == url_attributes.URL_FULL
    assert otel._HOST == server_attributes.SERVER_ADDRESS
    assert otel._PORT == server_attributes.SERVER_PORT
    assert otel._ERROR == error_attributes.ERROR_TYPE
    assert otel._DURATION == http_metrics.HTTP_CLIENT_REQUEST_DURATION


async def test_an_attempt_is_a_span_named_by_verb_and_template(telemetry: Telemetry) -> None:
    async with scene(hooks=[telemetry.hook()]) as at:
        await at.location.patients.get(at.sandbox.patients.ids[0])
        login, span = telemetry.spans.get_finished_spans()
        assert (login.name, login.kind) == ("POST /authenticates", SpanKind.CLIENT)
        assert (span.name, span.kind) == ("GET /patients/{id}", SpanKind.CLIENT)
        assert span.status.status_code is StatusCode.UNSET
        host, _, port = at.sandbox.url.removeprefix("http://").partition(":")
        attributes = dict(span.attributes or {})
        assert int(str(attributes.pop("nexhealth.bytes_received"))) > 100
        assert attributes == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "server.address": host,
            "server.port": int(port),
            "url.full": f"{at.sandbox.url}/patients/{{id}}",
            "nexhealth.rate_class": "people",
            "nexhealth.api_version": "v2",
        }


async def test_retries_are_separate_spans_with_the_failure(telemetry: Telemetry) -> None:
    async with scene(hooks=[telemetry.hook()]) as at:
        at.sandbox.fail_next(503)
        at.sandbox.drop_next()
        at.sandbox.garbage_next()
        await at.works()
        attributes = telemetry.attributes
        assert [attribute.get("error.type") for attribute in attributes] == [
            "503",
            "ConnectionLostError",
            "MalformedBodyError",
            None,
        ]
        assert [attribute.get("http.request.resend_count") for attribute in attributes] == [
            None,
            1,
            2,
            3,
        ]
        assert [attribute.get("http.response.status_code") for attribute in attributes] == [
            503,
            None,
            200,
            200,
        ]
        assert [span.status.status_code for span in telemetry.attempts] == [
            *[StatusCode.ERROR] * 3,
            StatusCode.UNSET,
        ]
        assert all(span.status.description is None for span in telemetry.attempts)
        assert not any(span.events for span in telemetry.attempts)


@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_pages_and_logins_belong_to_the_callers_span(
    telemetry: Telemetry, prefetch: int
) -> None:
    async with scene(patients=25, hooks=[telemetry.hook()]) as at:
        with telemetry.tracer.start_as_current_span("a request of the application") as mine:
            walk = at.location.patients.walk(per_page=5, new_patient=None, prefetch=prefetch)
            assert len([one async for one in walk]) == 25
        spans = telemetry.spans.get_finished_spans()[:-1]
        assert len(spans) == 6
        assert {span.parent.span_id for span in spans if span.parent} == {
            mine.get_span_context().span_id
        }
        assert [about["nexhealth.records"] for about in telemetry.attributes] == [5] * 5


async def test_concurrent_callers_have_separate_spans(telemetry: Telemetry) -> None:
    async with scene(hooks=[telemetry.hook()]) as at:
        await at.nex.log_in()

        async def ask(name: str) -> int:
            with telemetry.tracer.start_as_current_span(name) as span:
                await at.works()
                return span.get_span_context().span_id

        parents = await asyncio.gather(ask("one"), ask("two"))
        found = [span.parent.span_id for span in telemetry.attempts if span.parent]
        assert sorted(found) == sorted(parents)


async def test_a_cancelled_call_leaves_no_span_open(telemetry: Telemetry) -> None:
    hook = telemetry.hook()
    async with scene(hooks=[hook]) as at:
        at.sandbox.hang_next()
        task = asyncio.create_task(at.works())
        while at.sent == 0:
            await asyncio.sleep(0.001)
        assert len(hook._spans) == 1
        task.cancel()
        await asyncio.wait([task])
        assert not hook._spans
        (span,) = telemetry.attempts
        assert dict(span.attributes or {})["error.type"] == "CancelledError"


async def test_the_duration_is_a_histogram_with_the_advised_bounds(telemetry: Telemetry) -> None:
    async with scene(hooks=[telemetry.hook()]) as at:
        await at.works()
        await at.works()
        with pytest.raises(NotFoundError):
            await at.location.patients.get(1)
        points = {
            point["attributes"]["nexhealth.operation"]: point
            for point in telemetry.points("http.client.request.duration")
        }
        assert {name: point["count"] for name, point in points.items()} == {
            "POST /authenticates": 1,
            "GET /patients": 2,
            "GET /patients/{id}": 1,
        }
        point = points["GET /patients/{id}"]
        assert tuple(point["explicit_bounds"]) == otel._SECONDS
        about = point["attributes"]
        assert about["http.response.status_code"] == 404
        assert about["error.type"] == "404"
        assert set(about) == {
            "error.type",
            "http.request.method",
            "http.response.status_code",
            "nexhealth.operation",
            "server.address",
            "server.port",
        }


async def test_waits_are_recorded_by_cause(telemetry: Telemetry, loop: MovableLoop) -> None:
    loop.skip_waits, loop.io_wait = True, 0.01
    rates = Rates(overall=None, slow=None, people=Limit(1, 10.0), other=None)
    async with scene(hooks=[telemetry.hook()], rates=rates, clock=LoopClock(), timeout=None) as at:
        await at.works()
        await at.works()
        points = {
            point["attributes"]["nexhealth.wait.cause"]: point
            for point in telemetry.points("nexhealth.client.wait.duration")
        }
        assert 5 < points["rate"]["sum"] < 10.5
        assert "retry" not in points
        assert points["login"]["count"] == 1


async def test_a_very_short_wait_is_recorded(
    telemetry: Telemetry, loop: MovableLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = loop.time()
    monkeypatch.setattr(loop, "time", lambda: moment)
    async with scene(hooks=[telemetry.hook()], timeout=None) as at:
        await at.works()
        await at.works()
        [point] = telemetry.points("nexhealth.client.wait.duration")
        assert point["attributes"]["nexhealth.wait.cause"] == "login"
        assert (point["count"], point["sum"]) == (1, 0)


async def test_the_practice_is_recorded_on_request_only(telemetry: Telemetry) -> None:
    for practice in (False, True):
        telemetry.spans.clear()
        async with scene(hooks=[telemetry.hook(practice=practice)]) as at:
            await at.works()
            (span,) = telemetry.attempts
            shown = dict(span.attributes or {}).get("nexhealth.subdomain")
            assert shown == (at.sandbox.subdomain if practice else None)
            assert practice or at.sandbox.subdomain not in span.to_json()


async def test_spans_contain_neither_query_nor_identifier(telemetry: Telemetry) -> None:
    async with scene(hooks=[telemetry.hook()]) as at:
        assert await at.names() == []
        await at.location.patients.get(at.sandbox.patients.ids[3])
        shown = "".join(span.to_json() for span in telemetry.spans.get_finished_spans())
        assert SENTINEL not in shown
        assert str(at.sandbox.patients.ids[3]) not in shown
        assert "?" not in shown
        assert at.sandbox.api_key not in shown


async def test_nothing_is_added_to_the_request(telemetry: Telemetry) -> None:
    async with scene(hooks=[telemetry.hook()]) as at:
        with telemetry.tracer.start_as_current_span("mine"):
            await at.works()
        names = {name.lower() for request in at.sandbox.requests for name in request.headers}
        assert not {"traceparent", "tracestate", "baggage"} & names


async def test_without_an_sdk_calls_work_and_nothing_is_recorded() -> None:
    hook = OpenTelemetry()
    async with scene(hooks=[hook]) as at:
        await at.works()
    assert not hook._spans


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("https://nexhealth.info", ("nexhealth.info", 443)),
        ("http://127.0.0.1:8080/api", ("127.0.0.1", 8080)),
        ("http://localhost", ("localhost", 80)),
        ("http://[::1]:99", ("::1", 99)),
    ],
)
def test_the_address_is_the_servers(base_url: str, address: tuple[str, int]) -> None:
    assert otel._address(base_url) == address


def test_without_the_extra_the_error_names_it() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from nexhealth_async.otel import OpenTelemetry
try:
    OpenTelemetry()
except ImportError as error:
    print(error, error.__suppress_context__)
"""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        'OpenTelemetry is not installed: python -m pip install "nexhealth-async[otel]" True\n'
    )
