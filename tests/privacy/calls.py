"""Calls of every kind, with sentinels in all arguments."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from nexhealth_async import NexHealth, NotFoundError, RetryPolicy
from nexhealth_async.models import Document
from tests.privacy.sentinels import BORN, PHONE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from nexhealth_async import LocationScope
    from tests.privacy.sentinel_search import SentinelScanner
    from tests.privacy.sentinel_server import PrivacyServer
    from tests.privacy.sentinels import Sentinels

__all__ = ["ACTS", "ActContext", "PrivacyAct", "open_context"]

RETRY = RetryPolicy(attempts=2, base_delay=0.0, max_retry_after=0.0, attempt_timeout=2.0)


@define(kw_only=True)
class ActContext:
    """A session on a location, with a scanner."""

    privacy_server: PrivacyServer
    nex: NexHealth
    watch: SentinelScanner
    folder: Path

    @property
    def marks(self) -> Sentinels:
        return self.privacy_server.marks

    @property
    def scope(self) -> LocationScope:
        sandbox = self.privacy_server.sandbox
        return self.nex.practice(sandbox.subdomain).location(sandbox.location_id)

    @property
    def person(self) -> dict[str, Any]:
        sent = self.marks.given
        return {
            "provider_id": self.privacy_server.sandbox.providers.ids[0],
            "first_name": sent("first name"),
            "last_name": sent("last name"),
            "email": sent("email"),
            "bio": {"date_of_birth": BORN, "phone_number": PHONE, "gender": sent("gender")},
        }

    @property
    def filters(self) -> dict[str, Any]:
        return {
            "name": self.marks.given("name"),
            "email": self.marks.given("email"),
            "phone_number": PHONE,
            "date_of_birth": BORN,
            "new_patient": None,
        }


@asynccontextmanager
async def open_context(
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    folder: Path,
    *,
    retry: RetryPolicy = RETRY,
    **options: Any,
) -> AsyncGenerator[ActContext]:
    sent: dict[str, Any] = {
        "api_key": privacy_server.sandbox.api_key,
        "base_url": privacy_server.sandbox.url,
        "timeout": 5.0,
        **options,
    }
    async with NexHealth(retry=retry, **sent) as nex:
        watch.thing(nex)
        yield ActContext(privacy_server=privacy_server, nex=nex, watch=watch, folder=folder)
        shared = nex._client.state
        for one in (
            shared.token_manager,
            shared.rate_limiter,
            shared.transport,
            nex._client.options,
        ):
            watch.thing(one)


async def _list(at: ActContext) -> None:
    walk = at.scope.patients.walk(**at.filters)
    at.watch.thing(walk)
    async for one in walk:
        at.watch.thing(one)
    at.watch.thing(walk)


async def _list_ahead(at: ActContext) -> None:
    async for patient in at.scope.patients.walk(new_patient=None, per_page=2, prefetch=3):
        at.watch.thing(patient)
        at.watch.text("repr of a task", " ".join(map(repr, asyncio.all_tasks())))


async def _pages(at: ActContext) -> None:
    pages = at.scope.patients.walk(**at.filters).pages()
    async for page in pages:
        at.watch.thing([pages, page, *page.items])


async def _raw(at: ActContext) -> None:
    async for _ in at.scope.patients.walk(**at.filters).raw():
        pass
    async for page in at.scope.patients.walk(**at.filters).raw().pages():
        at.watch.thing(page)


async def _raw_json(at: ActContext) -> None:
    async for page in at.scope.patients.walk(**at.filters).raw_json().pages():
        at.watch.thing(page)


async def _record(at: ActContext) -> None:
    at.watch.thing(await at.scope.patients.get(at.privacy_server.person))


async def _create(at: ActContext) -> None:
    at.watch.thing(await at.scope.patients.create(**at.person))


async def _find(at: ActContext) -> None:
    at.watch.thing(await at.scope.patients.find_or_create(**at.person))


async def _book(at: ActContext) -> None:
    sandbox = at.privacy_server.sandbox
    start = datetime.now(UTC) + timedelta(days=400)
    made = await at.scope.appointments.create(
        patient_id=at.privacy_server.person,
        provider_id=sandbox.providers.ids[0],
        operatory_id=sandbox.operatories.ids[0],
        start_time=start,
        end_time=start + timedelta(minutes=30),
        note=at.marks.given("note"),
    )
    at.watch.thing(made)


async def _update(at: ActContext) -> None:
    kind = at.privacy_server.sandbox.appointment_types.ids[0]
    at.watch.thing(await at.scope.appointment_types.update(kind, name=at.marks.given("new name")))


async def _delete(at: ActContext) -> None:
    await at.scope.appointment_types.delete(at.privacy_server.sandbox.appointment_types.ids[-1])


async def _upload(at: ActContext) -> None:
    made = await at.scope.patients.documents.create(
        at.privacy_server.person,
        file=at.marks.given("content").encode() * 3,
        filename=f"{at.marks.given('file name')}.txt",
    )
    at.watch.thing(made)


async def _upload_path(at: ActContext) -> None:
    path = at.folder / f"{at.marks.given('path')}.txt"
    path.write_bytes(at.marks.given("content").encode() * 3)
    at.watch.thing(await at.scope.patients.documents.create(at.privacy_server.person, file=path))


async def _download(at: ActContext) -> None:
    document = Document(
        id=at.privacy_server.document,
        url=f"/documents/{at.privacy_server.document}/download"
        f"?name={at.marks.given('query value')}",
        filename=at.marks.given("file name"),
    )
    file = at.scope.patients.documents.download(document)
    at.watch.thing([document, file])
    async with file:
        at.watch.thing(file)
        await file.read()


async def _free_read(at: ActContext) -> None:
    sandbox = at.privacy_server.sandbox
    params = {
        "subdomain": sandbox.subdomain,
        "location_id": sandbox.location_id,
        "name": at.marks.given("query value"),
    }
    at.watch.thing(await at.nex.request("GET", "/patients", params=params))


async def _free_path(at: ActContext) -> None:
    path = f"/patients/{at.marks.given('path value')}"
    try:
        await at.nex.request("GET", path, params={"subdomain": at.privacy_server.sandbox.subdomain})
    except NotFoundError as error:  # which is the best that can come of it
        at.watch.error(error)


async def _free_write(at: ActContext) -> None:
    answer = await at.nex.request(
        "POST",
        "/appointment_types",
        params={"subdomain": at.privacy_server.sandbox.subdomain},
        json={"appointment_type": {"name": at.marks.given("new name")}},
    )
    at.watch.thing(answer)


async def _slots(at: ActContext) -> None:
    provider = at.privacy_server.sandbox.providers.ids[0]
    slots = at.scope.available_slots.walk(start_date=date(2026, 6, 1), days=2, pids=[provider])
    async for group in slots:
        at.watch.thing(group)


async def _practices(at: ActContext) -> None:
    async for practice in at.nex.practices():
        at.watch.thing(practice)


async def _grouped(at: ActContext) -> None:
    """Two concurrent calls, so that their errors come in a group."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_record(at)), group.create_task(_list(at))]
        await asyncio.sleep(0)
        at.watch.text("repr of a task", " ".join(map(repr, [*tasks, group])))


