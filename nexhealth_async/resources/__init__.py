"""The resources of the API, grouped by the narrowest scope that offers them.

Each resource has its own module, which declares its filters, its operations and its
methods. List a new resource in the class of the narrowest scope that it takes.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from inspect import isclass
from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import LOGIN, Endpoint, Operation, operation_of
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.adjustment_types import AdjustmentTypes
from nexhealth_async.resources.adjustments import Adjustments
from nexhealth_async.resources.appointment_categories import AppointmentCategories
from nexhealth_async.resources.appointment_types import AppointmentTypes
from nexhealth_async.resources.appointments import Appointments
from nexhealth_async.resources.available_slots import AvailableSlots
from nexhealth_async.resources.charges import Charges
from nexhealth_async.resources.claims import Claims
from nexhealth_async.resources.clinical_notes import ClinicalNotes
from nexhealth_async.resources.document_types import DocumentTypes
from nexhealth_async.resources.fee_schedule_procedures import FeeScheduleProcedures
from nexhealth_async.resources.fee_schedules import FeeSchedules
from nexhealth_async.resources.guarantor_balances import GuarantorBalances
from nexhealth_async.resources.institutions import Institutions
from nexhealth_async.resources.insurance_balances import InsuranceBalances
from nexhealth_async.resources.insurance_coverages import InsuranceCoverages
from nexhealth_async.resources.insurance_plans import InsurancePlans
from nexhealth_async.resources.locations import Locations
from nexhealth_async.resources.nex_staff import NexStaff
from nexhealth_async.resources.onboardings import Onboardings
from nexhealth_async.resources.operatories import Operatories
from nexhealth_async.resources.patient_recalls import PatientRecalls
from nexhealth_async.resources.patients import Patients
from nexhealth_async.resources.payment_plans import PaymentPlans
from nexhealth_async.resources.payment_types import PaymentTypes
from nexhealth_async.resources.payments import Payments
from nexhealth_async.resources.procedures import Procedures
from nexhealth_async.resources.providers import Providers
from nexhealth_async.resources.recall_types import RecallTypes
from nexhealth_async.resources.sync_status import SyncStatuses
from nexhealth_async.resources.treatment_plans import TreatmentPlans
from nexhealth_async.resources.webhook_endpoints import WebhookEndpoints
from nexhealth_async.resources.working_hour_labels import WorkingHourLabels
from nexhealth_async.resources.working_hours import WorkingHours

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client

__all__ = [
    "ENDPOINTS",
    "AccountResources",
    "LocationResources",
    "PracticeResources",
    "models_of",
    "operations",
]


class LocationResources(ABC):
    """The resources that take a location."""

    __slots__ = ()

    @property
    @abstractmethod
    def _client(self) -> "Client": ...

    @property
    def providers(self) -> Providers:
        """The dentists and hygienists."""
        return Providers(self._client)

    @property
    def operatories(self) -> Operatories:
        """The rooms or chairs."""
        return Operatories(self._client)

    @property
    def appointment_types(self) -> AppointmentTypes:
        """The kinds of appointments patients can book."""
        return AppointmentTypes(self._client)

    @property
    def procedures(self) -> Procedures:
        """Treatments, planned or done."""
        return Procedures(self._client)

    @property
    def patients(self) -> Patients:
        """The patients."""
        return Patients(self._client)

    @property
    def working_hours(self) -> WorkingHours:
        """The hours in which providers can be booked."""
        return WorkingHours(self._client)

    @property
    def available_slots(self) -> AvailableSlots:
        """The times that are free."""
        return AvailableSlots(self._client)

    @property
    def appointments(self) -> Appointments:
        """The appointments."""
        return Appointments(self._client)

    @property
    def appointment_categories(self) -> AppointmentCategories:
        """The v2 predecessor of appointment types."""
        return AppointmentCategories(self._client)

    @property
    def patient_recalls(self) -> PatientRecalls:
        """The visits patients are due for."""
        return PatientRecalls(self._client)

    @property
    def recall_types(self) -> RecallTypes:
        """The kinds of recalls."""
        return RecallTypes(self._client)

    @property
    def clinical_notes(self) -> ClinicalNotes:
        """Notes on treatments; v3 only."""
        return ClinicalNotes(self._client)

    @property
    def document_types(self) -> DocumentTypes:
        """The kinds of documents that can be filed under patients."""
        return DocumentTypes(self._client)

    @property
    def working_hour_labels(self) -> WorkingHourLabels:
        """Labels of working hours; v3 only."""
        return WorkingHourLabels(self._client)

    @property
    def nex_staff(self) -> NexStaff:
        """The people who use NexHealth at a practice."""
        return NexStaff(self._client)

    @property
    def sync_status(self) -> SyncStatuses:
        """The state of the connection to the practice's own system."""
        return SyncStatuses(self._client)

    @property
    def charges(self) -> Charges:
        """Charges to patients; v3 only."""
        return Charges(self._client)

    @property
    def payments(self) -> Payments:
        """Money received and given back; v3 only."""
        return Payments(self._client)

    @property
    def adjustments(self) -> Adjustments:
        """Corrections of what patients owe; v3 only."""
        return Adjustments(self._client)

    @property
    def payment_types(self) -> PaymentTypes:
        """The kinds of payments; v3 only."""
        return PaymentTypes(self._client)

    @property
    def adjustment_types(self) -> AdjustmentTypes:
        """The kinds of adjustments; v3 only."""
        return AdjustmentTypes(self._client)

    @property
    def claims(self) -> Claims:
        """Claims to insurers; v3 only."""
        return Claims(self._client)

    @property
    def guarantor_balances(self) -> GuarantorBalances:
        """Balances of the people who pay for patients; v3 only."""
        return GuarantorBalances(self._client)

    @property
    def insurance_balances(self) -> InsuranceBalances:
        """Balances that insurers are expected to pay; v3 only."""
        return InsuranceBalances(self._client)

    @property
    def fee_schedules(self) -> FeeSchedules:
        """The price lists; v3 only."""
        return FeeSchedules(self._client)

    @property
    def fee_schedule_procedures(self) -> FeeScheduleProcedures:
        """Prices of procedures in the fee schedules; v3 only."""
        return FeeScheduleProcedures(self._client)

    @property
    def payment_plans(self) -> PaymentPlans:
        """Payments in instalments; v3 only."""
        return PaymentPlans(self._client)


