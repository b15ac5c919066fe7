"""The fields of seeded rows, for type checkers and editors.

At run time rows are plain dicts, and a test may put anything into them. What a client wrote may
lack fields, or have more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypedDict, TypeVar

__all__ = [
    "AppointmentRow",
    "AppointmentTypeRow",
    "AvailabilityRow",
    "BodySiteRow",
    "MoneyRow",
    "OperatoryRow",
    "PatientBioRow",
    "PatientRow",
    "ProcedureRow",
    "ProviderRow",
    "RequestableRow",
    "Rows",
]

R_co = TypeVar("R_co", covariant=True)


class Rows(Protocol[R_co]):
    """A `RecordTable` whose rows have known fields."""

    @property
    def ids(self) -> Sequence[int]:
        """Every id, in the order of listings."""
        ...

    @property
    def first_id(self) -> int:
        """The id of the first seeded row, or of the first one to come."""
        ...

    @property
    def version(self) -> int:
        """Rises with every change."""
        ...

    def __len__(self) -> int: ...

    def __contains__(self, id: object) -> bool: ...

    def __iter__(self) -> Iterator[R_co]: ...

    def get(self, id: int) -> R_co | None:
        """Return a row, or None."""
        ...

    def row(self, id: int) -> R_co:
        """Return a row that is there; raises KeyError for another."""
        ...

    def insert(self, position: int | None = None, **fields: object) -> int:
        """Add a row and return its id: at the end, or at a position."""
        ...

    def add(self, row: dict[str, object]) -> int:
        """Append a complete row as it is, under a new id, which is returned."""
        ...

    def delete(self, id: int) -> None:
        """Take a row away; those behind it move up by one."""
        ...

    def update(self, id: int, **fields: object) -> None:
        """Change fields of a row, to anything; ``updated_at`` moves unless it is given."""
        ...

    def move(self, id: int, position: int) -> None:
        """Take a row from where it is listed and put it at another position."""
        ...

    def where(self, field: str, value: object) -> list[int]:
        """Return the ids of the rows whose field has this value."""
        ...


class MoneyRow(TypedDict):
    """An amount."""

    amount: str
    currency: str


class PatientBioRow(TypedDict):
    """A patient's ``bio``."""

    city: str
    state: str
    gender: str
    zip_code: str
    new_patient: bool
    non_patient: bool
    phone_number: str
    date_of_birth: str
    address_line_1: str
    address_line_2: str
    street_address: str
    cell_phone_number: str
    home_phone_number: str
    work_phone_number: str
    verified_mobile: str


class _Common(TypedDict):
    id: int


class _Timed(_Common):
    created_at: str
    updated_at: str


class _Synced(TypedDict):
    foreign_id: str | None
    foreign_id_type: str
    last_sync_time: str | None


class PatientRow(_Timed, _Synced):
    """A patient."""

    email: str | None
    first_name: str
    middle_name: str | None
    last_name: str
    name: str
    institution_id: int
    bio: PatientBioRow
    inactive: bool
    guarantor_id: int | None
    unsubscribe_sms: bool
    balance: MoneyRow
    billing_type: str | None
    chart_id: str | None
    preferred_language: str | None
    preferred_locale: str | None
    location_ids: list[int]
    provider_id: int | None


class RequestableRow(TypedDict):
    """A location where patients may ask for a provider."""

    location_id: int


class ProviderRow(_Timed, _Synced):
    """A provider."""

    email: str | None
    first_name: str
    middle_name: str | None
    last_name: str
    name: str
    institution_id: int
    bio: dict[str, object]
    inactive: bool
    display_name: str | None
    npi: str | None
    tin: str | None
    state_license: str | None
    specialty_code: str | None
    nexhealth_specialty: str | None
    profile_url: str | None
    provider_requestables: list[RequestableRow]


class OperatoryRow(_Timed, _Synced):
    """An operatory."""

    name: str
    location_id: int
    display_name: str | None
    profile_url: str | None
    active: bool
    bookable_online: bool


class AppointmentTypeRow(_Common):
    """An appointment type."""

    name: str
    parent_type: str
    parent_id: int
    minutes: int
    bookable_online: bool


class AvailabilityRow(_Common):
    """Working hours, as v2 names them."""

    provider_id: int
    location_id: int
    operatory_id: int | None
    begin_time: str
    end_time: str
    days: list[str]
    specific_date: str | None
    custom_recurrence: dict[str, object] | None
    tz_offset: str
    active: bool
    synced: bool
    label_id: int | None
    appointment_type_ids: list[int]


class AppointmentRow(_Timed, _Synced):
    """An appointment."""

    patient_id: int | None
    provider_id: int | None
    provider_name: str | None
    start_time: str
    confirmed: bool
    patient_missed: bool
    note: str | None
    end_time: str
    unavailable: bool
    cancelled: bool
    timezone: str
    institution_id: int
    appointment_type_id: int | None
    checkin_at: str | None
    location_id: int
    misc: dict[str, object]
    patient_confirmed: bool
    created_by_user_id: int | None
    is_guardian: bool
    patient_confirmed_at: str | None
    cancelled_at: str | None
    is_new_clients_patient: bool | None
    confirmed_at: str | None
    sooner_if_possible: bool
    operatory_id: int | None
    deleted: bool
    checked_out: bool
    checked_out_at: str | None
    referrer: str | None
    is_past_patient: bool
    timezone_offset: str


class BodySiteRow(TypedDict):
    """The tooth and the surface of a procedure."""

    tooth: str
    surface: str | None


class ProcedureRow(_Common):
    """A procedure."""

    location_id: int
    patient_id: int
    provider_id: int
    appointment_id: int | None
    code: str
    name: str
    status: str
    updated_at: str
    body_site: BodySiteRow
    fee: MoneyRow
    start_date: str
    end_date: str | None
