"""What was done, or is planned, in the chair, and when patients are due again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async.models._base import Money, Record, Timestamp

if TYPE_CHECKING:
    from typing import TypeAlias

    Teeth: TypeAlias = tuple[str, ...]
else:
    # v2 sends one tooth as a string, v3 a list. The decoders take both without complaint, and
    # BodySite makes a tuple of either, so that users and type checkers meet only tuples.
    Teeth = tuple[str, ...] | str

__all__ = [
    "BodySite",
    "ClinicalNote",
    "PatientRecall",
    "Procedure",
    "RecallType",
    "TreatmentPlan",
]


@frozen(kw_only=True, repr=False)
class BodySite(Record):
    """Where in the mouth a procedure takes place.

    Reference: ``body_site`` of a procedure.
    """

    _repr_fields = ()

    tooth: Teeth | None = None
    """Tooth designations, usually numbers, as text: ``("3", "14")``. v2 names one at most."""
    surface: str | None = None
    """Surface codes in one word, such as ``MOD``."""

    def __attrs_post_init__(self) -> None:
        """Make v2's single tooth a tuple."""
        sent: object = self.tooth
        if isinstance(sent, str):
            object.__setattr__(self, "tooth", (sent,) if sent else ())


@frozen(kw_only=True, repr=False)
class Procedure(Record):
    """A procedure planned for a patient or carried out.

    Reference: ``GET /procedures``, and ``procedures`` of patients, appointments and treatment
    plans.
    """

    id: int
    location_id: int | None = None
    patient_id: int | None = None
    provider_id: int | None = None
    appointment_id: int | None = None
    """None while the procedure belongs to no appointment."""
    code: str | None = None
    """The procedure code, such as ``D6100``."""
    name: str | None = None
    status: str | None = None
    """``planned``, ``scheduled``, ``completed``, ``inactive``, ``referred``; also seen:
    ``treatment_planned``."""
    updated_at: Timestamp | None = None
    body_site: BodySite | None = None
    fee: Money | None = None
    start_date: date | None = None
    end_date: date | None = None
    treatment_plan_ids: tuple[int, ...] | None = None
    """The plans this procedure is part of; v3 only, and None in the rows of lists."""


@frozen(kw_only=True, repr=False)
class TreatmentPlan(Record):
    """Procedures proposed to a patient together (v3).

    Reference: ``GET /treatment_plans``.
    """

    id: int
    name: str | None = None
    patient_id: int | None = None
    updated_at: Timestamp | None = None
    status: str | None = None
    """``not_applicable``, ``proposed``, ``accepted``, ``rejected`` or ``completed``."""
    procedures: tuple[Procedure, ...] = ()


@frozen(kw_only=True, repr=False)
class ClinicalNote(Record):
    """What somebody wrote into a patient's chart (v3).

    Reference: ``GET /clinical_notes``.
    """

    id: int
    patient_id: int | None = None
    procedure_id: int | None = None
    entered_at: Timestamp | None = None
    content: str | None = None
    signed: bool | None = None
    """Signed by a provider? None where the system knows no signatures."""
    completed: bool | None = None
    """Closed against changes (some systems say "locked")? None where the system has no such
    thing."""
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class RecallType(Record):
    """A reason for asking patients back, such as a half-yearly cleaning.

    Inside a recall it has only its ``id``, ``name``, ``description`` and interval.
    Reference: ``GET /recall_types``, and ``recall_type`` of a recall.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    description: str | None = None
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    interval_num: int | None = None
    """How many ``interval_unit`` lie between two visits; None for Dentrix and Dolphin."""
    interval_unit: str | None = None
    """A letter, such as ``M`` for months."""
    location_id: int | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class PatientRecall(Record):
    """That a patient is due to come back, when and what for.

    Reference: ``GET /patient_recalls``.
    """

    id: int
    appointment_id: int | None = None
    """The appointment made for it; None if there is none."""
    date_due: date | None = None
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    recall_id: int | None = None
    """The id of the recall type."""
    recall_type: RecallType | None = None
    patient_id: int | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
