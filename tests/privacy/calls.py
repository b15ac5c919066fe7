"""Calls of every kind, with marks in all that the caller gives."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from nexhealth_async import NexHealth, NotFound, RetryPolicy
from nexhealth_async.models import Document
from tests.privacy.sentinels import BORN, PHONE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from nexhealth_async import LocationScope
    from tests.privacy.sentinel_search import Watch
    from tests.privacy.sentinel_server import Office
    from tests.privacy.sentinels import Marks

__all__ = ["ACTS", "Act", "Desk", "seated"]

RETRY = RetryPolicy(attempts=2, base=0.0, longest_retry_after=0.0, attempt_timeout=2.0)


@define(kw_only=True)
class Desk:
    """A session on an office, under watch."""

    office: Office
    nex: NexHealth
    watch: Watch
    folder: Path

    @property
    def marks(self) -> Marks:
        return self.office.marks

    @property
    def scope(self) -> LocationScope:
        box = self.office.box
        return self.nex.practice(box.subdomain).location(box.location_id)

    @property
    def person(self) -> dict[str, Any]:
        given = self.marks.given
        return {
            "provider_id": self.office.box.providers.ids[0],
            "first_name": given("first name"),
            "last_name": given("last name"),
            "email": given("email"),
            "bio": {"date_of_birth": BORN, "phone_number": PHONE, "gender": given("gender")},
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
async def seated(
    office: Office, watch: Watch, folder: Path, *, retry: RetryPolicy = RETRY, **options: Any
) -> AsyncGenerator[Desk]:
    given: dict[str, Any] = {
        "api_key": office.box.api_key,
        "base_url": office.box.url,
        "timeout": 5.0,
        **options,
    }
    async with NexHealth(retry=retry, **given) as nex:
        watch.thing(nex)
        yield Desk(office=office, nex=nex, watch=watch, folder=folder)
        shared = nex._client.state
        for one in (shared.keeper, shared.gates, shared.transport, nex._client.options):
            watch.thing(one)


async def _list(at: Desk) -> None:
    walk = at.scope.patients.walk(**at.filters)
    at.watch.thing(walk)
    async for one in walk:
        at.watch.thing(one)
    at.watch.thing(walk)


async def _list_ahead(at: Desk) -> None:
    async for one in at.scope.patients.walk(new_patient=None, per_page=2, prefetch=3):
        at.watch.thing(one)
        at.watch.text("repr of a task", " ".join(map(repr, asyncio.all_tasks())))


async def _pages(at: Desk) -> None:
    pages = at.scope.patients.walk(**at.filters).pages()
    async for page in pages:
        at.watch.thing([pages, page, *page.items])


async def _raw(at: Desk) -> None:
    async for _ in at.scope.patients.walk(**at.filters).raw():
        pass
    async for page in at.scope.patients.walk(**at.filters).raw().pages():
        at.watch.thing(page)


async def _raw_json(at: Desk) -> None:
    async for page in at.scope.patients.walk(**at.filters).raw_json().pages():
        at.watch.thing(page)


async def _record(at: Desk) -> None:
    at.watch.thing(await at.scope.patients.get(at.office.person))


async def _create(at: Desk) -> None:
    at.watch.thing(await at.scope.patients.create(**at.person))


async def _find(at: Desk) -> None:
    at.watch.thing(await at.scope.patients.find_or_create(**at.person))


async def _book(at: Desk) -> None:
    box = at.office.box
    start = datetime.now(UTC) + timedelta(days=400)
    made = await at.scope.appointments.create(
        patient_id=at.office.person,
        provider_id=box.providers.ids[0],
        operatory_id=box.operatories.ids[0],
        start_time=start,
        end_time=start + timedelta(minutes=30),
        note=at.marks.given("note"),
    )
    at.watch.thing(made)


async def _update(at: Desk) -> None:
    kind = at.office.box.appointment_types.ids[0]
    at.watch.thing(await at.scope.appointment_types.update(kind, name=at.marks.given("new name")))


async def _delete(at: Desk) -> None:
    await at.scope.appointment_types.delete(at.office.box.appointment_types.ids[-1])


async def _upload(at: Desk) -> None:
    made = await at.scope.patients.documents.create(
        at.office.person,
        file=at.marks.given("content").encode() * 3,
        filename=f"{at.marks.given('file name')}.txt",
    )
    at.watch.thing(made)


async def _upload_path(at: Desk) -> None:
    path = at.folder / f"{at.marks.given('path')}.txt"
    path.write_bytes(at.marks.given("content").encode() * 3)
    at.watch.thing(await at.scope.patients.documents.create(at.office.person, file=path))


async def _download(at: Desk) -> None:
    document = Document(
        id=at.office.document,
        url=f"/documents/{at.office.document}/download?name={at.marks.given('query value')}",
        filename=at.marks.given("file name"),
    )
    file = at.scope.patients.documents.download(document)
    at.watch.thing([document, file])
    async with file:
        at.watch.thing(file)
        await file.read()


async def _free_read(at: Desk) -> None:
    box = at.office.box
    params = {
        "subdomain": box.subdomain,
        "location_id": box.location_id,
        "name": at.marks.given("query value"),
    }
    at.watch.thing(await at.nex.request("GET", "/patients", params=params))


async def _free_path(at: Desk) -> None:
    path = f"/patients/{at.marks.given('path value')}"
    try:
        await at.nex.request("GET", path, params={"subdomain": at.office.box.subdomain})
    except NotFound as error:  # which is the best that can come of it
        at.watch.error(error)


async def _free_write(at: Desk) -> None:
    answer = await at.nex.request(
        "POST",
        "/appointment_types",
        params={"subdomain": at.office.box.subdomain},
        json={"appointment_type": {"name": at.marks.given("new name")}},
    )
    at.watch.thing(answer)


async def _slots(at: Desk) -> None:
    provider = at.office.box.providers.ids[0]
    slots = at.scope.available_slots.walk(start_date=date(2026, 6, 1), days=2, pids=[provider])
    async for group in slots:
        at.watch.thing(group)


async def _practices(at: Desk) -> None:
    async for one in at.nex.practices():
        at.watch.thing(one)


async def _grouped(at: Desk) -> None:
    """Two at once, so that their errors come in a group."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_record(at)), group.create_task(_list(at))]
        await asyncio.sleep(0)
        at.watch.text("repr of a task", " ".join(map(repr, [*tasks, group])))


