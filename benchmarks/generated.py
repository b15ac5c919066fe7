"""A stand-in of the shape that openapi-python-client 0.29 generates, but not its output.

Per class an attrs class, a ``from_dict`` that treats the fields one by one, a local function for
each field that may be null, ``UNSET`` for what is missing, ``fromisoformat`` for moments (releases
before used dateutil, which is 40 times slower), and a dictionary for what is left over. The
repetition is the shape.
"""

# ruff: noqa: C901, PLR0915, TRY301, PYI019 - the shape of what is generated, which is measured

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define, field

__all__ = ["GENERATED", "GeneratedLight", "GeneratedWide"]


class Unset:
    """Value of a missing field."""

    def __bool__(self) -> bool:
        return False


UNSET = Unset()


T_Bio = TypeVar("T_Bio", bound="GeneratedBio")


@define
class GeneratedBio:
    """Personal data of a patient."""

    city: Unset | str | None = UNSET
    state: Unset | str | None = UNSET
    gender: Unset | str | None = UNSET
    zip_code: Unset | str | None = UNSET
    new_patient: Unset | bool | None = UNSET
    non_patient: Unset | bool | None = UNSET
    phone_number: Unset | str | None = UNSET
    date_of_birth: Unset | dt.date | None = UNSET
    verified_mobile: Unset | str | None = UNSET
    additional_properties: dict[str, Any] = field(init=False, factory=dict[str, Any])

    @classmethod
    def from_dict(cls: type[T_Bio], src_dict: Mapping[str, Any]) -> T_Bio:
        """Build the object from parsed JSON."""
        d = dict(src_dict)

        def _parse_city(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        city = _parse_city(d.pop("city", UNSET))

        def _parse_state(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        state = _parse_state(d.pop("state", UNSET))

        def _parse_gender(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        gender = _parse_gender(d.pop("gender", UNSET))

        def _parse_zip_code(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        zip_code = _parse_zip_code(d.pop("zip_code", UNSET))

        def _parse_new_patient(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        new_patient = _parse_new_patient(d.pop("new_patient", UNSET))

        def _parse_non_patient(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        non_patient = _parse_non_patient(d.pop("non_patient", UNSET))

        def _parse_phone_number(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        phone_number = _parse_phone_number(d.pop("phone_number", UNSET))

        def _parse_date_of_birth(data: object) -> Unset | dt.date | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.date.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.date | None", data)

        date_of_birth = _parse_date_of_birth(d.pop("date_of_birth", UNSET))

        def _parse_verified_mobile(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        verified_mobile = _parse_verified_mobile(d.pop("verified_mobile", UNSET))

        made = cls(
            city=city,
            state=state,
            gender=gender,
            zip_code=zip_code,
            new_patient=new_patient,
            non_patient=non_patient,
            phone_number=phone_number,
            date_of_birth=date_of_birth,
            verified_mobile=verified_mobile,
        )
        made.additional_properties = d
        return made


T_Money = TypeVar("T_Money", bound="GeneratedMoney")


@define
class GeneratedMoney:
    """An amount of money."""

    amount: Unset | str | None = UNSET
    currency: Unset | str | None = UNSET
    additional_properties: dict[str, Any] = field(init=False, factory=dict[str, Any])

    @classmethod
    def from_dict(cls: type[T_Money], src_dict: Mapping[str, Any]) -> T_Money:
        """Build the object from parsed JSON."""
        d = dict(src_dict)

        def _parse_amount(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        amount = _parse_amount(d.pop("amount", UNSET))

        def _parse_currency(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        currency = _parse_currency(d.pop("currency", UNSET))

        made = cls(
            amount=amount,
            currency=currency,
        )
        made.additional_properties = d
        return made


T_Appointment = TypeVar("T_Appointment", bound="GeneratedAppointment")


@define
class GeneratedAppointment:
    """The short form of an appointment."""

    id: Unset | int | None = UNSET
    provider_id: Unset | int | None = UNSET
    provider_name: Unset | str | None = UNSET
    start_time: Unset | dt.datetime | None = UNSET
    end_time: Unset | dt.datetime | None = UNSET
    location_id: Unset | int | None = UNSET
    confirmed: Unset | bool | None = UNSET
    additional_properties: dict[str, Any] = field(init=False, factory=dict[str, Any])

    @classmethod
    def from_dict(cls: type[T_Appointment], src_dict: Mapping[str, Any]) -> T_Appointment:
        """Build the object from parsed JSON."""
        d = dict(src_dict)

        def _parse_id(data: object) -> Unset | int | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | int | None", data)

        id = _parse_id(d.pop("id", UNSET))

        def _parse_provider_id(data: object) -> Unset | int | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | int | None", data)

        provider_id = _parse_provider_id(d.pop("provider_id", UNSET))

        def _parse_provider_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        provider_name = _parse_provider_name(d.pop("provider_name", UNSET))

        def _parse_start_time(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        start_time = _parse_start_time(d.pop("start_time", UNSET))

        def _parse_end_time(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        end_time = _parse_end_time(d.pop("end_time", UNSET))

        def _parse_location_id(data: object) -> Unset | int | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | int | None", data)

        location_id = _parse_location_id(d.pop("location_id", UNSET))

        def _parse_confirmed(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        confirmed = _parse_confirmed(d.pop("confirmed", UNSET))

        made = cls(
            id=id,
            provider_id=provider_id,
            provider_name=provider_name,
            start_time=start_time,
            end_time=end_time,
            location_id=location_id,
            confirmed=confirmed,
        )
        made.additional_properties = d
        return made


T_Address = TypeVar("T_Address", bound="GeneratedAddress")


@define
class GeneratedAddress:
    """A postal address."""

    line_1: Unset | str | None = UNSET
    line_2: Unset | str | None = UNSET
    postal_code: Unset | str | None = UNSET
    city: Unset | str | None = UNSET
    region: Unset | str | None = UNSET
    additional_properties: dict[str, Any] = field(init=False, factory=dict[str, Any])

    @classmethod
    def from_dict(cls: type[T_Address], src_dict: Mapping[str, Any]) -> T_Address:
        """Build the object from parsed JSON."""
        d = dict(src_dict)

        def _parse_line_1(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        line_1 = _parse_line_1(d.pop("line_1", UNSET))

        def _parse_line_2(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        line_2 = _parse_line_2(d.pop("line_2", UNSET))

        def _parse_postal_code(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        postal_code = _parse_postal_code(d.pop("postal_code", UNSET))

        def _parse_city(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        city = _parse_city(d.pop("city", UNSET))

        def _parse_region(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        region = _parse_region(d.pop("region", UNSET))

        made = cls(
            line_1=line_1,
            line_2=line_2,
            postal_code=postal_code,
            city=city,
            region=region,
        )
        made.additional_properties = d
        return made


T_Light = TypeVar("T_Light", bound="GeneratedLight")


@define
class GeneratedLight:
    """A light record."""

    id: int
    email: Unset | str | None = UNSET
    first_name: Unset | str | None = UNSET
    last_name: Unset | str | None = UNSET
    created_at: Unset | dt.datetime | None = UNSET
    updated_at: Unset | dt.datetime | None = UNSET
    account_activated: Unset | bool | None = UNSET
    middle_name: Unset | str | None = UNSET
    foreign_id: Unset | str | None = UNSET
    foreign_id_type: Unset | str | None = UNSET
    requested_access: Unset | bool | None = UNSET
    waitlisted_at: Unset | dt.datetime | None = UNSET
    inst_ids: Unset | list[int] = UNSET
    prov_ids: Unset | list[int] = UNSET
    config: Unset | dict[str, Any] = UNSET
    unsubscribe_emails: Unset | bool | None = UNSET
    last_import_id: Unset | str | None = UNSET
    invalid_email: Unset | list[str] = UNSET
    inactive: Unset | bool | None = UNSET
    last_sync: Unset | dt.datetime | None = UNSET
    last_sync_time: Unset | dt.datetime | None = UNSET
    unsubscribe_sms: Unset | bool | None = UNSET
    additional_properties: dict[str, Any] = field(init=False, factory=dict[str, Any])

    @classmethod
    def from_dict(cls: type[T_Light], src_dict: Mapping[str, Any]) -> T_Light:
        """Build the object from parsed JSON."""
        d = dict(src_dict)
        id = d.pop("id")

        def _parse_email(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        email = _parse_email(d.pop("email", UNSET))

        def _parse_first_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        first_name = _parse_first_name(d.pop("first_name", UNSET))

        def _parse_last_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        last_name = _parse_last_name(d.pop("last_name", UNSET))

        def _parse_created_at(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        created_at = _parse_created_at(d.pop("created_at", UNSET))

        def _parse_updated_at(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        updated_at = _parse_updated_at(d.pop("updated_at", UNSET))

        def _parse_account_activated(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        account_activated = _parse_account_activated(d.pop("account_activated", UNSET))

        def _parse_middle_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        middle_name = _parse_middle_name(d.pop("middle_name", UNSET))

        def _parse_foreign_id(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        foreign_id = _parse_foreign_id(d.pop("foreign_id", UNSET))

        def _parse_foreign_id_type(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        foreign_id_type = _parse_foreign_id_type(d.pop("foreign_id_type", UNSET))

        def _parse_requested_access(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        requested_access = _parse_requested_access(d.pop("requested_access", UNSET))

        def _parse_waitlisted_at(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        waitlisted_at = _parse_waitlisted_at(d.pop("waitlisted_at", UNSET))

        inst_ids = cast("list[int]", d.pop("inst_ids", UNSET))

        prov_ids = cast("list[int]", d.pop("prov_ids", UNSET))

        config = cast("Unset | dict[str, Any]", d.pop("config", UNSET))

        def _parse_unsubscribe_emails(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        unsubscribe_emails = _parse_unsubscribe_emails(d.pop("unsubscribe_emails", UNSET))

        def _parse_last_import_id(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        last_import_id = _parse_last_import_id(d.pop("last_import_id", UNSET))

        invalid_email = cast("list[str]", d.pop("invalid_email", UNSET))

        def _parse_inactive(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        inactive = _parse_inactive(d.pop("inactive", UNSET))

        def _parse_last_sync(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        last_sync = _parse_last_sync(d.pop("last_sync", UNSET))

        def _parse_last_sync_time(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        last_sync_time = _parse_last_sync_time(d.pop("last_sync_time", UNSET))

        def _parse_unsubscribe_sms(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        unsubscribe_sms = _parse_unsubscribe_sms(d.pop("unsubscribe_sms", UNSET))

        made = cls(
            id=id,
            email=email,
            first_name=first_name,
            last_name=last_name,
            created_at=created_at,
            updated_at=updated_at,
            account_activated=account_activated,
            middle_name=middle_name,
            foreign_id=foreign_id,
            foreign_id_type=foreign_id_type,
            requested_access=requested_access,
            waitlisted_at=waitlisted_at,
            inst_ids=inst_ids,
            prov_ids=prov_ids,
            config=config,
            unsubscribe_emails=unsubscribe_emails,
            last_import_id=last_import_id,
            invalid_email=invalid_email,
            inactive=inactive,
            last_sync=last_sync,
            last_sync_time=last_sync_time,
            unsubscribe_sms=unsubscribe_sms,
        )
        made.additional_properties = d
        return made


T_Wide = TypeVar("T_Wide", bound="GeneratedWide")


@define
class GeneratedWide:
    """A wide record."""

    id: int
    email: Unset | str | None = UNSET
    first_name: Unset | str | None = UNSET
    last_name: Unset | str | None = UNSET
    created_at: Unset | dt.datetime | None = UNSET
    updated_at: Unset | dt.datetime | None = UNSET
    account_activated: Unset | bool | None = UNSET
    middle_name: Unset | str | None = UNSET
    foreign_id: Unset | str | None = UNSET
    foreign_id_type: Unset | str | None = UNSET
    requested_access: Unset | bool | None = UNSET
    waitlisted_at: Unset | dt.datetime | None = UNSET
    inst_ids: Unset | list[int] = UNSET
    prov_ids: Unset | list[int] = UNSET
    config: Unset | dict[str, Any] = UNSET
    unsubscribe_emails: Unset | bool | None = UNSET
    last_import_id: Unset | str | None = UNSET
    invalid_email: Unset | list[str] = UNSET
    inactive: Unset | bool | None = UNSET
    last_sync: Unset | dt.datetime | None = UNSET
    last_sync_time: Unset | dt.datetime | None = UNSET
    unsubscribe_sms: Unset | bool | None = UNSET
    name: Unset | str | None = UNSET
    institution_id: Unset | int | None = UNSET
    bio: Unset | GeneratedBio | None = UNSET
    guarantor_id: Unset | int | None = UNSET
    balance: Unset | GeneratedMoney | None = UNSET
    billing_type: Unset | str | None = UNSET
    chart_id: Unset | str | None = UNSET
    preferred_language: Unset | str | None = UNSET
    preferred_locale: Unset | str | None = UNSET
    location_ids: Unset | list[int] = UNSET
    provider_id: Unset | int | None = UNSET
    upcoming_appts: Unset | list[GeneratedAppointment] = UNSET
    last_visited_appointment: Unset | GeneratedAppointment | None = UNSET
    address: Unset | GeneratedAddress | None = UNSET
    display_name: Unset | str | None = UNSET
    profile_url: Unset | str | None = UNSET
    npi: Unset | str | None = UNSET
    last_visit: Unset | dt.datetime | None = UNSET
    contact_email: Unset | str | None = UNSET
    additional_properties: dict[str, Any] = field(init=False, factory=dict[str, Any])

    @classmethod
    def from_dict(cls: type[T_Wide], src_dict: Mapping[str, Any]) -> T_Wide:
        """Build the object from parsed JSON."""
        d = dict(src_dict)
        id = d.pop("id")

        def _parse_email(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        email = _parse_email(d.pop("email", UNSET))

        def _parse_first_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        first_name = _parse_first_name(d.pop("first_name", UNSET))

        def _parse_last_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        last_name = _parse_last_name(d.pop("last_name", UNSET))

        def _parse_created_at(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        created_at = _parse_created_at(d.pop("created_at", UNSET))

        def _parse_updated_at(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        updated_at = _parse_updated_at(d.pop("updated_at", UNSET))

        def _parse_account_activated(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        account_activated = _parse_account_activated(d.pop("account_activated", UNSET))

        def _parse_middle_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        middle_name = _parse_middle_name(d.pop("middle_name", UNSET))

        def _parse_foreign_id(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        foreign_id = _parse_foreign_id(d.pop("foreign_id", UNSET))

        def _parse_foreign_id_type(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        foreign_id_type = _parse_foreign_id_type(d.pop("foreign_id_type", UNSET))

        def _parse_requested_access(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        requested_access = _parse_requested_access(d.pop("requested_access", UNSET))

        def _parse_waitlisted_at(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        waitlisted_at = _parse_waitlisted_at(d.pop("waitlisted_at", UNSET))

        inst_ids = cast("list[int]", d.pop("inst_ids", UNSET))

        prov_ids = cast("list[int]", d.pop("prov_ids", UNSET))

        config = cast("Unset | dict[str, Any]", d.pop("config", UNSET))

        def _parse_unsubscribe_emails(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        unsubscribe_emails = _parse_unsubscribe_emails(d.pop("unsubscribe_emails", UNSET))

        def _parse_last_import_id(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        last_import_id = _parse_last_import_id(d.pop("last_import_id", UNSET))

        invalid_email = cast("list[str]", d.pop("invalid_email", UNSET))

        def _parse_inactive(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        inactive = _parse_inactive(d.pop("inactive", UNSET))

        def _parse_last_sync(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        last_sync = _parse_last_sync(d.pop("last_sync", UNSET))

        def _parse_last_sync_time(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        last_sync_time = _parse_last_sync_time(d.pop("last_sync_time", UNSET))

        def _parse_unsubscribe_sms(data: object) -> Unset | bool | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | bool | None", data)

        unsubscribe_sms = _parse_unsubscribe_sms(d.pop("unsubscribe_sms", UNSET))

        def _parse_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        name = _parse_name(d.pop("name", UNSET))

        def _parse_institution_id(data: object) -> Unset | int | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | int | None", data)

        institution_id = _parse_institution_id(d.pop("institution_id", UNSET))

        def _parse_bio(data: object) -> Unset | GeneratedBio | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError
                return GeneratedBio.from_dict(cast("dict[str, Any]", data))
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | GeneratedBio | None", data)

        bio = _parse_bio(d.pop("bio", UNSET))

        def _parse_guarantor_id(data: object) -> Unset | int | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | int | None", data)

        guarantor_id = _parse_guarantor_id(d.pop("guarantor_id", UNSET))

        def _parse_balance(data: object) -> Unset | GeneratedMoney | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError
                return GeneratedMoney.from_dict(cast("dict[str, Any]", data))
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | GeneratedMoney | None", data)

        balance = _parse_balance(d.pop("balance", UNSET))

        def _parse_billing_type(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        billing_type = _parse_billing_type(d.pop("billing_type", UNSET))

        def _parse_chart_id(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        chart_id = _parse_chart_id(d.pop("chart_id", UNSET))

        def _parse_preferred_language(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        preferred_language = _parse_preferred_language(d.pop("preferred_language", UNSET))

        def _parse_preferred_locale(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        preferred_locale = _parse_preferred_locale(d.pop("preferred_locale", UNSET))

        location_ids = cast("list[int]", d.pop("location_ids", UNSET))

        def _parse_provider_id(data: object) -> Unset | int | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | int | None", data)

        provider_id = _parse_provider_id(d.pop("provider_id", UNSET))

        _upcoming_appts = d.pop("upcoming_appts", UNSET)
        upcoming_appts: Unset | list[GeneratedAppointment] = UNSET
        if not isinstance(_upcoming_appts, Unset):
            upcoming_appts = []
            for upcoming_appts_item_data in _upcoming_appts:
                upcoming_appts_item = GeneratedAppointment.from_dict(upcoming_appts_item_data)
                upcoming_appts.append(upcoming_appts_item)

        def _parse_last_visited_appointment(data: object) -> Unset | GeneratedAppointment | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError
                return GeneratedAppointment.from_dict(cast("dict[str, Any]", data))
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | GeneratedAppointment | None", data)

        last_visited_appointment = _parse_last_visited_appointment(
            d.pop("last_visited_appointment", UNSET)
        )

        def _parse_address(data: object) -> Unset | GeneratedAddress | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError
                return GeneratedAddress.from_dict(cast("dict[str, Any]", data))
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | GeneratedAddress | None", data)

        address = _parse_address(d.pop("address", UNSET))

        def _parse_display_name(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        display_name = _parse_display_name(d.pop("display_name", UNSET))

        def _parse_profile_url(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        profile_url = _parse_profile_url(d.pop("profile_url", UNSET))

        def _parse_npi(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        npi = _parse_npi(d.pop("npi", UNSET))

        def _parse_last_visit(data: object) -> Unset | dt.datetime | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError
                return dt.datetime.fromisoformat(data)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("Unset | dt.datetime | None", data)

        last_visit = _parse_last_visit(d.pop("last_visit", UNSET))

        def _parse_contact_email(data: object) -> Unset | str | None:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("Unset | str | None", data)

        contact_email = _parse_contact_email(d.pop("contact_email", UNSET))

        made = cls(
            id=id,
            email=email,
            first_name=first_name,
            last_name=last_name,
            created_at=created_at,
            updated_at=updated_at,
            account_activated=account_activated,
            middle_name=middle_name,
            foreign_id=foreign_id,
            foreign_id_type=foreign_id_type,
            requested_access=requested_access,
            waitlisted_at=waitlisted_at,
            inst_ids=inst_ids,
            prov_ids=prov_ids,
            config=config,
            unsubscribe_emails=unsubscribe_emails,
            last_import_id=last_import_id,
            invalid_email=invalid_email,
            inactive=inactive,
            last_sync=last_sync,
            last_sync_time=last_sync_time,
            unsubscribe_sms=unsubscribe_sms,
            name=name,
            institution_id=institution_id,
            bio=bio,
            guarantor_id=guarantor_id,
            balance=balance,
            billing_type=billing_type,
            chart_id=chart_id,
            preferred_language=preferred_language,
            preferred_locale=preferred_locale,
            location_ids=location_ids,
            provider_id=provider_id,
            upcoming_appts=upcoming_appts,
            last_visited_appointment=last_visited_appointment,
            address=address,
            display_name=display_name,
            profile_url=profile_url,
            npi=npi,
            last_visit=last_visit,
            contact_email=contact_email,
        )
        made.additional_properties = d
        return made


GENERATED = {"light": GeneratedLight.from_dict, "wide": GeneratedWide.from_dict}
