"""A practice or a location as a scope: the nouns that take it, with its name bound once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from attrs import field, frozen

from nexhealth_async.core.request import check_subdomain
from nexhealth_async.errors import InvalidArgument
from nexhealth_async.resources import (
    Appointments,
    AppointmentTypes,
    AvailableSlots,
    Institutions,
    Locations,
    Operatories,
    Patients,
    Procedures,
    Providers,
    SyncStatuses,
    WorkingHours,
)
from nexhealth_async.walk import Caller

__all__ = [
    "AccountNouns",
    "Binder",
    "LocationNouns",
    "LocationScope",
    "PracticeNouns",
    "PracticeScope",
]


class Binder(Caller, Protocol):
    """A caller that can be bound to a practice and a location."""

    def bound(self, *, subdomain: str, location_id: int | None = None) -> Binder:
        """Return a caller that fills these in where a call gives none."""
        ...


class LocationNouns(ABC):
    """The nouns that take a location."""

    __slots__ = ()

    @property
    @abstractmethod
    def _caller(self) -> Binder: ...

    @property
    def providers(self) -> Providers:
        """The dentists and hygienists."""
        return Providers(self._caller)

    @property
    def operatories(self) -> Operatories:
        """The rooms or chairs."""
        return Operatories(self._caller)

    @property
    def appointment_types(self) -> AppointmentTypes:
        """The kinds of appointments patients can book."""
        return AppointmentTypes(self._caller)

    @property
    def procedures(self) -> Procedures:
        """Treatments, planned or done."""
        return Procedures(self._caller)

    @property
    def patients(self) -> Patients:
        """The patients."""
        return Patients(self._caller)

    @property
    def working_hours(self) -> WorkingHours:
        """The hours in which providers can be booked."""
        return WorkingHours(self._caller)

    @property
    def available_slots(self) -> AvailableSlots:
        """The times that are free."""
        return AvailableSlots(self._caller)

    @property
    def appointments(self) -> Appointments:
        """The appointments."""
        return Appointments(self._caller)

    @property
    def sync_status(self) -> SyncStatuses:
        """Whether the practice's system is being read and written as it should."""
        return SyncStatuses(self._caller)


class PracticeNouns(LocationNouns):
    """The nouns that take a practice."""

    __slots__ = ()

    @property
    def locations(self) -> Locations:
        """The offices."""
        return Locations(self._caller)


class AccountNouns(PracticeNouns):
    """All nouns, and the way to a practice; what a session offers."""

    __slots__ = ()

    @property
    def institutions(self) -> Institutions:
        """The practices this API key may see."""
        return Institutions(self._caller)

    def practice(self, subdomain: str) -> PracticeScope:
        """Return the nouns of one practice, by its subdomain as ``institutions`` shows it.

        Nothing is sent. Raises `InvalidArgument` for what cannot be a subdomain: the API would
        answer a capital letter with a refusal that says access is denied.
        """
        return PracticeScope(self._caller, check_subdomain(subdomain))


@frozen
class PracticeScope(PracticeNouns):
    """The nouns of one practice, with its subdomain bound. Equal if session and subdomain are."""

    _origin: Binder = field(repr=False, eq=id)
    subdomain: str
    """The practice's slug."""
    _bound: Binder = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Bind once, so that nouns stay cheap."""
        bound = self._origin.bound(subdomain=self.subdomain)
        object.__setattr__(self, "_bound", bound)

    @property
    def _caller(self) -> Binder:
        return self._bound

    def location(self, location_id: int) -> LocationScope:
        """Return the nouns of one location of this practice.

        Nothing is sent, so a location that is another practice's shows at the first call. Raises
        `InvalidArgument` for anything but a positive whole number.
        """
        return LocationScope(self._origin, self.subdomain, _check_location(location_id))


@frozen
class LocationScope(LocationNouns):
    """The nouns of one location, with it and its practice bound. Equal if all three are."""

    _origin: Binder = field(repr=False, eq=id)
    subdomain: str
    """The practice's slug."""
    location_id: int
    """The location's id."""
    _bound: Binder = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Bind once, so that nouns stay cheap."""
        bound = self._origin.bound(subdomain=self.subdomain, location_id=self.location_id)
        object.__setattr__(self, "_bound", bound)

    @property
    def _caller(self) -> Binder:
        return self._bound


def _check_location(location_id: object) -> int:
    if isinstance(location_id, int) and not isinstance(location_id, bool) and location_id > 0:
        return location_id
    raise InvalidArgument("a location's id is a positive whole number")
