"""Webhook endpoints: the addresses that events are sent to."""

from typing import Required, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    CREATED,
    NO_CONTENT,
    Endpoint,
    OperationSpec,
    Paging,
    ScopeNeed,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import WholeOptions, filter_names
from nexhealth_async.resources.webhook_subscriptions import WebhookSubscriptions

__all__ = [
    "NewWebhookEndpoint",
    "WebhookEndpointChanges",
    "WebhookEndpointFilters",
    "WebhookEndpoints",
]


class WebhookEndpointFilters(WholeOptions, total=False):
    """Filters for listing webhook endpoints."""

    active: bool | None
    """Only those that get deliveries (True) or those switched off (False); both when left out."""


class NewWebhookEndpoint(TypedDict, total=False):
    """An address that events are to be sent to."""

    target_url: Required[str]
    """URL that events are sent to; in production an ``https://`` address."""
    active: bool
    """Whether deliveries are made."""


class WebhookEndpointChanges(TypedDict, total=False):
    """Changes to a webhook endpoint. Fields that are left out stay as they are."""

    target_url: str
    """URL that events are sent to; in production an ``https://`` address."""
    active: bool
    """Whether deliveries are made; True revives one that failed for 48 hours."""


LIST: "Endpoint[m.WebhookEndpoint]" = Endpoint(
    resource="webhook_endpoints",
    verb="walk",
    model="WebhookEndpoint",
    both=OperationSpec(
        method="GET",
        path="/webhook_endpoints",
        paging=Paging.WHOLE,
        subdomain=ScopeNeed.NONE,
        filters=filter_names(WebhookEndpointFilters),
    ),
)

CREATE: "Endpoint[m.WebhookEndpoint]" = Endpoint(
    resource="webhook_endpoints",
    verb="create",
    model="WebhookEndpoint",
    both=OperationSpec(
        method="POST",
        path="/webhook_endpoints",
        success=CREATED,
        safe=False,
        subdomain=ScopeNeed.NONE,
        wrap="",
        lookup_hint="Walk webhook_endpoints and look for the target_url.",
    ),
)

UPDATE: "Endpoint[m.WebhookEndpoint]" = Endpoint(
    resource="webhook_endpoints",
    verb="update",
    model="WebhookEndpoint",
    both=OperationSpec(
        method="PATCH", path="/webhook_endpoints/{id}", subdomain=ScopeNeed.NONE, wrap=""
    ),
)

DELETE: Endpoint[None] = Endpoint(
    resource="webhook_endpoints",
    verb="delete",
    model=None,
    both=OperationSpec(
        method="DELETE",
        path="/webhook_endpoints/{id}",
        success=NO_CONTENT,
        subdomain=ScopeNeed.NONE,
    ),
)


class WebhookEndpoints(Resource):
    """The addresses events are sent to. They belong to the API key, not to a practice."""

    __slots__ = ()

    @property
    def subscriptions(self) -> WebhookSubscriptions:
        """Subscriptions of an endpoint to events."""
        return WebhookSubscriptions(self._client)

    def walk(self, **filters: Unpack[WebhookEndpointFilters]) -> "Walk[m.WebhookEndpoint]":
        """Iterate over the webhook endpoints of the API key, whatever the scope.

        ``GET /webhook_endpoints``

        The list is not paged.
        """
        return self._client.walk(LIST, filters)

    async def create(self, **fields: Unpack[NewWebhookEndpoint]) -> "m.WebhookEndpoint":
        """Register an address; it gets nothing until it has subscriptions.

        ``POST /webhook_endpoints``

        Keep the ``secret_key`` of the result, which signs the deliveries. The API may not send it
        again.

        Raises:
            InvalidRequestError: The API does not accept the address.
            OutcomeUnknownError: The response was lost. Creating is never retried automatically.
        """
        return await self._client.call(CREATE, fields)

    async def update(
        self, id: int, /, **fields: Unpack[WebhookEndpointChanges]
    ) -> "m.WebhookEndpoint":
        """Change an endpoint; fields that are not given stay.

        ``PATCH /webhook_endpoints/{id}``

        The API switches an endpoint off after 48 hours of failed deliveries; ``active=True``
        revives it, and what was missed has to be read with ``updated_since``.

        Raises:
            NotFoundError: The account has no endpoint with this id.
        """
        return await self._client.call(UPDATE, fields, id)

    async def delete(self, id: int, /) -> None:
        """Delete an endpoint.

        ``DELETE /webhook_endpoints/{id}``

        Raises:
            NotFoundError: The account has no endpoint with this id.
        """
        await self._client.execute(DELETE, {}, id)
