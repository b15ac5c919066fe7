"""Iterate over every location of every practice that an API key can see."""

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
    """One location of one practice that an API key can see: both halves of a scope."""

    subdomain: str
    location_id: int
    institution_id: int | None
    institution_name: str | None
    location_name: str | None
    timezone: str | None
    """IANA name."""
    inactive: bool | None


def practice_locations(
    caller: Client, locations: Endpoint[Location], subdomain: str | None = None
) -> FlatWalk[Location, PracticeLocation]:
    """Return every location of every practice that a caller can see, or of the one named."""
    scope = {} if subdomain is None else {"subdomain": subdomain}
    return FlatWalk([caller.walk(locations, scope)], _practice_location)


def _practice_location(location: Location) -> Iterator[PracticeLocation]:
    if location.subdomain is None:
        raise UnexpectedStructureError(
            "a practice was listed without its subdomain", operation="GET /locations"
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
