"""Documents of patients (upload, listing and download), and NexHealth staff."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import get_or_404
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    ints,
    text,
)
from nexhealth_async.sandbox.routes import (
    BOTH,
    V3,
    FileResult,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
)

__all__ = ["ROUTES"]

_NAME: Final = re.compile(rb'\bname="?([^";\r\n]*)"?')
_FILENAME: Final = re.compile(rb'\bfilename="?([^";\r\n]*)"?')
_TYPE: Final = re.compile(rb"(?im)^content-type:\s*([^;\r\n]+)")


def _parts(call: SandboxCall) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers and the body of each part of a multipart form."""
    boundary = re.search(r'boundary="?([^";]+)"?', call.content_type)
    if "multipart/form-data" not in call.content_type.lower() or boundary is None:
        raise RequestRejectedError(415, "Unsupported media type")
    for piece in (b"\r\n" + call.raw).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, empty_line, body = piece.partition(b"\r\n\r\n")
        if empty_line:
            yield head, body


def _create(call: SandboxCall) -> HandlerResult:
    practice = call.practice
    get_or_404(practice.patients, call.ids[0])
    record: JsonRow = {"patient_id": call.ids[0], "document_type_id": None}
    content: bytes | None = None
    for head, body in _parts(call):
        field = _NAME.search(head)
        if field is None:
            continue
        if field[1] == b"file":
            content = body
            filename, kind = _FILENAME.search(head), _TYPE.search(head)
            name = filename[1].decode(errors="replace") if filename else "file"
            default_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            record["filename"] = name
            record["type"] = kind[1].decode("ascii", "replace").strip() if kind else default_type
        elif field[1] == b"document_type_id" and body.strip():
            if not body.strip().isdigit() or int(body) not in practice.document_types:
                raise RequestRejectedError(404, "Document type not found")
            record["document_type_id"] = int(body)
    if content is None:
        raise RequestRejectedError(400, "Missing parameter file")
    id = practice.documents.add({**record, "created_at": format_timestamp(call.now)})
    practice.documents.update(id, url=f"/documents/{id}/download")
    practice.document_bytes[id] = content
    return HandlerResult(data=_row(call, id), status=201)


def _row(call: SandboxCall, id: int) -> JsonRow:
    record = call.practice.documents.row(id)
    names = ("id", "filename", "type", "url", "created_at", "document_type_id")
    return {name: record.get(name) for name in names}


def _list(call: SandboxCall) -> ListResult:
    get_or_404(call.practice.patients, call.ids[0])
    ids = call.practice.documents.where("patient_id", call.ids[0])
    return ListResult(ids=ids, show=lambda id: _row(call, id))


def _download(call: SandboxCall) -> HandlerResult:
    for practice in [call.scope] if call.scope else call.world.practices:
        document = practice.documents.get(call.ids[0])
        if document is not None:
            content = practice.document_bytes.get(call.ids[0], b"")
            name, kind = text(document, "filename"), text(document, "type")
            return HandlerResult(data=FileResult(filename=name, type=kind, content=content))
    raise RequestRejectedError(404, "Resource not found")


def _staff(call: SandboxCall) -> ListResult:
    table, params = call.practice.staff, call.params
    inactive, location_ids = params.flag("inactive"), params.ints("location_ids")

    def keep(record: JsonRow) -> bool:
        return (inactive is None or record.get("inactive") is inactive) and (
            not location_ids or any(id in location_ids for id in ints(record.get("location_ids")))
        )

    return ListResult(ids=table.select(params.key, keep), show=table.row)


_PATH: Final = "/patients/{id}/documents"

ROUTES: Final = (
    Route(
        method="GET",
        path=_PATH,
        handler=_list,
        filters="subdomain!",
        paging="numbered",
        rate="people",
    ),
    Route(
        method="GET",
        path=_PATH,
        handler=_list,
        filters="subdomain!",
        versions=V3,
        rate="people",
        media="vendor",
    ),
    Route(
        method="POST",
        path=_PATH,
        handler=_create,
        filters="subdomain! location_id:int!",
        versions=BOTH,
        rate="people",
    ),
    Route(
        method="GET",
        path="/documents/{id}/download",
        handler=_download,
        filters="subdomain",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/nex_staff",
        handler=_staff,
        filters="subdomain! inactive:bool location_ids:ints",
        versions=BOTH,
        paging="numbered",
    ),
)
