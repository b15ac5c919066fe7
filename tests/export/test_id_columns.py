"""Columns that refer to other records have the type of those records' ids."""

from __future__ import annotations

import re
from typing import Final

import pytest

from nexhealth_async import models
from nexhealth_async.export.columns import ColumnKind, FieldColumn, fields_of
from nexhealth_async.models import Record
from tests.models.model_samples import MODELS

POINTS_TO: Final = {
    "adjustment_type": "AdjustmentType",
    "appointment": "Appointment",
    "appointment_type": "AppointmentType",
    "charge": "Charge",
    "claim": "Claim",
    "created_by_user": "Patient",
    "document_type": "DocumentType",
    "fee_schedule": "FeeSchedule",
    "guarantor": "Patient",
    "institution": "Institution",
    "insurance_plan": "InsurancePlan",
    "location": "Location",
    "operatory": "Operatory",
    "parent": "Institution",
    "patient": "Patient",
    "payment_plan": "PaymentPlan",
    "payment_type": "PaymentType",
    "plan": "InsurancePlan",
    "primary_insurance_plan": "InsurancePlan",
    "procedure": "Procedure",
    "provider": "Provider",
    "recall": "RecallType",
    "secondary_insurance_plan": "InsurancePlan",
    "subscription": "InsuranceCoverage",
    "treatment_plan": "TreatmentPlan",
    "webhook_endpoint": "WebhookEndpoint",
    "working_hour_label": "WorkingHoursLabel",
}
"""The referenced records, by the name before ``_id`` or ``_ids``."""
OTHERS: Final = {
    "accountable": "any record of the ledger, by its type",
    "appt": "an abbreviation of old samples",
    "campaign": "no list of campaigns is known",
    "chart": "the practice's own number",
    "foreign": "the id in the practice's system",
    "last_import": "old samples only",
    "payer": "a code",
    "pcp": "old samples only",
    "previous_foreign": "the id in the practice's system",
    "procedure_code": "no list of procedure codes in these versions",
    "rel": "old samples only",
    "transaction": "the caller's own key",
    "inst": "an abbreviation, of institutions",
    "prov": "an abbreviation of old samples",
}
"""Names that refer to no table, with the reason."""
_NAME: Final = re.compile(r"(\w+?)_ids?")


def scalar(column: FieldColumn) -> ColumnKind:
    return column.element.kind if column.element is not None else column.kind


def column_of(model: type, name: str) -> FieldColumn:
    return next(column for column in fields_of(model) if column.name == name)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_reference_column_has_the_type_of_the_referenced_id(model: type[Record]) -> None:
    unknown: list[str] = []
    wrong: list[str] = []
    for column in fields_of(model):
        named = _NAME.fullmatch(column.name)
        if named is None or named[1] in OTHERS:
            continue
        target = POINTS_TO.get(named[1])
        if target is None:
            unknown.append(column.name)
        elif scalar(column) is not scalar(column_of(getattr(models, target), "id")):
            wrong.append(column.name)
    assert not unknown, "say in POINTS_TO or OTHERS whose ids these are"
    assert not wrong
