"""Document types: the kinds of documents that can be filed under patients."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import LocationScoped, WholeOptions, filter_names

__all__ = ["DocumentTypeFilters", "DocumentTypes"]


class DocumentTypeFilters(LocationScoped, WholeOptions, total=False):
    """Filters for listing document types."""

    active: bool | None
    """Only active (True, the server's default) or switched-off (False) ones."""


LIST: "Endpoint[m.DocumentType]" = Endpoint(
    resource="document_types",
    verb="walk",
    model="DocumentType",
    both=OperationSpec(
        method="GET",
        path="/document_types",
        paging=Paging.WHOLE,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(DocumentTypeFilters),
    ),
)

GET: "Endpoint[m.DocumentType]" = Endpoint(
    resource="document_types",
    verb="get",
    model="DocumentType",
    both=OperationSpec(method="GET", path="/document_types/{id}", location=ScopeNeed.REQUIRED),
)


class DocumentTypes(Resource):
    """The kinds of documents that can be filed under patients."""

    __slots__ = ()

    def walk(self, **filters: Unpack[DocumentTypeFilters]) -> "Walk[m.DocumentType]":
        """Iterate over the document types of one location.

        ``GET /document_types``

        Switched-off ones are left out by the server. The list is not paged.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[LocationScoped]) -> "m.DocumentType":
        """Get one document type of one location.

        ``GET /document_types/{id}``

        Raises:
            NotFoundError: The location has no record with this id.
            MissingScopeError: No practice or no location is given or bound.
        """
        return await self._client.call(GET, options, id)
