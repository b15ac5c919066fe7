"""The kinds of operations, each as a call on a sandbox, with a way to count its effect."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

from attrs import Factory, define, frozen

from nexhealth_async.models import Document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nexhealth_async import LocationScope, NexHealth
    from nexhealth_async.sandbox import Sandbox
    from tests.session.faults.expected_outcomes import Moment

__all__ = ["CONTENT", "OPERATIONS", "PATIENTS", "FaultOperation", "FaultStage"]

PATIENTS = 25
PAGE = 10
CONTENT = bytes(range(192, 256))
"""Content of the file."""


@define(kw_only=True)
class FaultStage:
    """A sandbox and a session, with the results of an operation."""

    sandbox: Sandbox
    nex: NexHealth
    location: LocationScope
    kind: int
    """An existing appointment type."""
    document: int
    """An existing document."""
    got: list[int] = Factory(list[int])
    """Ids of the records that a list delivered before it ended or failed."""
    read: bytes = b""

    @property
    def patient(self) -> int:
        return self.sandbox.patients.ids[0]


@frozen(kw_only=True)
class FaultOperation:
    """One kind of operation, and the moments at which faults may happen."""

    does: Callable[[FaultStage], Awaitable[object]]
    method: str
    path: str
    reads: Literal["list", "record", "nothing", "anything", "file", "token"]
    moments: tuple[Moment, ...] = ("call",)
    version: str = "v2"
    preload: tuple[str, ...] = ()
    safe: bool = True
    lookup: str = ""
    """For unsafe operations: the look-up that the error must name."""
    effect: Callable[[FaultStage], int] | None = None
    """Counts the effects of a write in the sandbox."""

    @property
    def writes(self) -> bool:
        return self.effect is not None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


async def _list(at: FaultStage) -> None:
    async for patient in at.location.patients.walk(per_page=PAGE, new_patient=None, prefetch=0):
        at.got.append(patient.id)


async def _list_ahead(at: FaultStage) -> None:
    async for patient in at.location.patients.walk(per_page=PAGE, new_patient=None, prefetch=1):
        at.got.append(patient.id)


async def _cursor_list(at: FaultStage) -> None:
    async for patient in at.location.patients.walk(per_page=PAGE, prefetch=0):
        at.got.append(patient.id)


async def _whole_list(at: FaultStage) -> None:
    async for one in at.location.appointment_types.walk():
        at.got.append(one.id)


async def _record(at: FaultStage) -> object:
    return await at.location.patients.get(at.patient)


async def _create(at: FaultStage) -> object:
    return await at.location.appointment_types.create(name="Invented")


async def _create_patient(at: FaultStage) -> object:
    return await at.location.patients.create(
        provider_id=at.sandbox.providers.ids[0],
        first_name="Ada",
        last_name="Invented",
        email="ada@example.com",
        bio={"date_of_birth": date(1990, 5, 17), "phone_number": "2125550123", "gender": "Female"},
        return_existing_if_match=True,
    )


async def _upload(at: FaultStage) -> object:
    return await at.location.patients.documents.create(at.patient, file=b"%PDF", filename="a.pdf")


async def _update(at: FaultStage) -> object:
    return await at.location.appointment_types.update(at.kind, name="Invented")


async def _delete(at: FaultStage) -> None:
    await at.location.appointment_types.delete(at.kind)


async def _download(at: FaultStage) -> None:
    document = Document(id=at.document, url=f"/documents/{at.document}/download")
    async with at.location.patients.documents.download(document) as file:
        at.read = await file.read()


async def _free_read(at: FaultStage) -> object:
    return await at.nex.request(
        "GET", "/appointment_types", params={"subdomain": at.sandbox.subdomain}
    )


async def _free_write(at: FaultStage) -> object:
    return await at.nex.request(
        "POST",
        "/appointment_types",
        params={"subdomain": at.sandbox.subdomain},
        json={"appointment_type": {"name": "Invented"}},
    )


async def _free_safe_write(at: FaultStage) -> object:
    return await at.nex.request(
        "PATCH",
        f"/appointment_types/{at.kind}",
        params={"subdomain": at.sandbox.subdomain},
        json={"appointment_type": {"name": "Invented"}},
        safe=True,
    )


async def _log_in(at: FaultStage) -> float:
    return await at.nex.log_in()


def _types_named(at: FaultStage) -> int:
    return len(at.sandbox.appointment_types.where("name", "Invented"))


PAGES: tuple[Moment, ...] = ("first page", "middle page", "last page")
WITH_LOGIN: tuple[Moment, ...] = ("login", "call")

OPERATIONS: dict[str, FaultOperation] = {
    "list": FaultOperation(
        does=_list,
        method="GET",
        path="/patients",
        reads="list",
        moments=("login", *PAGES),
        preload=("patients",),
    ),
    "list ahead": FaultOperation(
        does=_list_ahead,
        method="GET",
        path="/patients",
        reads="list",
        moments=("last page",),
        preload=("patients",),
    ),
    "cursor list": FaultOperation(
        does=_cursor_list,
        method="GET",
        path="/patients",
        reads="list",
        moments=PAGES,
        version="v3",
        preload=("patients",),
    ),
    "whole list": FaultOperation(
        does=_whole_list,
        method="GET",
        path="/appointment_types",
        reads="list",
        preload=("appointment_types",),
    ),
    "record": FaultOperation(
        does=_record,
        method="GET",
        path="/patients/{id}",
        reads="record",
        version="v3",
        preload=("patients",),
    ),
    "create": FaultOperation(
        does=_create,
        method="POST",
        path="/appointment_types",
        reads="record",
        moments=WITH_LOGIN,
        preload=("appointment_types",),
        safe=False,
        lookup="Walk appointment_types and look for the name, which is unique.",
        effect=_types_named,
    ),
    "create or find": FaultOperation(
        does=_create_patient,
        method="POST",
        path="/patients",
        reads="record",
        version="v3",
        preload=("patients",),
        effect=lambda at: len(at.sandbox.patients) - PATIENTS,
    ),
    "upload": FaultOperation(
        does=_upload,
        method="POST",
        path="/patients/{id}/documents",
        reads="record",
        preload=("patients",),
        safe=False,
        lookup="Walk patients.documents of the patient and look for the filename.",
        effect=lambda at: len(at.sandbox.practice.documents.where("filename", "a.pdf")),
    ),
    "update": FaultOperation(
        does=_update,
        method="PATCH",
        path="/appointment_types/{id}",
        reads="record",
        preload=("appointment_types",),
        effect=_types_named,
    ),
    "delete": FaultOperation(
        does=_delete,
        method="DELETE",
        path="/appointment_types/{id}",
        reads="nothing",
        effect=lambda at: int(at.kind not in at.sandbox.appointment_types),
    ),
    "download": FaultOperation(
        does=_download,
        method="GET",
        path="/documents/{id}/download",
        reads="file",
        moments=WITH_LOGIN,
    ),
    "free read": FaultOperation(
        does=_free_read, method="GET", path="/appointment_types", reads="anything"
    ),
    "free write": FaultOperation(
        does=_free_write,
        method="POST",
        path="/appointment_types",
        reads="anything",
        safe=False,
        lookup="Read the record back to see.",
        effect=_types_named,
    ),
    "free safe write": FaultOperation(
        does=_free_safe_write,
        method="PATCH",
        path="/appointment_types/{id}",
        reads="anything",
        effect=_types_named,
    ),
    "login": FaultOperation(
        does=_log_in, method="POST", path="/authenticates", reads="token", moments=("login",)
    ),
}
