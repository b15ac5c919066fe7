"""Documents of patients: uploaded as a form, listed, and downloaded again; and nex staff."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import found
from nexhealth_async.sandbox.json_format import Refusal, Row, ints, stamp, text
from nexhealth_async.sandbox.routes import BOTH, V3, Answer, Call, Download, Listing, Route

__all__ = ["ROUTES"]

_NAMED: Final = re.compile(rb'\bname="?([^";\r\n]*)"?')
_FILENAME: Final = re.compile(rb'\bfilename="?([^";\r\n]*)"?')
_TYPE: Final = re.compile(rb"(?im)^content-type:\s*([^;\r\n]+)")


def _parts(call: Call) -> Iterator[tuple[bytes, bytes]]:
    """Head and body of each part of the form sent."""
    boundary = re.search(r'boundary="?([^";]+)"?', call.content_type)
    if "multipart/form-data" not in call.content_type.lower() or boundary is None:
        raise Refusal(415, "Unsupported media type")
    for piece in (b"\r\n" + call.raw).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, empty_line, body = piece.partition(b"\r\n\r\n")
        if empty_line:
            yield head, body


def _create(call: Call) -> Answer:
    practice = call.practice
    found(practice.patients, call.ids[0])
    record: Row = {"patient_id": call.ids[0], "document_type_id": None}
    content: bytes | None = None
    for head, body in _parts(call):
        named = _NAMED.search(head)
        if named is None:
            continue
        if named[1] == b"file":
            content = body
            filename, kind = _FILENAME.search(head), _TYPE.search(head)
            name = filename[1].decode(errors="replace") if filename else "file"
            guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
            record["filename"] = name
            record["type"] = kind[1].decode("ascii", "replace").strip() if kind else guessed
        elif named[1] == b"document_type_id" and body.strip():
            if not body.strip().isdigit() or int(body) not in practice.document_types:
                raise Refusal(404, "Document type not found")
            record["document_type_id"] = int(body)
    if content is None:
        raise Refusal(400, "Missing parameter file")
    id = practice.documents.add({**record, "created_at": stamp(call.now)})
    practice.documents.update(id, url=f"/documents/{id}/download")
    practice.document_bytes[id] = content
    return Answer(data=_row(call, id), status=201)


def _row(call: Call, id: int) -> Row:
    shown = call.practice.documents.row(id)
    names = ("id", "filename", "type", "url", "created_at", "document_type_id")
    return {name: shown.get(name) for name in names}


def _list(call: Call) -> Listing:
    found(call.practice.patients, call.ids[0])
    ids = call.practice.documents.where("patient_id", call.ids[0])
    return Listing(ids=ids, show=lambda id: _row(call, id))


def _download(call: Call) -> Answer:
    for practice in [call.scope] if call.scope else call.world.practices:
        document = practice.documents.get(call.ids[0])
        if document is not None:
            content = practice.document_bytes.get(call.ids[0], b"")
            name, kind = text(document, "filename"), text(document, "type")
            return Answer(data=Download(filename=name, type=kind, content=content))
    raise Refusal(404, "Resource not found")


def _staff(call: Call) -> Listing:
    table, asked = call.practice.staff, call.params
    inactive, offices = asked.flag("inactive"), asked.ints("location_ids")

    def keep(one: Row) -> bool:
        return (inactive is None or one.get("inactive") is inactive) and (
            not offices or any(office in offices for office in ints(one.get("location_ids")))
        )

    return Listing(ids=table.select(asked.key, keep), show=table.row)


_PATH: Final = "/patients/{id}/documents"

ROUTES: Final = (
    Route(
        method="GET",
        path=_PATH,
        handler=_list,
        takes="subdomain!",
        paging="numbered",
        rate="people",
    ),
    Route(
        method="GET",
        path=_PATH,
        handler=_list,
        takes="subdomain!",
        versions=V3,
        rate="people",
        media="vendor",
    ),
    Route(
        method="POST",
        path=_PATH,
        handler=_create,
        takes="subdomain! location_id:int!",
        versions=BOTH,
        rate="people",
    ),
    Route(
        method="GET",
        path="/documents/{id}/download",
        handler=_download,
        takes="subdomain",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/nex_staff",
        handler=_staff,
        takes="subdomain! inactive:bool location_ids:ints",
        versions=BOTH,
        paging="numbered",
    ),
)