async def _log_in(at: Desk) -> None:
    await at.nex.log_in()


@frozen
class Act:
    """A call, and the requests it makes."""

    does: Callable[[Desk], Awaitable[None]]
    method: str | None = None
    path: str | None = None
    first: bool = False
    """True for those that are driven through all weathers, not only the marked ones."""


ACTS: dict[str, Act] = {
    "list": Act(_list, "GET", "/patients", first=True),
    "list ahead": Act(_list_ahead, "GET", "/patients"),
    "pages": Act(_pages, "GET", "/patients"),
    "raw": Act(_raw, "GET", "/patients"),
    "raw json": Act(_raw_json, "GET", "/patients"),
    "record": Act(_record, "GET", "/patients/{id}", first=True),
    "create": Act(_create, "POST", "/patients", first=True),
    "find": Act(_find, None, "/patients"),
    "book": Act(_book, "POST", "/appointments"),
    "update": Act(_update, "PATCH", "/appointment_types/{id}"),
    "delete": Act(_delete, "DELETE", "/appointment_types/{id}"),
    "upload": Act(_upload, "POST", "/patients/{id}/documents", first=True),
    "upload path": Act(_upload_path, "POST", "/patients/{id}/documents"),
    "download": Act(_download, "GET", "/documents/{id}/download", first=True),
    "free read": Act(_free_read, "GET", "/patients", first=True),
    "free path": Act(_free_path, "GET"),
    "free write": Act(_free_write, "POST", "/appointment_types"),
    "slots": Act(_slots, "GET"),
    "practices": Act(_practices, "GET", "/locations"),
    "grouped": Act(_grouped, "GET"),
    "login": Act(_log_in, "POST", "/authenticates", first=True),
}
