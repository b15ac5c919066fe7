"""The fields of a record that both API versions send in their webhooks.

A change arrives once for each API version that subscribed to it, and its key must be the same in
both. Only the resource types that v2 can subscribe to are listed; all others come in one version.

Left out are fields that one version alone sends, parts that are included on request, what only old
samples have, and `last_sync_time`, which moves without a change. The sources are the lists of v2's
recorded fields and the entities of the v3 document.
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
"""By model. `deleted` is sent by v2 alone and counts only when it is true."""


def shared_fields(model: type[Record]) -> frozenset[str]:
    """Return the fields that count in a key: those of the table, or all of the model."""
    if model.__name__ in SHARED:
        return SHARED[model.__name__]
    return frozenset(one.name for one in attrs.fields(cast("type[attrs.AttrsInstance]", model)))
