"""Institutions, their locations and operatories, and the state of their synchronisation."""

from __future__ import annotations

from typing import Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.filters import (
    DescriptorFilters,
    InstitutionFilters,
    LocationFilters,
    OperatoryFilters,
    OperatoryOptions,
    SyncStatusFilters,
)
from nexhealth_async.resources._base import Noun
from nexhealth_async.resources._checks import check_one_of
from nexhealth_async.walk import Walk

__all__ = ["Institutions", "LocationDescriptors", "Locations", "Operatories", "SyncStatuses"]


class Institutions(Noun):
    """The practices this API key may see, each with its subdomain."""

    __slots__ = ()

    def walk(self, **options: Unpack[InstitutionFilters]) -> Walk[m.Institution]:
        """Walk the institutions of the account.

        ``GET /institutions``

        Each one's ``subdomain`` is what `practice()` takes. The list comes whole.
        """
        return self._caller.walk(to.INSTITUTIONS, options)

    async def get(self, id: int, /) -> m.Institution:
        """Get one institution.

        ``GET /institutions/{id}``

        Raises `NotFound` for an id the account does not have.
        """
        return await self._caller.call(to.INSTITUTIONS_GET, {}, id)


class LocationDescriptors(Noun):
    """What a location's own system calls its kinds of appointments."""

    __slots__ = ()

    def walk(
        self, location_id: int, /, **filters: Unpack[DescriptorFilters]
    ) -> Walk[m.AppointmentDescriptor]:
        """Walk the appointment descriptors of one location.

        ``GET /locations/{id}/appointment_descriptors``

        The list comes whole.
        """
        return self._caller.walk(to.LOCATION_DESCRIPTORS, filters, location_id)


class Locations(Noun):
    """The offices of practices."""

    __slots__ = ()

    @property
    def appointment_descriptors(self) -> LocationDescriptors:
        """What a location's own system calls its kinds of appointments."""
        return LocationDescriptors(self._caller)

    def walk(self, **filters: Unpack[LocationFilters]) -> Walk[m.Location]:
        """Walk the locations of one practice, or of every practice when none is given.

        ``GET /locations``

        The API sends them grouped by institution; here they come one by one, and each names its
        ``institution_id``. The list comes whole.
        """
        return self._caller.walk(to.LOCATIONS, filters)

    async def get(self, id: int, /) -> m.Location:
        """Get one location.

        ``GET /locations/{id}``

        Raises `NotFound` for an id the account does not have.
        """
        return await self._caller.call(to.LOCATIONS_GET, {}, id)


class Operatories(Noun):
    """The rooms or chairs of a location."""

    __slots__ = ()

    def walk(self, **filters: Unpack[OperatoryFilters]) -> Walk[m.Operatory]:
        """Walk the operatories of one location.

        ``GET /operatories``

        Raises `MissingScope` without a practice and a location.
        """
        return self._caller.walk(to.OPERATORIES, filters)

    async def get(self, id: int, /, **options: Unpack[OperatoryOptions]) -> m.Operatory:
        """Get one operatory.

        ``GET /operatories/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.OPERATORIES_GET, options, id)


class SyncStatuses(Noun):
    """Whether practices' systems are being read and written as they should."""

    __slots__ = ()

    def walk(self, **filters: Unpack[SyncStatusFilters]) -> Walk[m.SyncStatus]:
        """Walk the state of synchronisation, of every practice when none is given.

        ``GET /sync_status``

        While ``write_status`` is red, writes fail. The list comes whole. Raises `InvalidArgument`
        when both ``location_id`` and ``location_ids`` are given.
        """
        check_one_of(filters, ("location_id", "location_ids"), least=0)
        return self._caller.walk(to.SYNC_STATUS, filters)