class PracticeResources(LocationResources):
    """The resources that take a practice."""

    __slots__ = ()

    @property
    def locations(self) -> Locations:
        """The offices."""
        return Locations(self._client)

    @property
    def treatment_plans(self) -> TreatmentPlans:
        """Treatments proposed to patients; v3 only."""
        return TreatmentPlans(self._client)

    @property
    def onboardings(self) -> Onboardings:
        """The setting up of practices that are to join; v3 only."""
        return Onboardings(self._client)

    @property
    def insurance_plans(self) -> InsurancePlans:
        """The insurance plans the practice knows."""
        return InsurancePlans(self._client)

    @property
    def insurance_coverages(self) -> InsuranceCoverages:
        """Coverages of patients by insurance plans."""
        return InsuranceCoverages(self._client)

    @property
    def webhook_endpoints(self) -> WebhookEndpoints:
        """The addresses events are sent to; they belong to the API key."""
        return WebhookEndpoints(self._client)


class AccountResources(PracticeResources):
    """All resources."""

    __slots__ = ()

    @property
    def institutions(self) -> Institutions:
        """The practices this API key may see."""
        return Institutions(self._client)


def _resources_of(offering: type) -> Iterator[type[Resource]]:
    """Yield the resources that a class has as properties, and those that these have."""
    for kind in offering.__mro__:
        for member in vars(kind).values():
            if isinstance(member, property) and member.fget is not None:
                resource = member.fget.__annotations__.get("return")
                if isclass(resource) and issubclass(resource, Resource):
                    yield resource
                    yield from _resources_of(resource)


def _endpoints() -> Iterator[Endpoint[object]]:
    """Yield every endpoint that the modules of the resources declare, once."""
    modules = dict.fromkeys(kind.__module__ for kind in _resources_of(AccountResources))
    for module in modules:
        for value in vars(sys.modules[module]).values():
            if isinstance(value, Endpoint):
                yield value


ENDPOINTS: tuple[Endpoint[object], ...] = tuple(_endpoints())
"""Every operation of the API but the login."""


def operations() -> list[Operation]:
    """List every operation of every version as data, the login included."""
    login = Endpoint[None](resource="authenticates", verb="log_in", model=None, both=LOGIN)
    return [
        operation_of(endpoint, version, row)
        for endpoint in (login, *ENDPOINTS)
        for version, row in (("v2", endpoint.v2), ("v3", endpoint.v3))
        if row is not None
    ]


def models_of(resources: Collection[str]) -> frozenset[str]:
    """Return the models that the methods of these resources return.

    Raises:
        InvalidArgumentError: There is no such resource.
    """
    known = {endpoint.resource.split(".")[0] for endpoint in ENDPOINTS}
    if unknown := set(resources) - known:
        raise InvalidArgumentError(
            f"preload takes resources, such as patients; there is no {', '.join(sorted(unknown))}"
        )
    return frozenset(
        endpoint.model
        for endpoint in ENDPOINTS
        if endpoint.model is not None and endpoint.resource.split(".")[0] in resources
    )
