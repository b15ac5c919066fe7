"""A practice or a location as a scope: the nouns that take it, with its name bound once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from attrs import field, frozen

from nexhealth_async._protocol.requests import check_subdomain
from nexhealth_async.errors import InvalidArgument
from nexhealth_async.pagination.walk import Caller
from nexhealth_async.resources import (
    Adjustments,
    AdjustmentTypes,
    AppointmentCategories,
    Appointments,
    AppointmentTypes,
    AvailableSlots,
    Charges,
    Claims,
    ClinicalNotes,
    DocumentTypes,
    FeeScheduleProcedures,
    FeeSchedules,
    GuarantorBalances,
    Institutions,
    InsuranceBalances,
    InsuranceCoverages,
    InsurancePlans,
    Locations,
    NexStaff,
    Onboardings,
    Operatories,
    PatientRecalls,
    Patients,
    PaymentPlans,
    Payments,
    PaymentTypes,
    Procedures,
    Providers,
    RecallTypes,
    SyncStatuses,
    TreatmentPlans,
    WebhookEndpoints,
    WorkingHourLabels,
    WorkingHours,
)

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
    def appointment_categories(self) -> AppointmentCategories:
        """What appointment types were before they had that name; v2 only."""
        return AppointmentCategories(self._caller)

    @property
    def patient_recalls(self) -> PatientRecalls:
        """The visits patients are due for."""
        return PatientRecalls(self._caller)

    @property
    def recall_types(self) -> RecallTypes:
        """The kinds of recalls."""
        return RecallTypes(self._caller)

    @property
    def clinical_notes(self) -> ClinicalNotes:
        """What was written down about treatments; v3 only."""
        return ClinicalNotes(self._caller)

    @property
    def document_types(self) -> DocumentTypes:
        """The kinds of documents that can be filed under patients."""
        return DocumentTypes(self._caller)

    @property
    def working_hour_labels(self) -> WorkingHourLabels:
        """What working hours are called; v3 only."""
        return WorkingHourLabels(self._caller)

    @property
    def nex_staff(self) -> NexStaff:
        """The people who use NexHealth at a practice."""
        return NexStaff(self._caller)

    @property
    def sync_status(self) -> SyncStatuses:
        """Whether the practice's system is being read and written as it should."""
        return SyncStatuses(self._caller)

    @property
    def charges(self) -> Charges:
        """What patients were charged; v3 only."""
        return Charges(self._caller)

    @property
    def payments(self) -> Payments:
        """Money received and given back; v3 only."""
        return Payments(self._caller)

    @property
    def adjustments(self) -> Adjustments:
        """Corrections of what patients owe; v3 only."""
        return Adjustments(self._caller)

    @property
    def payment_types(self) -> PaymentTypes:
        """The kinds of payments; v3 only."""
        return PaymentTypes(self._caller)

    @property
    def adjustment_types(self) -> AdjustmentTypes:
        """The kinds of adjustments; v3 only."""
        return AdjustmentTypes(self._caller)

    @property
    def claims(self) -> Claims:
        """What insurers were asked to pay; v3 only."""
        return Claims(self._caller)

    @property
    def guarantor_balances(self) -> GuarantorBalances:
        """What those who pay for patients owe; v3 only."""
        return GuarantorBalances(self._caller)

    @property
    def insurance_balances(self) -> InsuranceBalances:
        """What insurers are expected to pay; v3 only."""
        return InsuranceBalances(self._caller)

    @property
    def fee_schedules(self) -> FeeSchedules:
        """The price lists; v3 only."""
        return FeeSchedules(self._caller)

    @property
    def fee_schedule_procedures(self) -> FeeScheduleProcedures:
        """What price lists ask for each procedure; v3 only."""
        return FeeScheduleProcedures(self._caller)

    @property
    def payment_plans(self) -> PaymentPlans:
        """What patients pay in instalments; v3 only."""
        return PaymentPlans(self._caller)


class PracticeNouns(LocationNouns):
    """The nouns that take a practice."""

    __slots__ = ()

    @property
    def locations(self) -> Locations:
        """The offices."""
        return Locations(self._caller)

    @property
    def treatment_plans(self) -> TreatmentPlans:
        """What is proposed to patients; v3 only."""
        return TreatmentPlans(self._caller)

    @property
    def onboardings(self) -> Onboardings:
        """The setting up of practices that are to join; v3 only."""
        return Onboardings(self._caller)

    @property
    def insurance_plans(self) -> InsurancePlans:
        """The insurance plans the practice knows."""
        return InsurancePlans(self._caller)

    @property
    def insurance_coverages(self) -> InsuranceCoverages:
        """Which patient is covered by which plan."""
        return InsuranceCoverages(self._caller)

    @property
    def webhook_endpoints(self) -> WebhookEndpoints:
        """The addresses events are sent to; they belong to the API key."""
        return WebhookEndpoints(self._caller)


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
    if isinstance(location_id, str):
        raise InvalidArgument("a location's id is a whole number, not text; int(...) makes one")
    raise InvalidArgument("a location's id is a positive whole number")
