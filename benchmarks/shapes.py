"""The records as plain classes, for the peers: attrs, ``msgspec.Struct`` and pydantic.

Each kind of record has a class with exactly its own fields, which favours the alternatives: the
library's `Patient` has every field that was ever observed.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import attrs
import msgspec
from pydantic import BaseModel

__all__ = [
    "AttrsLight",
    "AttrsWide",
    "PydanticLight",
    "PydanticPage",
    "PydanticWide",
    "StructLight",
    "StructPage",
    "StructWide",
]

S = TypeVar("S", bound=msgspec.Struct)
P = TypeVar("P", bound=BaseModel)


@attrs.frozen(kw_only=True)
class AttrsBio:
    """Personal data of a patient."""

    city: str | None = None
    state: str | None = None
    gender: str | None = None
    zip_code: str | None = None
    new_patient: bool | None = None
    non_patient: bool | None = None
    phone_number: str | None = None
    date_of_birth: date | None = None
    verified_mobile: str | None = None


@attrs.frozen(kw_only=True)
class AttrsMoney:
    """An amount of money."""

    amount: Decimal | None = None
    currency: str | None = None


@attrs.frozen(kw_only=True)
class AttrsAppointment:
    """The short form of an appointment."""

    id: int | None = None
    provider_id: int | None = None
    provider_name: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    location_id: int | None = None
    confirmed: bool | None = None


@attrs.frozen(kw_only=True)
class AttrsAddress:
    """A postal address."""

    line_1: str | None = None
    line_2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None


@attrs.frozen(kw_only=True)
class AttrsLight:
    """A light record."""

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    account_activated: bool | None = None
    middle_name: str | None = None
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    requested_access: bool | None = None
    waitlisted_at: datetime | None = None
    inst_ids: list[int] = attrs.Factory(list[int])
    prov_ids: list[int] = attrs.Factory(list[int])
    config: dict[str, Any] | None = None
    unsubscribe_emails: bool | None = None
    last_import_id: str | None = None
    invalid_email: list[str] = attrs.Factory(list[str])
    inactive: bool | None = None
    last_sync: datetime | None = None
    last_sync_time: datetime | None = None
    unsubscribe_sms: bool | None = None


@attrs.frozen(kw_only=True)
class AttrsWide(AttrsLight):
    """A wide record."""

    name: str | None = None
    institution_id: int | None = None
    bio: AttrsBio | None = None
    guarantor_id: int | None = None
    balance: AttrsMoney | None = None
    billing_type: str | None = None
    chart_id: str | None = None
    preferred_language: str | None = None
    preferred_locale: str | None = None
    location_ids: list[int] = attrs.Factory(list[int])
    provider_id: int | None = None
    upcoming_appts: list[AttrsAppointment] = attrs.Factory(list[AttrsAppointment])
    last_visited_appointment: AttrsAppointment | None = None
    address: AttrsAddress | None = None
    display_name: str | None = None
    profile_url: str | None = None
    npi: str | None = None
    last_visit: datetime | None = None
    contact_email: str | None = None


class StructBio(msgspec.Struct, kw_only=True):
    """Personal data of a patient."""

    city: str | None = None
    state: str | None = None
    gender: str | None = None
    zip_code: str | None = None
    new_patient: bool | None = None
    non_patient: bool | None = None
    phone_number: str | None = None
    date_of_birth: date | None = None
    verified_mobile: str | None = None


class StructMoney(msgspec.Struct, kw_only=True):
    """An amount of money."""

    amount: Decimal | None = None
    currency: str | None = None


class StructAppointment(msgspec.Struct, kw_only=True):
    """The short form of an appointment."""

    id: int | None = None
    provider_id: int | None = None
    provider_name: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    location_id: int | None = None
    confirmed: bool | None = None


class StructAddress(msgspec.Struct, kw_only=True):
    """A postal address."""

    line_1: str | None = None
    line_2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None


class StructLight(msgspec.Struct, kw_only=True):
    """A light record."""

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    account_activated: bool | None = None
    middle_name: str | None = None
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    requested_access: bool | None = None
    waitlisted_at: datetime | None = None
    inst_ids: list[int] = []
    prov_ids: list[int] = []
    config: dict[str, Any] | None = None
    unsubscribe_emails: bool | None = None
    last_import_id: str | None = None
    invalid_email: list[str] = []
    inactive: bool | None = None
    last_sync: datetime | None = None
    last_sync_time: datetime | None = None
    unsubscribe_sms: bool | None = None


class StructWide(StructLight, kw_only=True):
    """A wide record."""

    name: str | None = None
    institution_id: int | None = None
    bio: StructBio | None = None
    guarantor_id: int | None = None
    balance: StructMoney | None = None
    billing_type: str | None = None
    chart_id: str | None = None
    preferred_language: str | None = None
    preferred_locale: str | None = None
    location_ids: list[int] = []
    provider_id: int | None = None
    upcoming_appts: list[StructAppointment] = []
    last_visited_appointment: StructAppointment | None = None
    address: StructAddress | None = None
    display_name: str | None = None
    profile_url: str | None = None
    npi: str | None = None
    last_visit: datetime | None = None
    contact_email: str | None = None


class PydanticBio(BaseModel):
    """Personal data of a patient."""

    city: str | None = None
    state: str | None = None
    gender: str | None = None
    zip_code: str | None = None
    new_patient: bool | None = None
    non_patient: bool | None = None
    phone_number: str | None = None
    date_of_birth: date | None = None
    verified_mobile: str | None = None


class PydanticMoney(BaseModel):
    """An amount of money."""

    amount: Decimal | None = None
    currency: str | None = None


class PydanticAppointment(BaseModel):
    """The short form of an appointment."""

    id: int | None = None
    provider_id: int | None = None
    provider_name: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    location_id: int | None = None
    confirmed: bool | None = None


class PydanticAddress(BaseModel):
    """A postal address."""

    line_1: str | None = None
    line_2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None


class PydanticLight(BaseModel):
    """A light record."""

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    account_activated: bool | None = None
    middle_name: str | None = None
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    requested_access: bool | None = None
    waitlisted_at: datetime | None = None
    inst_ids: list[int] = []
    prov_ids: list[int] = []
    config: dict[str, Any] | None = None
    unsubscribe_emails: bool | None = None
    last_import_id: str | None = None
    invalid_email: list[str] = []
    inactive: bool | None = None
    last_sync: datetime | None = None
    last_sync_time: datetime | None = None
    unsubscribe_sms: bool | None = None


class PydanticWide(PydanticLight):
    """A wide record."""

    name: str | None = None
    institution_id: int | None = None
    bio: PydanticBio | None = None
    guarantor_id: int | None = None
    balance: PydanticMoney | None = None
    billing_type: str | None = None
    chart_id: str | None = None
    preferred_language: str | None = None
    preferred_locale: str | None = None
    location_ids: list[int] = []
    provider_id: int | None = None
    upcoming_appts: list[PydanticAppointment] = []
    last_visited_appointment: PydanticAppointment | None = None
    address: PydanticAddress | None = None
    display_name: str | None = None
    profile_url: str | None = None
    npi: str | None = None
    last_visit: datetime | None = None
    contact_email: str | None = None


class StructPatients(msgspec.Struct, Generic[S]):
    """The ``data`` of a page."""

    patients: list[S]


class StructPage(msgspec.Struct, Generic[S]):
    """A page of v2."""

    data: StructPatients[S]


class PydanticPatients(BaseModel, Generic[P]):
    """The ``data`` of a page."""

    patients: list[P]


class PydanticPage(BaseModel, Generic[P]):
    """A page of v2."""

    data: PydanticPatients[P]