async def _log_in(at: ActContext) -> None:
    await at.nex.log_in()


@frozen
class PrivacyAct:
    """A call, and the requests it makes."""

    does: Callable[[ActContext], Awaitable[None]]
    method: str | None = None
    path: str | None = None
    first: bool = False
    """True for those that are driven through all transport errors, not only the marked ones."""


ACTS: dict[str, PrivacyAct] = {
    "list": PrivacyAct(_list, "GET", "/patients", first=True),
    "list ahead": PrivacyAct(_list_ahead, "GET", "/patients"),
    "pages": PrivacyAct(_pages, "GET", "/patients"),
    "raw": PrivacyAct(_raw, "GET", "/patients"),
    "raw json": PrivacyAct(_raw_json, "GET", "/patients"),
    "record": PrivacyAct(_record, "GET", "/patients/{id}", first=True),
    "create": PrivacyAct(_create, "POST", "/patients", first=True),
    "find": PrivacyAct(_find, None, "/patients"),
    "book": PrivacyAct(_book, "POST", "/appointments"),
    "update": PrivacyAct(_update, "PATCH", "/appointment_types/{id}"),
    "delete": PrivacyAct(_delete, "DELETE", "/appointment_types/{id}"),
    "upload": PrivacyAct(_upload, "POST", "/patients/{id}/documents", first=True),
    "upload path": PrivacyAct(_upload_path, "POST", "/patients/{id}/documents"),
    "download": PrivacyAct(_download, "GET", "/documents/{id}/download", first=True),
    "free read": PrivacyAct(_free_read, "GET", "/patients", first=True),
    "free path": PrivacyAct(_free_path, "GET"),
    "free write": PrivacyAct(_free_write, "POST", "/appointment_types"),
    "slots": PrivacyAct(_slots, "GET"),
    "practices": PrivacyAct(_practices, "GET", "/locations"),
    "grouped": PrivacyAct(_grouped, "GET"),
    "login": PrivacyAct(_log_in, "POST", "/authenticates", first=True),
}
