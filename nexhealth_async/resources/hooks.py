"""The addresses events are sent to, and which events each of them gets."""

from __future__ import annotations

from typing import Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.filters import (
    NewWebhookEndpoint,
    NewWebhookSubscription,
    WebhookEndpointChanges,
    WebhookEndpointFilters,
    WebhookSubscriptionChanges,
    WebhookSubscriptionFilters,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Noun

__all__ = ["WebhookEndpoints", "WebhookSubscriptions"]


class WebhookSubscriptions(Noun):
    """Which events an endpoint gets."""

    __slots__ = ()

    def walk(
        self, endpoint_id: int, /, **filters: Unpack[WebhookSubscriptionFilters]
    ) -> Walk[m.WebhookSubscription]:
        """Walk the subscriptions of one endpoint.

        ``GET /webhook_endpoints/{id}/webhook_subscriptions``

        In v3 a practice, given or bound by scope or session, narrows the list to its own and
        leaves out those that belong to none (``Onboarding``). v2 knows no such filter and lists
        all. The list comes whole.

        Raises `NotFound` for an endpoint that is not yours.
        """
        return self._caller.walk(to.WEBHOOK_SUBSCRIPTIONS, filters, endpoint_id)

    async def create(
        self, endpoint_id: int, /, **fields: Unpack[NewWebhookSubscription]
    ) -> m.WebhookSubscription:
        """Subscribe an endpoint to an event of one practice.

        ``POST /webhook_endpoints/{id}/webhook_subscriptions``

        Deliveries keep the shapes of the API version the session uses now, until the subscription
        is made anew. Nothing keeps an event from being subscribed to twice, and then it is
        delivered twice: walk first. ``Onboarding`` belongs to no practice, so in v3 the
        subdomain that a scope or the session binds is left out for it.

        Raises `MissingScope` without a practice, `InvalidArgument` if one is given for
        ``Onboarding``, `Invalid` for an event its resource type does not have, `NotFound` for an
        endpoint that is not yours, and `OutcomeUnknown` if the answer was lost: creating is never
        repeated by itself.
        """
        return await self._caller.call(to.WEBHOOK_SUBSCRIPTIONS_CREATE, fields, endpoint_id)

    async def update(
        self,
        endpoint_id: int,
        subscription_id: int,
        /,
        **fields: Unpack[WebhookSubscriptionChanges],
    ) -> m.WebhookSubscription:
        """Switch a subscription on or off, or move it; fields that are not given stay.

        ``PATCH /webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}``

        A practice is wanted even for subscriptions that belong to none; any of yours will do.
        After a move only the new endpoint's id finds the subscription, so that a move repeated
        because its answer was lost raises `NotFound` although it was done: look at the new
        endpoint.

        Raises `MissingScope` without a practice, and `NotFound` for ids that are not yours.
        """
        return await self._caller.call(
            to.WEBHOOK_SUBSCRIPTIONS_UPDATE, fields, endpoint_id, subscription_id
        )

    async def delete(self, endpoint_id: int, subscription_id: int, /) -> None:
        """Delete a subscription for good; its deliveries stop at once.

        ``DELETE /webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}``

        Raises `NotFound` for ids that are not yours.
        """
        await self._caller.perform(
            to.WEBHOOK_SUBSCRIPTIONS_DELETE, {}, endpoint_id, subscription_id
        )


class WebhookEndpoints(Noun):
    """The addresses events are sent to. They belong to the API key, not to a practice."""

    __slots__ = ()

    @property
    def subscriptions(self) -> WebhookSubscriptions:
        """Which events an endpoint gets."""
        return WebhookSubscriptions(self._caller)

    def walk(self, **filters: Unpack[WebhookEndpointFilters]) -> Walk[m.WebhookEndpoint]:
        """Walk the webhook endpoints of the API key, whatever the scope.

        ``GET /webhook_endpoints``

        The list comes whole.
        """
        return self._caller.walk(to.WEBHOOK_ENDPOINTS, filters)

    async def create(self, **fields: Unpack[NewWebhookEndpoint]) -> m.WebhookEndpoint:
        """Register an address; it gets nothing until it has subscriptions.

        ``POST /webhook_endpoints``

        Keep the answer's ``secret_key``, which signs the deliveries: it may not be shown again.

        Raises `Invalid` for an address the API does not take, and `OutcomeUnknown` if the answer
        was lost: creating is never repeated by itself.
        """
        return await self._caller.call(to.WEBHOOK_ENDPOINTS_CREATE, fields)

    async def update(
        self, id: int, /, **fields: Unpack[WebhookEndpointChanges]
    ) -> m.WebhookEndpoint:
        """Change an endpoint; fields that are not given stay.

        ``PATCH /webhook_endpoints/{id}``

        The API switches an endpoint off after 48 hours of failed deliveries; ``active=True``
        revives it, and what was missed has to be read with ``updated_since``.

        Raises `NotFound` for an endpoint that is not yours.
        """
        return await self._caller.call(to.WEBHOOK_ENDPOINTS_UPDATE, fields, id)

    async def delete(self, id: int, /) -> None:
        """Delete an endpoint.

        ``DELETE /webhook_endpoints/{id}``

        Raises `NotFound` for an endpoint that is not yours.
        """
        await self._caller.perform(to.WEBHOOK_ENDPOINTS_DELETE, {}, id)
