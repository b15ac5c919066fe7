"""Patient alerts: what a practice wants seen when it opens a patient's file."""

from typing import Required, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import CREATED, Endpoint, OperationSpec, Paging, RateClass
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import PracticeScoped, WholeOptions, filter_names

__all__ = ["AlertChanges", "AlertFilters", "NewAlert", "PatientAlerts"]


class AlertFilters(PracticeScoped, WholeOptions, total=False):
    """Filters for listing the alerts of a patient."""

    include_disabled: bool | None
    """True: also those that were switched off."""


class NewAlert(PracticeScoped, total=False):
    """An alert to be shown with a patient."""

    note: Required[str]
    """Text of the alert."""


class AlertChanges(PracticeScoped, total=False):
    """Changes to an alert."""

    disabled: bool
    """Whether it is switched off."""


LIST: "Endpoint[m.PatientAlert]" = Endpoint(
    resource="patients.alerts",
    verb="walk",
    model="PatientAlert",
    both=OperationSpec(
        method="GET",
        path="/patients/{id}/alerts",
        paging=Paging.WHOLE,
        rate=RateClass.PEOPLE,
        filters=filter_names(AlertFilters),
    ),
)

GET: "Endpoint[m.PatientAlert]" = Endpoint(
    resource="patients.alerts",
    verb="get",
    model="PatientAlert",
    both=OperationSpec(
        method="GET", path="/patients/{id}/alerts/{alert_id}", rate=RateClass.PEOPLE
    ),
)

CREATE: "Endpoint[m.PatientAlert]" = Endpoint(
    resource="patients.alerts",
    verb="create",
    model="PatientAlert",
    both=OperationSpec(
        method="POST",
        path="/patients/{id}/alerts",
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        wrap="patient_alert",
        lookup_hint="Walk patients.alerts of the patient and look for the note.",
    ),
)

UPDATE: "Endpoint[m.PatientAlert]" = Endpoint(
    resource="patients.alerts",
    verb="update",
    model="PatientAlert",
    both=OperationSpec(
        method="PATCH",
        path="/patients/{id}/alerts/{alert_id}",
        rate=RateClass.PEOPLE,
        wrap="patient_alert",
    ),
)


class PatientAlerts(Resource):
    """Alerts that are shown when a practice opens a patient's file."""

    __slots__ = ()

    def walk(self, patient_id: int, /, **filters: Unpack[AlertFilters]) -> "Walk[m.PatientAlert]":
        """Iterate over the alerts of one patient.

        ``GET /patients/{id}/alerts``

        Those that were switched off are left out unless asked for. The list is not paged. Raises
        `MissingScopeError` without a practice.
        """
        return self._client.walk(LIST, filters, patient_id)

    async def get(
        self, patient_id: int, alert_id: int, /, **options: Unpack[PracticeScoped]
    ) -> "m.PatientAlert":
        """Get one alert.

        ``GET /patients/{id}/alerts/{alert_id}``

        Raises:
            NotFoundError: The patient has no record with this id.
        """
        return await self._client.call(GET, options, patient_id, alert_id)

    async def create(self, patient_id: int, /, **fields: Unpack[NewAlert]) -> "m.PatientAlert":
        """Add an alert to a patient.

        ``POST /patients/{id}/alerts``

        Raises:
            NotFoundError: The practice has no patient with this id.
            OutcomeUnknownError: The response was lost. Creating is never retried automatically.
        """
        return await self._client.call(CREATE, fields, patient_id)

    async def update(
        self, patient_id: int, alert_id: int, /, **fields: Unpack[AlertChanges]
    ) -> "m.PatientAlert":
        """Switch an alert off or on.

        ``PATCH /patients/{id}/alerts/{alert_id}``

        Raises:
            NotFoundError: The patient has no record with this id.
        """
        return await self._client.call(UPDATE, fields, patient_id, alert_id)
