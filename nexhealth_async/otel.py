"""OpenTelemetry: a span for each attempt of a call, and histograms of requests and waits.

Needs the extra ``otel``, which brings the API alone; spans go nowhere until the application sets
up an SDK.
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

# Names that the semantic conventions for HTTP call stable.
_METHOD = "http.request.method"
_URL = "url.full"
_HOST = "server.address"
_PORT = "server.port"
_STATUS = "http.response.status_code"
_ERROR = "error.type"
_RESENT = "http.request.resend_count"
_DURATION = "http.client.request.duration"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds the conventions advise for that."""

# Names of our own.
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
    """Spans and metrics of every attempt: ``NexHealth(..., hooks=[OpenTelemetry()])``.

    **Spans**: one of kind CLIENT for each attempt, logins included, named by verb and path template
    (``GET /patients/{id}``). Its parent is whatever span was current where the call was made; for a
    page fetched ahead, where the walk asked for it; for a login, at the call that began it.

    **Metrics**: ``http.client.request.duration`` in seconds, and ``nexhealth.client.wait.duration``
    with the ``nexhealth.wait.cause`` ``login``, ``rate`` or ``retry``, for attempts that waited.
    Both name the operation.

    Nothing personal is in either: ``url.full`` is the address of the template, since a query may
    name a patient and an identifier stands for one; no body, header, key or error text. Nothing is
    added to the request either, so no trace identifiers reach the vendor.

    Args:
        tracer_provider: Whom to give spans; without it the application's global one.
        meter_provider: Whom to give metrics; likewise.
        practice: True notes the practice's subdomain on spans: it may name a customer of yours.

    Raises `ImportError` without the extra.
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
        """Begin a span, and record what the request waited for."""
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
        """End the span, and record how long the request took."""
        attempt, answer = outcome.attempt, _answer(outcome)
        span = self._spans.pop(attempt)
        self._duration.record(
            outcome.seconds, {**_request(attempt), **answer, _OPERATION: attempt.operation}
        )
        span.set_attributes(answer)
        if outcome.records is not None:
            span.set_attribute(_RECORDS, outcome.records)
        if outcome.bytes_received is not None:
            span.set_attribute(_BYTES, outcome.bytes_received)
        if outcome.error is not None:
            span.set_status(self._failed)
        span.end()

    def _attributes(self, attempt: Attempt) -> Mapping[str, str | int]:
        about: dict[str, str | int] = {
            **_request(attempt),
            _URL: attempt.base_url + attempt.path,
            _RATE_CLASS: attempt.rate_class,
            _VERSION: attempt.version,
        }
        if attempt.number > 1:
            about[_RESENT] = attempt.number - 1
        if self._practice and attempt.subdomain is not None:
            about[_PRACTICE] = attempt.subdomain
        return about


def _request(attempt: Attempt) -> dict[str, str | int]:
    host, port = _address(attempt.base_url)
    return {_METHOD: attempt.method, _HOST: host, _PORT: port}


def _answer(outcome: AttemptOutcome) -> dict[str, str | int]:
    answer: dict[str, str | int] = {}
    status, error = outcome.status, outcome.error
    if status is not None:
        answer[_STATUS] = status
    if error is not None:
        answer[_ERROR] = error if status is None or status < _FIRST_ERROR else str(status)
    return answer


@lru_cache(maxsize=16)
def _address(base_url: str) -> tuple[str, int]:
    parts = urlsplit(base_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
