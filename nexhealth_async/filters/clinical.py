"""What treatments, recalls, plans and notes may be asked."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from datetime import date, datetime
from typing import Literal, TypeAlias

from nexhealth_async.filters.shared import (
    CursorOptions,
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    WholeOptions,
)

__all__ = [
    "ClinicalNoteFilters",
    "PatientRecallFilters",
    "ProcedureFilters",
    "RecallTypeFilters",
    "TreatmentPlanFilters",
    "TreatmentPlanStatus",
]

TreatmentPlanStatus: TypeAlias = Literal[
    "not_applicable", "proposed", "accepted", "rejected", "completed"
]
"""How far a treatment plan has come."""


class ProcedureFilters(LocationScoped, NumberedOptions, total=False):
    """Which procedures are wanted. Give one filter besides the location; v3 refuses it alone."""

    provider_id: int | None
    """Only procedures of this provider."""
    patient_id: int | None
    """Only procedures of this patient."""
    appointment_id: int | None
    """Only procedures of this appointment."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    started_after: date | None
    """Only those begun on or after this day; v3 only."""
    started_before: date | None
    """Only those begun on or before this day; v3 only."""
    ended_after: date | None
    """Only those ended on or after this day; v3 only."""
    ended_before: date | None
    """Only those ended on or before this day; v3 only."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest first; v3 only."""


class PatientRecallFilters(LocationScoped, NumberedOptions, total=False):
    """Which recalls are wanted."""

    recall_id: int | None
    """Only recalls of this type, by its id."""
    patient_id: int | None
    """Only recalls of this patient."""
    foreign_id: str | None
    """The recall's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    due_after: datetime | None
    """Only those due at or after this time."""
    sort: str | None
    """``"date_due"``, or ``"-date_due"`` for the latest first."""


class RecallTypeFilters(LocationScoped, WholeOptions, total=False):
    """Which recall types are wanted."""

    foreign_id: str | None
    """The type's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""


class TreatmentPlanFilters(PracticeScoped, CursorOptions, total=False):
    """Which treatment plans are wanted."""

    patient_id: int | None
    """Only plans for this patient."""
    status: TreatmentPlanStatus | None
    """Only plans that have come this far."""
    updated_since: datetime | None
    """Only those changed at or after this time; they still come by id, not by time."""


class ClinicalNoteFilters(LocationScoped, CursorOptions, total=False):
    """Which clinical notes are wanted. Give one filter besides the location."""

    patient_id: int | None
    """Only notes on this patient."""
    procedure_id: int | None
    """Only notes on this procedure; few systems tie notes to procedures."""
    entered_before: datetime | None
    """Only those made at or before this time."""
    entered_after: datetime | None
    """Only those made at or after this time."""
    updated_since: datetime | None
    """Only those changed after this time."""
