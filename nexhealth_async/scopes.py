"""Scopes: the resources of a session, a practice or a location, with its name bound once."""

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
    """All resources, and the scopes of practices: what a session offers."""

    __slots__ = ()

    @property
    @abstractmethod
    def _client(self) -> Client: ...

    def practice(self, subdomain: str) -> PracticeScope:
        """Return the resources of one practice, by its subdomain as ``institutions`` shows it.

        Nothing is sent. Raises `InvalidArgumentError` for what cannot be a subdomain: the API would
        answer a capital letter with a refusal that says access is denied.
        """
        return PracticeScope(self._client, check_subdomain(subdomain))


@frozen
class PracticeScope(PracticeResources):
    """The resources of one practice. Two are equal if session and subdomain are."""

    _origin: Client = field(repr=False, eq=id)
    subdomain: str
    """The practice's slug."""
    _bound: Client = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Bind once, so that resources stay cheap."""
        bound = self._origin.with_options(subdomain=self.subdomain, location_id=None)
        object.__setattr__(self, "_bound", bound)

    @property
    def _client(self) -> Client:
        return self._bound

    def location(self, location_id: int) -> LocationScope:
        """Return the resources of one location of this practice.

        Nothing is sent, so a location that is another practice's shows at the first call. Raises
        `InvalidArgumentError` for anything but a positive whole number.
        """
        return LocationScope(self._origin, self.subdomain, _check_location(location_id))


@frozen
class LocationScope(LocationResources):
    """The resources of one location. Two are equal if session, practice and location are."""

    _origin: Client = field(repr=False, eq=id)
    subdomain: str
    """The practice's slug."""
    location_id: int
    """The location's id."""
    _bound: Client = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Bind once, so that resources stay cheap."""
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
            "a location's id is a whole number, not text; int(...) makes one"
        )
    raise InvalidArgumentError("a location's id is a positive whole number")
