"""Outputs that may show a call's data unasked; each is passed to the scanner."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import warnings
from asyncio import constants
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nexhealth_async import Attempt, AttemptOutcome, Hook
from nexhealth_async._client.hooks import Hooks
from nexhealth_async._client.state import ClientState
from nexhealth_async.otel import OpenTelemetry
from tests.privacy.sentinel_server import SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from tests.privacy.sentinel_search import SentinelScanner

__all__ = ["SURFACES", "under_watch"]

_SPEAKERS = ("aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio", "nexhealth_async")


class _LogCapture(logging.Handler):
    """Passes log records to a scanner, except those of the server's thread."""

    def __init__(self, watch: SentinelScanner) -> None:
        super().__init__(logging.NOTSET)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        if record.threadName == SERVER:
            return
        where = f"log of {record.name}"
        self._watch.text(where, record.getMessage())
        self._watch.text(where, repr({**vars(record), "exc_info": None}))
        if record.exc_info and (error := record.exc_info[1]) is not None:
            if record.name == "asyncio" and record.levelno == logging.DEBUG:
                # In debug mode asyncio logs a failed write with its own frame, whose variables
                # hold the bytes. No frame of the library is in it, so only the text is checked.
                self._watch.text(where, repr(error))
            else:
                self._watch.error(error)


@contextmanager
def _logs(watch: SentinelScanner) -> Generator[None]:
    ear, root = _LogCapture(watch), logging.getLogger()
    loggers = [root, *map(logging.getLogger, _SPEAKERS)]
    levels, usual = [logger.level for logger in loggers], root.handlers
    # Instead of pytest's own, which would keep and format some hundred thousand records.
    root.handlers = [ear]
    for one in loggers:
        one.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.handlers = usual
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


@contextmanager
def _warnings(watch: SentinelScanner) -> Generator[None]:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    for one in heard:
        watch.text("warning", f"{one.message} {one.message!r} {one.filename} {one.line}")


@contextmanager
def _streams(watch: SentinelScanner) -> Generator[None]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        yield
    watch.text("stdout", out.getvalue())
    watch.text("stderr", err.getvalue())


@contextmanager
def _asyncio_debug(watch: SentinelScanner) -> Generator[None]:
    """Asyncio's debug mode, in which every callback counts as slow and is logged."""
    loop = asyncio.get_running_loop()

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        watch.text("asyncio's exception handler", repr(context))
        if isinstance(error := context.get("exception"), BaseException):
            watch.error(error)

    patch = pytest.MonkeyPatch()
    patch.setattr(constants, "DEBUG_STACK_DEPTH", 1)  # a stack for each callback takes long
    before = loop.get_debug(), loop.slow_callback_duration, loop.get_exception_handler()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    loop.set_exception_handler(handle)
    try:
        yield
        for task in asyncio.all_tasks():
            watch.text("repr of a task", repr(task))
    finally:
        patch.undo()
        loop.set_debug(before[0])
        loop.slow_callback_duration = before[1]
        loop.set_exception_handler(before[2])


@contextmanager
def _unraisable(watch: SentinelScanner) -> Generator[None]:
    def hook(heard: Any) -> None:
        watch.text("unraisable", f"{heard.err_msg} {heard.object!r}")
        if heard.exc_value is not None:
            watch.error(heard.exc_value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", hook)
        yield


class _HookCapture(Hook):
    """Passes everything that hooks receive to a scanner."""

    def __init__(self, watch: SentinelScanner) -> None:
        self._watch = watch

    def before(self, attempt: Attempt, /) -> None:
        self._look(attempt)

    def after(self, outcome: AttemptOutcome, /) -> None:
        self._look(outcome)

    def _look(self, news: Attempt | AttemptOutcome) -> None:
        self._watch.text("what hooks are told", f"{news!r} {attrs.asdict(news)}")


@contextmanager
def _hooks(watch: SentinelScanner) -> Generator[None]:
    """A hook, and OpenTelemetry, for every session, also for existing ones."""
    spans, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([metrics], resource=Resource({}), shutdown_on_exit=False)
    telemetry = OpenTelemetry(tracer_provider=tracers, meter_provider=meters, practice=True)
    hooks = Hooks([_HookCapture(watch), telemetry])

    def watched(_: ClientState) -> Hooks:
        return hooks

    def keep_watched(_: ClientState, given: Hooks | None) -> None:
        """Do not add another."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientState, "hooks", property(watched, keep_watched))
        yield
    for span in spans.get_finished_spans():
        watch.text("span", span.to_json())
    if (measured := metrics.get_metrics_data()) is not None:
        watch.text("metrics", measured.to_json())
    tracers.shutdown()
    meters.shutdown()


SURFACES: dict[str, Callable[[SentinelScanner], AbstractContextManager[None]]] = {
    "logs": _logs,
    "warnings": _warnings,
    "streams": _streams,
    "asyncio": _asyncio_debug,
    "unraisable": _unraisable,
    "hooks": _hooks,
}


@contextmanager
def under_watch(watch: SentinelScanner, doing: str) -> Generator[None]:
    """Let a scanner look at every surface during the block."""
    watch.doing = doing
    with ExitStack() as stack:
        for surface in SURFACES.values():
            stack.enter_context(surface(watch))
        yield
