"""Patients, and the providers who treat them."""

from __future__ import annotations

from typing import Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.filters import (
    NewPatient,
    PatientFilters,
    PatientOptions,
    ProviderFilters,
    ProviderOptions,
)
from nexhealth_async.resources._base import Noun
from nexhealth_async.walk import Walk

__all__ = ["Patients", "Providers"]


class Patients(Noun):
    """The patients of a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PatientFilters]) -> Walk[m.Patient]:
        """Walk the patients of one location.

        ``GET /patients``

        New patients are left out unless told otherwise: the versions' own defaults differ, so
        ``new_patient=False`` is sent; ``None`` leaves it to the server. A location may share its
        system with others, and then theirs are found too; ``location_strict=True`` keeps to its
        own. Phone numbers match exactly, as ten digits. To find people who can be booked, add
        ``inactive=False, non_patient=False``.

        Raises `MissingScope` without a practice and a location.
        """
        return self._caller.walk(to.PATIENTS, filters)

    async def get(self, id: int, /, **options: Unpack[PatientOptions]) -> m.Patient:
        """Get one patient.

        ``GET /patients/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.PATIENTS_GET, options, id)

    async def create(self, **fields: Unpack[NewPatient]) -> m.Patient:
        """Create a patient.

        ``POST /patients``

        The record reaches the practice's own system later: ``foreign_id`` is None until it is
        written there. Give ``gender``, or the API stores ``"Female"``.

        Raises `DuplicatePatient` with the id of the one who exists, `Invalid` for other refusals,
        `MissingScope` without a practice and a location, and `OutcomeUnknown` if the answer was
        lost: creating is never repeated by itself.
        """
        return await self._caller.call(to.PATIENTS_CREATE, fields)


class Providers(Noun):
    """The dentists and hygienists of a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ProviderFilters]) -> Walk[m.Provider]:
        """Walk the providers of a practice, or of one location.

        ``GET /providers``

        ``requestable`` needs a location, from the scope or as ``location_id``. Inactive ones are
        left out by the server unless asked for.

        Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.PROVIDERS, filters)

    async def get(self, id: int, /, **options: Unpack[ProviderOptions]) -> m.Provider:
        """Get one provider.

        ``GET /providers/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.PROVIDERS_GET, options, id)
