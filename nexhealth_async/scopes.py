"""Scopes: the resources of a session, a practice or a location."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from attrs import field, frozen

from nexhealth_async._protocol.requests import check_subdomain
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.resources import AccountResources, LocationResources, PracticeResources

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client

__all__ = [
    "AccountScope",
    "LocationScope",
    "PracticeScope",
]


class AccountScope(AccountResources):
    """All resources, and the scopes of practices; base class of sessions."""

    __slots__ = ()

    @property
    @abstractmethod
    def _client(self) -> Client: ...

    def practice(self, subdomain: str) -> PracticeScope:
        """Return the resources of one practice. Nothing is sent.

        Args:
            subdomain: The practice's subdomain, as ``institutions`` lists it.

        Raises:
            InvalidArgumentError: The text cannot be a subdomain; the API answers capital letters
                with a misleading 403.
        """
        return PracticeScope(self._client, check_subdomain(subdomain))


@frozen
class PracticeScope(PracticeResources):
    """The resources of one practice. Scopes are equal if their sessions and subdomains are."""

    _origin: Client = field(repr=False, eq=id)
    subdomain: str
    """The practice's subdomain."""
    _bound: Client = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Bind the client once, so that resources stay cheap."""
        bound = self._origin.with_options(subdomain=self.subdomain, location_id=None)
        object.__setattr__(self, "_bound", bound)

    @property
    def _client(self) -> Client:
        return self._bound

    def location(self, location_id: int) -> LocationScope:
        """Return the resources of one location of this practice. Nothing is sent.

        A location of another practice raises an error at the first call.

        Args:
            location_id: The location's id.

        Raises:
            InvalidArgumentError: The id is not a positive whole number.
        """
        return LocationScope(self._origin, self.subdomain, _check_location(location_id))


@frozen
class LocationScope(LocationResources):
    """The resources of one location. Scopes are equal if session, practice and location are."""

    _origin: Client = field(repr=False, eq=id)
    subdomain: str
    """The practice's subdomain."""
    location_id: int
    """The location's id."""
    _bound: Client = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Bind the client once, so that resources stay cheap."""
        bound = self._origin.with_options(subdomain=self.subdomain, location_id=self.location_id)
        object.__setattr__(self, "_bound", bound)

    @property
    def _client(self) -> Client:
        return self._bound


def _check_location(location_id: object) -> int:
    if isinstance(location_id, int) and not isinstance(location_id, bool) and location_id > 0:
        return location_id
    if isinstance(location_id, str):
        raise InvalidArgumentError(
            "a location's id must be a whole number, not text; convert it with int()"
        )
    raise InvalidArgumentError("a location's id must be a positive whole number")
