"""OpenTelemetry: a span for each attempt of a call, and histograms of requests and waits.

Needs the extra ``otel``, which installs only the OpenTelemetry API; the application must set up an
SDK.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nexhealth_async._client.hooks import Hook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from nexhealth_async._client.hooks import Attempt, AttemptOutcome, WaitCause

__all__ = ["OpenTelemetry"]

_SCOPE = "nexhealth_async"

# Stable names of the semantic conventions for HTTP.
_METHOD = "http.request.method"
_URL = "url.full"
_HOST = "server.address"
_PORT = "server.port"
_STATUS = "http.response.status_code"
_ERROR = "error.type"
_RESENT = "http.request.resend_count"
_DURATION = "http.client.request.duration"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Buckets that the conventions recommend for the duration."""

# Names of this library.
_OPERATION = "nexhealth.operation"
_RATE_CLASS = "nexhealth.rate_class"
_VERSION = "nexhealth.api_version"
_PRACTICE = "nexhealth.subdomain"
_RECORDS = "nexhealth.records"
_BYTES = "nexhealth.bytes_received"
_WAIT = "nexhealth.client.wait.duration"
_CAUSE = "nexhealth.wait.cause"
_WAIT_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_FIRST_ERROR = 400


class OpenTelemetry(Hook):
    """Hook for spans and metrics of all attempts: ``NexHealth(..., hooks=[OpenTelemetry()])``.

    **Spans**: one of kind CLIENT for each attempt, logins included, named by method and path
    template (``GET /patients/{id}``). The parent is the current span of the call; for a prefetched
    page, of the walk that requested it; for a login, of the call that started it.

    **Metrics**: ``http.client.request.duration`` in seconds, and ``nexhealth.client.wait.duration``
    in seconds with the ``nexhealth.wait.cause`` ``login``, ``rate`` or ``retry``, for attempts that
    waited. Both have the operation as an attribute.

    Neither holds personal data: ``url.full`` has the path template without ids and query; bodies,
    headers, keys and error texts are left out. Requests carry no trace headers.

    Args:
        tracer_provider: Provider for spans; by default the global one.
        meter_provider: Provider for metrics; by default the global one.
        practice: True to add the practice's subdomain to spans; it may name a customer.

    Raises:
        ImportError: The extra is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        practice: bool = False,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise ImportError(
                'OpenTelemetry is not installed: python -m pip install "nexhealth-async[otel]"'
            ) from None
        self._practice = practice
        self._client = trace.SpanKind.CLIENT
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._duration = meter.create_histogram(
            _DURATION,
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._wait = meter.create_histogram(
            _WAIT,
            unit="s",
            description="Time a request waited before it was sent, by cause.",
            explicit_bucket_boundaries_advisory=_WAIT_SECONDS,
        )
        self._spans: dict[Attempt, Span] = {}

    def before(self, attempt: Attempt, /) -> None:
        """Start a span, and record the waits of the request."""
        seconds: Mapping[WaitCause, float] = {
            "login": attempt.waited_login,
            "rate": attempt.waited_rate,
            "retry": attempt.waited_retry,
        }
        for cause in attempt.waited_for:
            self._wait.record(seconds[cause], {_CAUSE: cause, _OPERATION: attempt.operation})
        self._spans[attempt] = self._tracer.start_span(
            attempt.operation, kind=self._client, attributes=self._attributes(attempt)
        )

    def after(self, outcome: AttemptOutcome, /) -> None:
        """End the span, and record the duration of the request."""
        attempt, attributes = outcome.attempt, _response_attributes(outcome)
        span = self._spans.pop(attempt)
        self._duration.record(
            outcome.seconds,
            {**_request_attributes(attempt), **attributes, _OPERATION: attempt.operation},
        )
        span.set_attributes(attributes)
        if outcome.records is not None:
            span.set_attribute(_RECORDS, outcome.records)
        if outcome.bytes_received is not None:
            span.set_attribute(_BYTES, outcome.bytes_received)
        if outcome.error is not None:
            span.set_status(self._failed)
        span.end()

    def _attributes(self, attempt: Attempt) -> Mapping[str, str | int]:
        attributes: dict[str, str | int] = {
            **_request_attributes(attempt),
            _URL: attempt.base_url + attempt.path,
            _RATE_CLASS: attempt.rate_class,
            _VERSION: attempt.version,
        }
        if attempt.number > 1:
            attributes[_RESENT] = attempt.number - 1
        if self._practice and attempt.subdomain is not None:
            attributes[_PRACTICE] = attempt.subdomain
        return attributes


def _request_attributes(attempt: Attempt) -> dict[str, str | int]:
    host, port = _address(attempt.base_url)
    return {_METHOD: attempt.method, _HOST: host, _PORT: port}


def _response_attributes(outcome: AttemptOutcome) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {}
    status, error = outcome.status, outcome.error
    if status is not None:
        attributes[_STATUS] = status
    if error is not None:
        attributes[_ERROR] = error if status is None or status < _FIRST_ERROR else str(status)
    return attributes


@lru_cache(maxsize=16)
def _address(base_url: str) -> tuple[str, int]:
    parts = urlsplit(base_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
