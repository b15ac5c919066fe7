"""Expected subscriptions, from events and practices."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async._protocol.webhook_events import EVENTS, event_type_of
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.resources import institutions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nexhealth_async._client.client import Client

__all__ = ["SubscriptionKey", "normalize_resource_type", "resource_of", "wanted_subscriptions"]

_RESOURCE_OF = {event: kind for kind, events in EVENTS.items() for event in events}
_WITHOUT_PRACTICE = frozenset({"Onboarding"})
"""Resource types without a practice. Reference: v3, ``POST …/webhook_subscriptions``."""


@frozen(kw_only=True, order=True)
class SubscriptionKey:
    """Key of a subscription: one event of one practice."""

    practice: str | None
    """Subdomain; None for events without a practice."""
    resource_type: str
    event: str


def resource_of(event: str) -> str:
    """Return the resource type of an event; `InvalidArgumentError` if it is unknown."""
    resource_type = _RESOURCE_OF.get(event)
    if resource_type is None:
        raise InvalidArgumentError(
            "unknown event; use a base name such as 'appointment_insertion', or a pair of resource "
            "type and name for an event that this library lacks"
        )
    return resource_type


def normalize_resource_type(resource_type: str) -> str:
    """Return a resource type in the catalogue's spelling; the vendor uses two."""
    known = event_type_of(resource_type, "")
    return known.resource_type if known else resource_type


async def wanted_subscriptions(
    client: Client, events: Iterable[str | tuple[str, str]], practices: Sequence[str]
) -> dict[SubscriptionKey, int | None]:
    """Return the expected subscriptions, with the ids of their institutions."""
    if isinstance(events, str):
        events = [events]
    pairs = {
        (resource_of(event), event)
        if isinstance(event, str)
        else (normalize_resource_type(event[0]), event[1])
        for event in events
    }
    if not pairs:
        raise InvalidArgumentError("events is empty; name at least one")
    expected: dict[SubscriptionKey, int | None] = {
        SubscriptionKey(practice=None, resource_type=resource_type, event=event): None
        for resource_type, event in sorted(pairs)
        if resource_type in _WITHOUT_PRACTICE
    }
    practice_events = sorted(pair for pair in pairs if pair[0] not in _WITHOUT_PRACTICE)
    if practice_events and not practices:
        raise InvalidArgumentError(
            "practices is empty, but these events belong to practices; name at least one"
        )
    if practice_events:
        for practice, id in (await _institutions(client, practices)).items():
            for resource_type, event in practice_events:
                expected[
                    SubscriptionKey(practice=practice, resource_type=resource_type, event=event)
                ] = id
    return expected


async def _institutions(client: Client, practices: Sequence[str]) -> dict[str, int]:
    async with aclosing(client.walk(institutions.LIST, {})) as walk:
        known = {
            institution.subdomain: institution.id
            async for institution in walk
            if institution.subdomain is not None
        }
    if unknown := sorted({*practices} - {*known}):
        raise InvalidArgumentError(f"the key cannot see practice {', '.join(map(repr, unknown))}")
    return {practice: known[practice] for practice in dict.fromkeys(practices)}
