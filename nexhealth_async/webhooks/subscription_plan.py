"""Which subscriptions a list of events and practices means."""

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
"""Reference: v3, ``POST …/webhook_subscriptions``."""


@frozen(kw_only=True, order=True)
class SubscriptionKey:
    """One kind of event of one practice."""

    practice: str | None
    """Its subdomain; None for events of no practice in particular."""
    resource_type: str
    event: str


def resource_of(event: str) -> str:
    """Return the resource type of an event; `InvalidArgumentError` if the catalogue lacks it."""
    found = _RESOURCE_OF.get(event)
    if found is None:
        raise InvalidArgumentError(
            "an event is a base name such as 'appointment_insertion'; give one that the catalogue "
            "lacks as the pair of its resource type and its name"
        )
    return found


def normalize_resource_type(resource_type: str) -> str:
    """Return a resource type as the catalogue spells it; the vendor's pages have two spellings."""
    known = event_type_of(resource_type, "")
    return known.resource_type if known else resource_type


async def wanted_subscriptions(
    caller: Client, events: Iterable[str | tuple[str, str]], practices: Sequence[str]
) -> dict[SubscriptionKey, int | None]:
    """Return each subscription that is meant, with its institution's id."""
    if isinstance(events, str):
        events = [events]
    pairs = {
        (resource_of(one), one)
        if isinstance(one, str)
        else (normalize_resource_type(one[0]), one[1])
        for one in events
    }
    if not pairs:
        raise InvalidArgumentError("events is empty; name at least one")
    wanted: dict[SubscriptionKey, int | None] = {
        SubscriptionKey(practice=None, resource_type=kind, event=event): None
        for kind, event in sorted(pairs)
        if kind in _WITHOUT_PRACTICE
    }
    of_practices = sorted(pair for pair in pairs if pair[0] not in _WITHOUT_PRACTICE)
    if of_practices and not practices:
        raise InvalidArgumentError(
            "practices is empty, but these events are those of practices; name at least one"
        )
    if of_practices:
        for practice, id in (await _institutions(caller, practices)).items():
            for kind, event in of_practices:
                wanted[SubscriptionKey(practice=practice, resource_type=kind, event=event)] = id
    return wanted


async def _institutions(caller: Client, practices: Sequence[str]) -> dict[str, int]:
    async with aclosing(caller.walk(institutions.LIST, {})) as walk:
        known = {one.subdomain: one.id async for one in walk if one.subdomain is not None}
    if unknown := sorted({*practices} - {*known}):
        raise InvalidArgumentError(f"the key sees no practice {', '.join(map(repr, unknown))}")
    return {practice: known[practice] for practice in dict.fromkeys(practices)}
