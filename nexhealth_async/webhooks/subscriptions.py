"""Idempotent setup of webhook endpoints and subscriptions.

Reference: v3 1.2 and 5.1. A subscription is pinned to the API version of the request that created
it, which the API does not show. The API does not prevent duplicates.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve, field, frozen

from nexhealth_async._protocol.timestamps import check_aware
from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.errors import OutcomeUnknownError
from nexhealth_async.resources import webhook_endpoints, webhook_subscriptions
from nexhealth_async.webhooks.subscription_plan import (
    SubscriptionKey,
    normalize_resource_type,
    wanted_subscriptions,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from nexhealth_async._client.client import Client
    from nexhealth_async.models import WebhookEndpoint, WebhookSubscription

__all__ = ["SubscriptionKey", "WebhookSyncResult", "Webhooks"]

T = TypeVar("T")
R = TypeVar("R")

_MAX_CONCURRENT = 8


@frozen(kw_only=True)
class WebhookSyncResult:
    """Result of `Webhooks.ensure`: the changes, or those a dry run would make."""

    endpoint: WebhookEndpoint | None
    """Endpoint, whose ``secret_key`` signs deliveries; None if a dry run would create it."""
    created: bool = False
    """True if the endpoint was created: keep its ``secret_key``, which may not be shown again."""
    reactivated: bool = False
    """True if the inactive endpoint was reactivated: read missed changes with ``updated_since``."""
    created_subscriptions: tuple[SubscriptionKey, ...] = ()
    """Subscriptions created for the first time."""
    renewed: tuple[SubscriptionKey, ...] = ()
    """Subscriptions created again, after which the old ones were removed."""
    activated: tuple[SubscriptionKey, ...] = ()
    """Inactive subscriptions that were activated."""
    unchanged: tuple[SubscriptionKey, ...] = ()
    """Subscriptions that needed no change."""
    removed: tuple[SubscriptionKey, ...] = ()
    """Unexpected or duplicate subscriptions that were removed; with ``prune`` only."""
    duplicated: tuple[SubscriptionKey, ...] = ()
    """Subscriptions with duplicates, whose events are delivered twice; ``prune`` removes them."""
    dry_run: bool = False
    """True if nothing was changed."""

    @property
    def changed(self) -> bool:
        """True if anything was changed, or would have been."""
        made = self.created_subscriptions or self.renewed or self.activated or self.removed
        return bool(self.created or self.reactivated or made)


class Webhooks:
    """Webhooks of an API key; ``nex.webhook_endpoints`` has single endpoints."""

    def __init__(self, make_client: Callable[[str | None], Client]) -> None:
        self._make_client = make_client

    def __repr__(self) -> str:
        """Show the name only; the client holds secrets."""
        return "<Webhooks>"

    @strip_traceback
    async def ensure(
        self,
        target_url: str,
        events: Iterable[str | tuple[str, str]],
        practices: Iterable[str] = (),
        *,
        version: str | None = None,
        renew_before: datetime | None = None,
        prune: bool = False,
        dry_run: bool = False,
    ) -> WebhookSyncResult:
        """Create or repair the endpoint and subscriptions for these events. It is idempotent.

        The endpoint is found by its URL, or created; one that the vendor deactivated after failed
        deliveries is reactivated. Each missing subscription is created, in the session's API
        version or in ``version``. Processes that do this at the same time keep the earliest of
        their subscriptions and remove their own duplicates.

        To move to another API version, pass ``version`` and, as ``renew_before``, the time of the
        move: subscriptions created before it are created again, the new one first, so that no event
        is missed and some arrive twice. The time is needed because the API does not show the
        version that a subscription is pinned to.

        Args:
            target_url: URL that events are posted to, exactly as it was passed before.
            events: Base names, such as ``"appointment_insertion"``; for an event that this library
                lacks, a pair of resource type and event.
            practices: Subdomains. Onboarding events have no practice.
            version: API version whose format new subscriptions use.
            renew_before: Time with a time zone; subscriptions created before it are created again.
            prune: Also remove other events of these practices from this endpoint, and duplicates.
                Other practices' subscriptions stay.
            dry_run: Change nothing, and return the changes that would be made.

        Returns:
            The endpoint and the changes.

        Raises:
            InvalidArgumentError: An event is unknown or the key cannot see a practice. Nothing was
                changed.
            InvalidRequestError: The API rejected a request.
            OutcomeUnknownError: A response was lost and the object is not there; try again.
        """
        if renew_before is not None:
            check_aware("renew_before", renew_before)
        subdomains = [practices] if isinstance(practices, str) else [*practices]
        client = self._make_client(version)
        expected = await wanted_subscriptions(client, events, subdomains)
        endpoint = await _find_endpoint(client, target_url)
        report = WebhookSyncResult(endpoint=endpoint, dry_run=dry_run)
        if endpoint is None and not dry_run:
            endpoint, is_ours = await _create_endpoint(client, target_url)
            report = evolve(report, endpoint=endpoint, created=is_ours)
        report = evolve(report, created=report.created or endpoint is None)
        sync = _SubscriptionSync(
            client=client,
            endpoint=endpoint,
            expected=expected,
            renew_before=renew_before,
            prune=prune,
            dry_run=dry_run,
        )
        report = await sync.apply(report)
        if endpoint is not None and not endpoint.active:
            if not dry_run:
                changes = {"active": True}
                endpoint = await client.call(webhook_endpoints.UPDATE, changes, endpoint.id)
            report = evolve(
                report, endpoint=_with_secret(endpoint, report.endpoint), reactivated=True
            )
        return report


def _with_secret(current: WebhookEndpoint, known: WebhookEndpoint | None) -> WebhookEndpoint:
    """Keep the known secret if a response omits it."""
    if current.secret_key is None and known is not None:
        return evolve(current, secret_key=known.secret_key)
    return current


async def _find_endpoint(client: Client, target_url: str) -> WebhookEndpoint | None:
    """Find the endpoint of a URL: an active one, otherwise the first."""
    async with aclosing(client.walk(webhook_endpoints.LIST, {})) as walk:
        endpoints = [endpoint async for endpoint in walk if endpoint.target_url == target_url]
    return min(endpoints, key=lambda endpoint: (not endpoint.active, endpoint.id), default=None)


async def _create_endpoint(client: Client, target_url: str) -> tuple[WebhookEndpoint, bool]:
    """Create the endpoint unless another process was first; return it and whether it is ours."""
    created: WebhookEndpoint | None = None
    try:
        created = await client.call(webhook_endpoints.CREATE, {"target_url": target_url})
    except OutcomeUnknownError:
        existing = await _find_endpoint(client, target_url)
        if existing is None:
            raise
        # It may be another process's endpoint: its secret must come from the list.
        return existing, True
    kept = await _find_endpoint(client, target_url) or created
    if kept.id == created.id:
        return _with_secret(kept, created), True
    await client.execute(webhook_endpoints.DELETE, {}, created.id)
    return kept, False


@frozen(kw_only=True)
class _SubscriptionSync:
    """Synchronization of one endpoint's subscriptions."""

    client: Client
    endpoint: WebhookEndpoint | None = field(repr=False)
    expected: dict[SubscriptionKey, int | None]
    """Expected subscriptions, with the ids of their institutions."""
    renew_before: datetime | None
    prune: bool
    dry_run: bool

    async def list_subscriptions(self) -> dict[SubscriptionKey, list[WebhookSubscription]]:
        """Return the endpoint's subscriptions of the expected practices, the earliest first."""
        if self.endpoint is None:
            return {}
        practices = {id: key.practice for key, id in self.expected.items()}
        subscriptions: dict[SubscriptionKey, list[WebhookSubscription]] = {}
        async with aclosing(
            self.client.walk(webhook_subscriptions.LIST, {}, self.endpoint.id)
        ) as walk:
            async for subscription in walk:
                if (
                    subscription.institution_id in practices
                    and subscription.event
                    and subscription.resource_type
                ):
                    key = SubscriptionKey(
                        practice=practices[subscription.institution_id],
                        resource_type=normalize_resource_type(subscription.resource_type),
                        event=subscription.event,
                    )
                    subscriptions.setdefault(key, []).append(subscription)
        return {
            key: sorted(duplicates, key=lambda subscription: subscription.id)
            for key, duplicates in subscriptions.items()
        }

    async def apply(self, report: WebhookSyncResult) -> WebhookSyncResult:
        before = await self.list_subscriptions()
        outdated = {
            key: [subscription for subscription in subscriptions if self._is_outdated(subscription)]
            for key, subscriptions in before.items()
        }
        current = {
            key: [
                subscription
                for subscription in subscriptions
                if not self._is_outdated(subscription)
            ]
            for key, subscriptions in before.items()
        }
        missing = [key for key in self.expected if not current.get(key)]
        inactive = [
            key
            for key in self.expected
            if current.get(key) and not any(subscription.active for subscription in current[key])
        ]
        outdated_ids = [
            (key, subscription.id)
            for key in self.expected
            for subscription in outdated.get(key, ())
        ]
        unneeded = self._choose_duplicates(before, current) if self.prune else []
        if not self.dry_run:
            created = dict(await _for_each(missing, self._subscribe))
            await _for_each(inactive, lambda key: self._activate(key, current[key][0].id))
            await self._remove_own_duplicates({id for id in created.values() if id is not None})
            await _for_each([id for _, id in (*outdated_ids, *unneeded)], self._unsubscribe)
        return evolve(
            report,
            created_subscriptions=tuple(key for key in missing if not outdated.get(key)),
            renewed=tuple(key for key in self.expected if outdated.get(key)),
            activated=tuple(inactive),
            unchanged=tuple(
                key
                for key in self.expected
                if current.get(key) and key not in inactive and not outdated.get(key)
            ),
            removed=tuple(key for key, _ in unneeded),
            duplicated=tuple(key for key in self.expected if len(current.get(key, ())) > 1),
        )

    def _is_outdated(self, subscription: WebhookSubscription) -> bool:
        if self.renew_before is None:
            return False
        return subscription.created_at is None or subscription.created_at < self.renew_before

    def _choose_duplicates(
        self,
        before: dict[SubscriptionKey, list[WebhookSubscription]],
        current: dict[SubscriptionKey, list[WebhookSubscription]],
    ) -> list[tuple[SubscriptionKey, int]]:
        """Return unexpected subscriptions and duplicates, to remove."""
        unneeded = [
            (key, subscription.id)
            for key in before
            if key not in self.expected
            for subscription in before[key]
        ]
        for key in self.expected:
            kept = _choose_kept(current.get(key, ()))
            unneeded += [
                (key, subscription.id)
                for subscription in current.get(key, ())
                if subscription is not kept
            ]
        return unneeded

    async def _subscribe(self, key: SubscriptionKey) -> tuple[SubscriptionKey, int | None]:
        fields = {**_scope(key), "resource_type": key.resource_type, "event": key.event}
        try:
            created = await self.client.call(webhook_subscriptions.CREATE, fields, self._id)
        except OutcomeUnknownError:
            if any(
                not self._is_outdated(subscription)
                for subscription in (await self.list_subscriptions()).get(key, ())
            ):
                return key, None
            raise
        return key, created.id

    async def _activate(self, key: SubscriptionKey, id: int) -> None:
        practice = key.practice or next(
            (other.practice for other in self.expected if other.practice), None
        )
        fields: dict[str, object] = {"active": True}
        if practice is not None:
            fields["subdomain"] = practice
        await self.client.call(webhook_subscriptions.UPDATE, fields, self._id, id)

    async def _remove_own_duplicates(self, created: set[int]) -> None:
        """Remove our new subscriptions if another process created the same ones before."""
        if not created:
            return
        for subscriptions in (await self.list_subscriptions()).values():
            current = [
                subscription
                for subscription in subscriptions
                if not self._is_outdated(subscription)
            ]
            kept = _choose_kept(current)
            for subscription in current:
                if subscription is not kept and subscription.id in created:
                    await self._unsubscribe(subscription.id)

    async def _unsubscribe(self, id: int) -> None:
        await self.client.execute(webhook_subscriptions.DELETE, {}, self._id, id)

    @property
    def _id(self) -> int:
        if self.endpoint is None:  # pragma: no cover - a dry run writes nothing
            raise AssertionError
        return self.endpoint.id


def _scope(key: SubscriptionKey) -> dict[str, object]:
    return {} if key.practice is None else {"subdomain": key.practice}


def _choose_kept(subscriptions: Sequence[WebhookSubscription]) -> WebhookSubscription | None:
    """Return the subscription to keep: an active one, the earliest."""
    return min(
        subscriptions,
        key=lambda subscription: (not subscription.active, subscription.id),
        default=None,
    )


async def _for_each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Run a function for each item, a few at a time; raise the first error when all have ended."""
    semaphore = asyncio.Semaphore(_MAX_CONCURRENT)

    async def run(item: T) -> R:
        async with semaphore:
            return await work(item)

    results = await asyncio.gather(*map(run, items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
