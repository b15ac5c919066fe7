"""Patient documents: list, upload and download."""

from os import PathLike
from typing import BinaryIO, Required, Unpack

from nexhealth_async import models as m
from nexhealth_async._client.files import Download, with_content
from nexhealth_async._protocol.operations import CREATED, Endpoint, Need, Paging, RateClass, Row
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import LocationScoped, NumberedOptions, PracticeScoped

__all__ = ["DocumentFilters", "NewDocument", "PatientDocuments"]


class DocumentFilters(PracticeScoped, NumberedOptions, total=False):
    """How to walk a patient's documents; they have no filters."""


class NewDocument(LocationScoped, total=False):
    """A document to be filed under a patient."""

    file: Required[bytes | PathLike[str] | BinaryIO]
    """What it holds: the bytes, a path, or a file that is open for reading them."""
    filename: str
    """What the file is called, without folders; the name of a path or an open file by default."""
    content_type: str
    """Its media type; by default what the name's ending says."""
    document_type_id: int
    """Its kind: the id of a record of ``document_types``."""


LIST: "Endpoint[m.Document]" = Endpoint(
    resource="patients.documents",
    verb="walk",
    model="Document",
    v2=Row(
        method="GET",
        path="/patients/{id}/documents",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.PEOPLE,
    ),
    v3=Row(
        method="GET",
        path="/patients/{id}/documents",
        paging=Paging.WHOLE,
        rate=RateClass.PEOPLE,
    ),
)

CREATE: "Endpoint[m.Document]" = Endpoint(
    resource="patients.documents",
    verb="create",
    model="Document",
    both=Row(
        method="POST",
        path="/patients/{id}/documents",
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=Need.REQUIRED,
        multipart=True,
        lookup="Walk patients.documents of the patient and look for the filename.",
    ),
)


class PatientDocuments(Resource):
    """The documents filed under a patient."""

    __slots__ = ()

    def walk(self, patient_id: int, /, **options: Unpack[DocumentFilters]) -> "Walk[m.Document]":
        """Walk the documents of one patient.

        ``GET /patients/{id}/documents``

        Raises `MissingScope` without a practice.
        """
        return self._client.walk(LIST, options, patient_id)

    async def create(self, patient_id: int, /, **fields: Unpack[NewDocument]) -> "m.Document":
        """File a document under a patient.

        ``POST /patients/{id}/documents``

        It reaches the practice's own system later, under the file's name.

        Raises `InvalidArgument` for a file without a name or one that cannot be read,
        `MissingScope` without a practice and a location, `Invalid` for what the API refuses, and
        `OutcomeUnknown` if the answer was lost: creating is never repeated by itself.
        """
        form = await with_content(fields)
        return await self._client.call(CREATE, form, patient_id)

    def download(self, document: "m.Document", /) -> Download:
        """Return what a document holds, to be entered with ``async with`` and read in parts.

        ``async with office.patients.documents.download(document) as file:``, and inside it either
        ``await file.read()`` or ``async for chunk in file``.

        Raises `InvalidArgument` for a document without an address, or with one on a host that is
        not the API's.
        """
        return self._client.download(document.url)
