"""Patient documents: list, upload and download."""

from os import PathLike
from typing import BinaryIO, Required, Unpack

from nexhealth_async import models as m
from nexhealth_async._client.files import Download, with_content
from nexhealth_async._protocol.operations import (
    CREATED,
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import LocationScoped, NumberedOptions, PracticeScoped

__all__ = ["DocumentFilters", "NewDocument", "PatientDocuments"]


class DocumentFilters(PracticeScoped, NumberedOptions, total=False):
    """Options for listing a patient's documents; there are no filters."""


class NewDocument(LocationScoped, total=False):
    """A document to be filed under a patient."""

    file: Required[bytes | PathLike[str] | BinaryIO]
    """Content of the document: bytes, a path, or a file opened for reading bytes."""
    filename: str
    """File name, without folders; by default the name of the path or the open file."""
    content_type: str
    """Its media type; by default what the name's ending says."""
    document_type_id: int
    """Its kind: the id of a record of ``document_types``."""


LIST: "Endpoint[m.Document]" = Endpoint(
    resource="patients.documents",
    verb="walk",
    model="Document",
    v2=OperationSpec(
        method="GET",
        path="/patients/{id}/documents",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.PEOPLE,
    ),
    v3=OperationSpec(
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
    both=OperationSpec(
        method="POST",
        path="/patients/{id}/documents",
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=ScopeNeed.REQUIRED,
        multipart=True,
        lookup_hint="Walk patients.documents of the patient and look for the filename.",
    ),
)


class PatientDocuments(Resource):
    """The documents filed under a patient."""

    __slots__ = ()

    def walk(self, patient_id: int, /, **options: Unpack[DocumentFilters]) -> "Walk[m.Document]":
        """Iterate over the documents of one patient.

        ``GET /patients/{id}/documents``

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST, options, patient_id)

    async def create(self, patient_id: int, /, **fields: Unpack[NewDocument]) -> "m.Document":
        """File a document under a patient.

        ``POST /patients/{id}/documents``

        It reaches the practice's own system later, under the file's name.

        Raises:
            InvalidArgumentError: The file has no name, or cannot be read.
            MissingScopeError: No practice or no location is given or bound.
            InvalidRequestError: The API refuses the request.
            OutcomeUnknownError: The response was lost. Creating is never retried automatically.
        """
        form = await with_content(fields)
        return await self._client.call(CREATE, form, patient_id)

    def download(self, document: "m.Document", /) -> Download:
        """Return what a document holds, to be entered with ``async with`` and read in parts.

        ``async with office.patients.documents.download(document) as file:``, and inside it either
        ``await file.read()`` or ``async for chunk in file``.

        Raises:
            InvalidArgumentError: The document has no address, or one on a host that is not the
                API's.
        """
        return self._client.download(document.url)
