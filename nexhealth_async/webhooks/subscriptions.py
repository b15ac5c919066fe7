"""Webhook endpoints and subscriptions as they should be, whatever they are now.

Reference: v3 1.2 and 5.1. A subscription is pinned to the API version of the request that made it,
and the API does not show which that was; nor does it keep anything from being made twice.
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
    """What `Webhooks.ensure` found and changed; or would have changed, where it was a dry run."""

    endpoint: WebhookEndpoint | None
    """The endpoint; None if a dry run would make it. ``endpoint.secret_key`` signs deliveries."""
    created: bool = False
    """The endpoint was made: keep its ``secret_key``, which may not be shown again."""
    reactivated: bool = False
    """The endpoint was switched off and is on again: read what was missed by ``updated_since``."""
    created_subscriptions: tuple[SubscriptionKey, ...] = ()
    """Made for the first time."""
    renewed: tuple[SubscriptionKey, ...] = ()
    """Made anew, and the old ones removed after that."""
    activated: tuple[SubscriptionKey, ...] = ()
    """Were there, but inactive."""
    unchanged: tuple[SubscriptionKey, ...] = ()
    """Were there as they should be."""
    removed: tuple[SubscriptionKey, ...] = ()
    """Not wanted, or there twice, and removed; with ``prune`` only."""
    duplicated: tuple[SubscriptionKey, ...] = ()
    """There more than once, and so delivered more than once; ``prune`` ends it."""
    dry_run: bool = False
    """Nothing was changed."""

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or would have been."""
        made = self.created_subscriptions or self.renewed or self.activated or self.removed
        return bool(self.created or self.reactivated or made)


class Webhooks:
    """The webhooks of an API key as a whole; single ones are in ``nex.webhook_endpoints``."""

    def __init__(self, account: Callable[[str | None], Client]) -> None:
        self._account = account

    def __repr__(self) -> str:
        """Show the name; the session behind it holds secrets."""
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
        """Have an address get these events of these practices, and say what had to be changed.

        Doing it again changes nothing. The endpoint is found by its address, or made; one that was
        switched off after failed deliveries is revived. Each missing subscription is made, in the
        session's API version or in ``version``. Processes that do this at once agree on the
        earliest of what they made and remove their own doubles.

        To move to another version, give that ``version`` and, as ``renew_before``, the moment from
        which all are made in it: what was made before is made anew, the new one first, so that
        no event is missed and some come twice. The moment is needed because the API does not show
        the version that a subscription is pinned to.

        Args:
            target_url: Where events are posted to, exactly as it was given before.
            events: Their base names, as ``"appointment_insertion"``; for one that this library
                cannot place the pair of resource type and event.
            practices: Subdomains. Events of onboardings belong to none.
            version: API version whose shapes the deliveries of new subscriptions have.
            renew_before: Subscriptions made before this moment are made anew.
            prune: Also remove from this endpoint what these practices have beyond ``events``, and
                what is there twice. Other practices' subscriptions stay.
            dry_run: Change nothing; say what would be.

        Raises `InvalidArgumentError` for an event that cannot be placed or a practice the key does
        not see, before anything is written, `InvalidRequestError` for what the API does not take,
        and `OutcomeUnknownError` if an answer was lost and what it was about is not there: do it
        again.
        """
        if renew_before is not None:
            check_aware("renew_before", renew_before)
        named = [practices] if isinstance(practices, str) else [*practices]
        caller = self._account(version)
        wanted = await wanted_subscriptions(caller, events, named)
        endpoint = await _endpoint(caller, target_url)
        report = WebhookSyncResult(endpoint=endpoint, dry_run=dry_run)
        if endpoint is None and not dry_run:
            endpoint, made = await _create_endpoint(caller, target_url)
            report = evolve(report, endpoint=endpoint, created=made)
        report = evolve(report, created=report.created or endpoint is None)
        work = _SubscriptionSync(
            caller=caller,
            endpoint=endpoint,
            expected=wanted,
            renew_before=renew_before,
            prune=prune,
            dry_run=dry_run,
        )
        report = await work.apply(report)
        if endpoint is not None and not endpoint.active:
            if not dry_run:
                revived = {"active": True}
                endpoint = await caller.call(webhook_endpoints.UPDATE, revived, endpoint.id)
            report = evolve(
                report, endpoint=_with_secret(endpoint, report.endpoint), reactivated=True
            )
        return report


def _with_secret(now: WebhookEndpoint, before: WebhookEndpoint | None) -> WebhookEndpoint:
    """Keep the secret where an answer leaves it out."""
    if now.secret_key is None and before is not None:
        return evolve(now, secret_key=before.secret_key)
    return now


async def _endpoint(caller: Client, target_url: str) -> WebhookEndpoint | None:
    """Find the endpoint of an address: an active one, else the first."""
    async with aclosing(caller.walk(webhook_endpoints.LIST, {})) as walk:
        found = [one async for one in walk if one.target_url == target_url]
    return min(found, key=lambda one: (not one.active, one.id), default=None)


async def _create_endpoint(caller: Client, target_url: str) -> tuple[WebhookEndpoint, bool]:
    """Make the endpoint, unless another process was first; tell whether it is ours."""
    made: WebhookEndpoint | None = None
    try:
        made = await caller.call(webhook_endpoints.CREATE, {"target_url": target_url})
    except OutcomeUnknownError:
        found = await _endpoint(caller, target_url)
        if found is None:
            raise
        # Ours or another's: whichever it is, its secret has to come with the list.
        return found, True
    first = await _endpoint(caller, target_url) or made
    if first.id == made.id:
        return _with_secret(first, made), True
    await caller.execute(webhook_endpoints.DELETE, {}, made.id)
    return first, False


