"""Fields of a record that both API versions send in webhooks.

A change arrives once for each subscribed API version, and its key must be the same in both. Only
the resource types that v2 supports are listed; all others come in one version.

Fields are omitted if one version alone sends them, if they are included on request, or if only old
samples have them. `last_sync_time` is omitted because it moves without a change. The sources are
v2's recorded fields and the schemas of the v3 document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import attrs

from nexhealth_async.models import Record

__all__ = ["SHARED", "shared_fields"]

SHARED: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "Appointment": (
            "id patient_id provider_id provider_name start_time end_time confirmed patient_missed "
            "created_at updated_at note unavailable cancelled institution_id appointment_type_id "
            "checkin_at location_id foreign_id foreign_id_type patient_confirmed "
            "created_by_user_id is_guardian patient_confirmed_at cancelled_at "
            "is_new_clients_patient confirmed_at sooner_if_possible operatory_id deleted "
            "checked_out checked_out_at referrer is_past_patient"
        ),
        "Patient": (
            "id email first_name middle_name last_name name created_at updated_at institution_id "
            "foreign_id foreign_id_type bio inactive guarantor_id billing_type chart_id "
            "preferred_language provider_id"
        ),
        "PatientBio": (
            "city state gender zip_code new_patient non_patient phone_number date_of_birth "
            "address_line_1 address_line_2 street_address cell_phone_number home_phone_number "
            "work_phone_number"
        ),
        "InsuranceCoverage": (
            "id subscription_relation patient_id priority plan_id subscriber_num effective_date "
            "expiration_date"
        ),
        "Procedure": (
            "id location_id patient_id provider_id appointment_id code name status updated_at "
            "body_site fee start_date end_date"
        ),
        "BodySite": "tooth surface",
        "Document": "id filename type created_at document_type_id",
        "SyncStatus": (
            "institution_id sync_source_type sync_source_name read_status read_status_at "
            "write_status write_status_at"
        ),
    }.items()
}
"""Fields by model. `deleted` is sent by v2 alone and counts only if it is true."""


def shared_fields(model: type[Record]) -> frozenset[str]:
    """Return the fields of a model that count in a key: those in the table, or all."""
    if model.__name__ in SHARED:
        return SHARED[model.__name__]
    return frozenset(
        attribute.name for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", model))
    )
