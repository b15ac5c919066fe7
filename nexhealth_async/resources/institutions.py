"""Institutions: the practices that an API key can see."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import WholeOptions

__all__ = ["InstitutionFilters", "Institutions"]


class InstitutionFilters(WholeOptions, total=False):
    """Options for listing institutions; there are no filters."""


LIST: "Endpoint[m.Institution]" = Endpoint(
    resource="institutions",
    verb="walk",
    model="Institution",
    both=OperationSpec(
        method="GET", path="/institutions", paging=Paging.WHOLE, subdomain=ScopeNeed.NONE
    ),
)

GET: "Endpoint[m.Institution]" = Endpoint(
    resource="institutions",
    verb="get",
    model="Institution",
    both=OperationSpec(method="GET", path="/institutions/{id}", subdomain=ScopeNeed.NONE),
)


class Institutions(Resource):
    """The practices this API key may see, each with its subdomain."""

    __slots__ = ()

    def walk(self, **options: Unpack[InstitutionFilters]) -> "Walk[m.Institution]":
        """Iterate over the institutions of the account.

        ``GET /institutions``

        Each one's ``subdomain`` is what `AccountScope.practice` takes. The list is not paged.
        """
        return self._client.walk(LIST, options)

    async def get(self, id: int, /) -> "m.Institution":
        """Get one institution.

        ``GET /institutions/{id}``

        Raises:
            NotFoundError: The account has no record with this id.
        """
        return await self._client.call(GET, {}, id)