@frozen(kw_only=True)
class _SubscriptionSync:
    """The subscriptions of one endpoint, and what they should be."""

    caller: Client
    endpoint: WebhookEndpoint | None = field(repr=False)
    expected: dict[SubscriptionKey, int | None]
    """What is wanted, with the institution's id."""
    renew_before: datetime | None
    prune: bool
    dry_run: bool

    async def list_subscriptions(self) -> dict[SubscriptionKey, list[WebhookSubscription]]:
        """What this endpoint has, of practices that were named, the earliest first."""
        if self.endpoint is None:
            return {}
        practices = {id: one.practice for one, id in self.expected.items()}
        found: dict[SubscriptionKey, list[WebhookSubscription]] = {}
        async with aclosing(
            self.caller.walk(webhook_subscriptions.LIST, {}, self.endpoint.id)
        ) as all_:
            async for one in all_:
                if one.institution_id in practices and one.event and one.resource_type:
                    key = SubscriptionKey(
                        practice=practices[one.institution_id],
                        resource_type=normalize_resource_type(one.resource_type),
                        event=one.event,
                    )
                    found.setdefault(key, []).append(one)
        return {key: sorted(rows, key=lambda one: one.id) for key, rows in found.items()}

    async def apply(self, report: WebhookSyncResult) -> WebhookSyncResult:
        before = await self.list_subscriptions()
        old = {key: [one for one in rows if self._is_old(one)] for key, rows in before.items()}
        fresh = {
            key: [one for one in rows if not self._is_old(one)] for key, rows in before.items()
        }
        missing = [key for key in self.expected if not fresh.get(key)]
        asleep = [
            key
            for key in self.expected
            if fresh.get(key) and not any(one.active for one in fresh[key])
        ]
        outdated = [(key, one.id) for key in self.expected for one in old.get(key, ())]
        spare = self._choose_duplicates(before, fresh) if self.prune else []
        if not self.dry_run:
            made = dict(await _each(missing, self._subscribe))
            await _each(asleep, lambda key: self._activate(key, fresh[key][0].id))
            await self._remove_own_duplicates({id for id in made.values() if id is not None})
            await _each([id for _, id in (*outdated, *spare)], self._unsubscribe)
        return evolve(
            report,
            created_subscriptions=tuple(key for key in missing if not old.get(key)),
            renewed=tuple(key for key in self.expected if old.get(key)),
            activated=tuple(asleep),
            unchanged=tuple(
                key
                for key in self.expected
                if fresh.get(key) and key not in asleep and not old.get(key)
            ),
            removed=tuple(key for key, _ in spare),
            duplicated=tuple(key for key in self.expected if len(fresh.get(key, ())) > 1),
        )

    def _is_old(self, subscription: WebhookSubscription) -> bool:
        if self.renew_before is None:
            return False
        return subscription.created_at is None or subscription.created_at < self.renew_before

    def _choose_duplicates(
        self,
        before: dict[SubscriptionKey, list[WebhookSubscription]],
        fresh: dict[SubscriptionKey, list[WebhookSubscription]],
    ) -> list[tuple[SubscriptionKey, int]]:
        """What is not wanted, and all but the first of what is there twice."""
        spare = [(key, one.id) for key in before if key not in self.expected for one in before[key]]
        for key in self.expected:
            kept = _first(fresh.get(key, ()))
            spare += [(key, one.id) for one in fresh.get(key, ()) if one is not kept]
        return spare

    async def _subscribe(self, key: SubscriptionKey) -> tuple[SubscriptionKey, int | None]:
        fields = {**_scope(key), "resource_type": key.resource_type, "event": key.event}
        try:
            made = await self.caller.call(webhook_subscriptions.CREATE, fields, self._id)
        except OutcomeUnknownError:
            if any(not self._is_old(one) for one in (await self.list_subscriptions()).get(key, ())):
                return key, None
            raise
        return key, made.id

    async def _activate(self, key: SubscriptionKey, id: int) -> None:
        practice = key.practice or next(
            (one.practice for one in self.expected if one.practice), None
        )
        fields: dict[str, object] = {"active": True}
        if practice is not None:
            fields["subdomain"] = practice
        await self.caller.call(webhook_subscriptions.UPDATE, fields, self._id, id)

    async def _remove_own_duplicates(self, made: set[int]) -> None:
        """Look again, and take back what another process had made just before us."""
        if not made:
            return
        for rows in (await self.list_subscriptions()).values():
            fresh = [one for one in rows if not self._is_old(one)]
            kept = _first(fresh)
            for one in fresh:
                if one is not kept and one.id in made:
                    await self._unsubscribe(one.id)

    async def _unsubscribe(self, id: int) -> None:
        await self.caller.execute(webhook_subscriptions.DELETE, {}, self._id, id)

    @property
    def _id(self) -> int:
        if self.endpoint is None:  # pragma: no cover - a dry run writes nothing
            raise AssertionError
        return self.endpoint.id


def _scope(key: SubscriptionKey) -> dict[str, object]:
    return {} if key.practice is None else {"subdomain": key.practice}


def _first(rows: Sequence[WebhookSubscription]) -> WebhookSubscription | None:
    """The one that stays where there are several: an active one, the earliest."""
    return min(rows, key=lambda one: (not one.active, one.id), default=None)


async def _each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do the same to each, a few at once; the first error is raised when all have ended."""
    gate = asyncio.Semaphore(_MAX_CONCURRENT)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    results = await asyncio.gather(*map(one, items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
