"""A sandbox in a thread whose responses are full of sentinels: every text, header, cookie.

A separate thread and loop keep the server's logs and callbacks apart from the client's.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import attrs
import pytest
from attrs import define

from nexhealth_async import models
from nexhealth_async._protocol.operations import OperationSpec
from nexhealth_async.codec import resolve_annotations
from nexhealth_async.models import Record
from nexhealth_async.resources import ENDPOINTS
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.auth import KeyRing
from nexhealth_async.sandbox.server import RequestHandler
from tests.event_loops import end_tasks
from tests.privacy.sentinels import BORN, PHONE, Sentinels

__all__ = ["SERVER", "PrivacyServer", "reply_headers", "text_fields"]

T = TypeVar("T")

SERVER = "sentinel server"
"""Name of its thread."""
_CONTINUED_PATHS = {"id", "subdomain", "url"}
"""Texts that later calls send, and that must not be replaced."""
_SHOWN = {
    *(
        f"{model}.name"
        for model in (
            "AdjustmentType",
            "AppointmentType",
            "DocumentType",
            "Emr",
            "FeeSchedule",
            "Institution",
            "Location",
            "Operatory",
            "PaymentType",
            "RecallType",
            "Specialty",
            "WorkingHoursLabel",
        )
    ),
    # What a listing of practices is there to show: `NexHealth.practices`.
    "Location.institution_name",
    "Location.tz",
    # Codes and words of the API's own.
    "CustomRecurrence.unit",
    "FeeScheduleProcedure.code",
    "Money.currency",
    "Onboarding.status",
    "SyncStatus.read_status",
    "SyncStatus.write_status",
    "WebhookSubscription.event",
    "WebhookSubscription.resource_type",
}
"""Non-personal texts that are shown on purpose; every other one must be added here."""
_PLACE = re.compile(r"\{\w+\}")
_DEEPEST = 2
_PLAIN: dict[object, object] = {
    int: 5,
    float: 5.5,
    bool: True,
    datetime: "1911-11-11T11:11:11Z",
    date: BORN.isoformat(),
    Decimal: "1911.11",
}


def reply_headers(marks: Sentinels) -> dict[str, str]:
    return {
        "X-Sentinel": marks.sent("header"),
        "Set-Cookie": f"sentinel={marks.sent('cookie')}; Path=/",
    }


def _kinds(kind: object) -> list[object]:
    """Return the types of a field, without ``None`` and ``Annotated``."""
    if get_origin(kind) is Annotated:
        return _kinds(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        return [one for part in get_args(kind) for one in _kinds(part)]
    return [] if kind is NoneType else [kind]


def text_fields(model: type) -> list[str]:
    """Return the text fields of a model."""
    resolve_annotations(model)
    return [
        f"{model.__name__}.{one.name}"
        for one in attrs.fields(cast("type[attrs.AttrsInstance]", model))
        if _kinds(one.type)[0] is str and _is_private(model, one.name)
    ]


def _is_private(model: type, field: str) -> bool:
    return field not in _CONTINUED_PATHS and f"{model.__name__}.{field}" not in _SHOWN


@define
class _SentinelFiller:
    """Fills records with sentinels, one for each field of each model."""

    marks: Sentinels

    def fill(self, model: type, record: dict[str, Any], depth: int = 0) -> dict[str, Any]:
        """Return a record with every field of its model; its texts are sentinels."""
        resolve_annotations(model)
        done = dict(record)
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", model)):
            name, kind = field.name, _kinds(field.type)[0]
            there = record.get(name)
            required = field.default is attrs.NOTHING
            if name == "date_of_birth":
                done[name] = BORN.isoformat()
            elif kind is str:
                if _is_private(model, name):
                    done[name] = self.marks.sent(f"{model.__name__}.{name}")
                elif name not in _CONTINUED_PATHS:
                    done[name] = "invented"
            elif there is None and (required or depth < _DEEPEST) and kind in _PLAIN:
                done[name] = _PLAIN[kind] if required else None
            elif kind not in _PLAIN and (required or depth < _DEEPEST):
                done[name] = self._part(kind, f"{model.__name__}.{name}", there, depth)
        return done

    def _part(self, kind: object, what: str, there: object, depth: int) -> object:
        if get_origin(kind) is dict:
            mark = self.marks.sent(what)
            return {mark: mark}
        if get_origin(kind) is tuple:
            inner = _kinds(get_args(kind)[0])[0]
            if inner is str:
                return [self.marks.sent(what)]
            if not (isinstance(inner, type) and issubclass(inner, Record)):
                return there
            old = cast("list[dict[str, Any]]", there or [{}])
            return [self.fill(inner, one, depth + 1) for one in old]
        if isinstance(kind, type) and issubclass(kind, Record):
            old_part = cast("dict[str, Any]", there) if isinstance(there, dict) else {}
            return self.fill(kind, old_part, depth + 1)
        return there

    def envelope(self, model: type, row: OperationSpec, data: object) -> object:
        """Fill the records in the data of a response."""
        if isinstance(data, dict):
            fields = cast("dict[str, Any]", data)
            for key in (*row.payload, row.path.rsplit("/", 1)[-1]):
                if key in fields:
                    return {**fields, key: self.envelope(model, row, fields[key])}
            return self.fill(model, fields)
        if not isinstance(data, list):
            return data
        rows = cast("list[dict[str, Any]]", data)
        if row.inner is None:
            return [self.fill(model, one) for one in rows]
        return [
            {
                **group,
                row.inner: [self.fill(model, one) for one in group[row.inner]],
            }
            for group in rows
        ]


def _nameless(method: str, path: str, version: str) -> tuple[str, str, str]:
    return method, _PLACE.sub("{}", path), version


_MODELS: dict[tuple[str, str, str], tuple[type, OperationSpec]] = {
    _nameless(row.method, row.path, version): (getattr(models, endpoint.model), row)
    for endpoint in ENDPOINTS
    for version, row in (("v2", endpoint.v2), ("v3", endpoint.v3))
    if row is not None and endpoint.model is not None
}


class PrivacyServer:
    """A running sandbox, and its thread."""

    person: int
    """The patient with the sentinels."""
    document: int
    """A document of that patient."""

    def __init__(self, sandbox: Sandbox, marks: Sentinels) -> None:
        self.sandbox = sandbox
        self.marks = marks
        self._loop = asyncio.new_event_loop()
        self.marks.know("secret", "API key", sandbox.api_key)

    def do(self, act: Callable[[], T]) -> T:
        """Run a function in the server's thread, where its event loop runs."""

        async def done() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    async def listen(self) -> None:
        """Accept connections again."""
        again = asyncio.run_coroutine_threadsafe(self.sandbox.accept_connections(), self._loop)
        await asyncio.wrap_future(again)

    @classmethod
    @contextmanager
    def opened(cls, marks: Sentinels) -> Generator[PrivacyServer]:
        """Serve, with one patient at the end who has the sentinels that filters search for."""
        sandbox = Sandbox(patients=6, seed=4)
        privacy_server = cls(sandbox, marks)
        person = sandbox.patients.insert(
            first_name=marks.given("first name"),
            last_name=marks.given("last name"),
            name=marks.given("name"),
            email=marks.given("email"),
            bio={"date_of_birth": BORN.isoformat(), "phone_number": PHONE, "new_patient": False},
        )
        document = sandbox.practice.documents.add({"patient_id": person, "type": "text/plain"})
        sandbox.practice.documents.update(document, url=f"/documents/{document}/download")
        sandbox.practice.document_bytes[document] = marks.sent("document").encode()
        privacy_server.person, privacy_server.document = person, document
        thread = threading.Thread(target=privacy_server._loop.run_forever, name=SERVER)
        thread.start()
        try:
            with pytest.MonkeyPatch.context() as patch:
                privacy_server._patch_handlers(patch)
                asyncio.run_coroutine_threadsafe(sandbox.start(), privacy_server._loop).result(10)
                try:
                    yield privacy_server
                finally:
                    asyncio.run_coroutine_threadsafe(sandbox.stop(), privacy_server._loop).result(
                        10
                    )
        finally:
            asyncio.run_coroutine_threadsafe(end_tasks(), privacy_server._loop).result(10)
            privacy_server._loop.call_soon_threadsafe(privacy_server._loop.stop)
            thread.join()
            privacy_server._loop.close()

    def _patch_handlers(self, patch: pytest.MonkeyPatch) -> None:
        marks, scribe = self.marks, _SentinelFiller(self.marks)
        respond, login = RequestHandler._respond, KeyRing.login

        def marked(
            server: RequestHandler, status: int, envelope: dict[str, Any], found: Any
        ) -> Any:
            route = found.route
            key = _nameless(route.method, route.path, found.version) if route else None
            if key in _MODELS and envelope["data"] is not None and status < 300:
                model, row = _MODELS[key]
                envelope = {**envelope, "data": scribe.envelope(model, row, envelope["data"])}
            reply = respond(server, status, envelope, found)
            reply.headers.update(reply_headers(marks))
            return reply

        def known(keys: KeyRing, authorization: str | None) -> str | None:
            token = login(keys, authorization)
            if token is not None:
                marks.know_token(token)
            return token

        patch.setattr(RequestHandler, "_respond", marked)
        patch.setattr(KeyRing, "login", known)
