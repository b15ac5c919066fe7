"""Iteration over all locations of all practices that an API key can access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async.errors import UnexpectedStructureError
from nexhealth_async.pagination.flatten import FlatWalk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexhealth_async._client.client import Client
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.models import Location

__all__ = ["PracticeLocation", "practice_locations"]


@frozen(kw_only=True)
class PracticeLocation:
    """A location and its practice, with the subdomain and id that scopes need."""

    subdomain: str
    location_id: int
    institution_id: int | None
    institution_name: str | None
    location_name: str | None
    timezone: str | None
    """IANA name of the time zone."""
    inactive: bool | None


def practice_locations(
    client: Client, locations: Endpoint[Location], subdomain: str | None = None
) -> FlatWalk[Location, PracticeLocation]:
    """Return the locations of all practices that a client can access, or of one practice."""
    scope = {} if subdomain is None else {"subdomain": subdomain}
    return FlatWalk([client.walk(locations, scope)], _practice_location)


def _practice_location(location: Location) -> Iterator[PracticeLocation]:
    if location.subdomain is None:
        raise UnexpectedStructureError(
            "the response lists a practice without its subdomain", operation="GET /locations"
        )
    yield PracticeLocation(
        subdomain=location.subdomain,
        location_id=location.id,
        institution_id=location.institution_id,
        institution_name=location.institution_name,
        location_name=location.name,
        timezone=location.tz,
        inactive=location.inactive,
    )
