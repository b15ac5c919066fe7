"""Types of seeded rows, for type checkers and editors.

At run time rows are plain dicts, in which tests may set any value. Rows written by clients may lack
fields or have others.
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
        """Ids of all rows, in the order of listings."""
        ...

    @property
    def first_id(self) -> int:
        """Id of the first seeded row, or of the next one if there are none."""
        ...

    @property
    def version(self) -> int:
        """Number that increases with every change."""
        ...

    def __len__(self) -> int: ...

    def __contains__(self, id: object) -> bool: ...

    def __iter__(self) -> Iterator[R_co]: ...

    def get(self, id: int) -> R_co | None:
        """Return a row, or None."""
        ...

    def row(self, id: int) -> R_co:
        """Return a row; raise KeyError if there is none."""
        ...

    def insert(self, position: int | None = None, **fields: object) -> int:
        """Insert a row at a position, by default at the end, and return its id."""
        ...

    def add(self, row: dict[str, object]) -> int:
        """Append a complete row unchanged, and return its new id."""
        ...

    def delete(self, id: int) -> None:
        """Delete a row; the following rows move up by one position."""
        ...

    def update(self, id: int, **fields: object) -> None:
        """Set fields of a row to any values, and ``updated_at`` to the current time by default."""
        ...

    def move(self, id: int, position: int) -> None:
        """Move a row to another position."""
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
    """A location at which patients can request a provider."""

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
