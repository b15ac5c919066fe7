"""Institutions, their locations and operatories, how they are set up, and how they are synced."""

from __future__ import annotations

from typing import Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.filters import (
    DescriptorFilters,
    DocumentTypeFilters,
    InstitutionFilters,
    LocationFilters,
    LocationProviderFilters,
    LocationScoped,
    NewOnboarding,
    OnboardingFilters,
    OperatoryFilters,
    OperatoryOptions,
    SyncStatusFilters,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Noun
from nexhealth_async.resources._checks import check_one_of, check_some_of

__all__ = [
    "DocumentTypes",
    "Institutions",
    "LocationDescriptors",
    "LocationProviders",
    "Locations",
    "Onboardings",
    "Operatories",
    "SyncStatuses",
]


class Institutions(Noun):
    """The practices this API key may see, each with its subdomain."""

    __slots__ = ()

    def walk(self, **options: Unpack[InstitutionFilters]) -> Walk[m.Institution]:
        """Walk the institutions of the account.

        ``GET /institutions``

        Each one's ``subdomain`` is what `AccountNouns.practice` takes. The list comes whole.
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


class LocationProviders(Noun):
    """The providers of one location, by an older way; v2 only."""

    __slots__ = ()

    def walk(
        self, location_id: int, /, **filters: Unpack[LocationProviderFilters]
    ) -> Walk[m.Provider]:
        """Walk the providers of one location, by an older way; v2 only.

        ``GET /locations/{id}/providers``

        Prefer ``providers.walk(location_id=...)``, which both versions have. Raises `MissingScope`
        without a practice.
        """
        return self._caller.walk(to.LOCATION_PROVIDERS, filters, location_id)


class Locations(Noun):
    """The offices of practices."""

    __slots__ = ()

    @property
    def appointment_descriptors(self) -> LocationDescriptors:
        """What a location's own system calls its kinds of appointments."""
        return LocationDescriptors(self._caller)

    @property
    def providers(self) -> LocationProviders:
        """The providers of one location, by an older way; v2 only."""
        return LocationProviders(self._caller)

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


class DocumentTypes(Noun):
    """The kinds of documents that can be filed under patients."""

    __slots__ = ()

    def walk(self, **filters: Unpack[DocumentTypeFilters]) -> Walk[m.DocumentType]:
        """Walk the document types of one location.

        ``GET /document_types``

        Switched-off ones are left out by the server. The list comes whole. Raises `MissingScope`
        without a practice and a location.
        """
        return self._caller.walk(to.DOCUMENT_TYPES, filters)

    async def get(self, id: int, /, **options: Unpack[LocationScoped]) -> m.DocumentType:
        """Get one document type of one location.

        ``GET /document_types/{id}``

        Raises `NotFound` for an id this location does not have, and `MissingScope` without a
        practice and a location.
        """
        return await self._caller.call(to.DOCUMENT_TYPES_GET, options, id)


class Onboardings(Noun):
    """The setting up of practices that are to join; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[OnboardingFilters]) -> Walk[m.Onboarding]:
        """Walk the onboardings of one practice, or of all when none is given; v3 only.

        ``GET /onboardings``

        The newest come first, unless ``sort`` says otherwise.
        """
        return self._caller.walk(to.ONBOARDINGS, filters)

    async def get(self, id: str, /) -> m.Onboarding:
        """Get one onboarding by its id, which is a text; v3 only.

        ``GET /onboardings/{hashid}``

        Raises `NotFound` for an id the account does not have.
        """
        return await self._caller.call(to.ONBOARDINGS_GET, {}, id)

    async def create(self, **fields: Unpack[NewOnboarding]) -> m.Onboarding:
        """Begin to set up a practice, or more locations of one that exists; v3 only.

        ``POST /onboardings``

        The answer's ``url`` is for the practice's staff and holds for three months. Only production
        keys may do this.

        Raises `InvalidArgument` unless ``institution_name`` or ``subdomain`` is given, a scope's
        not counting, `Invalid` for what the API refuses, and `OutcomeUnknown` if the answer was
        lost: creating is never repeated by itself.
        """
        check_some_of(fields, ("institution_name", "subdomain"))
        return await self._caller.call(to.ONBOARDINGS_CREATE, fields)
