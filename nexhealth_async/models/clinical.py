"""Procedures, treatment plans, clinical notes and recalls."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async.models._base import Money, Record, Timestamp

if TYPE_CHECKING:
    from typing import TypeAlias

    Teeth: TypeAlias = tuple[str, ...]
else:
    # v2 sends one tooth as a string, v3 sends a list. The decoders accept both, and BodySite
    # converts both to a tuple, so that users and type checkers see only tuples.
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
    """The location of a procedure in the mouth.

    Reference: ``body_site`` of a procedure.
    """

    _repr_fields = ()

    tooth: Teeth | None = None
    """Tooth identifiers as text, usually numbers: ``("3", "14")``. v2 sends one at most."""
    surface: str | None = None
    """Tooth surface codes in one word, such as ``MOD``."""

    def __attrs_post_init__(self) -> None:
        """Convert the single tooth of v2 to a tuple."""
        sent: object = self.tooth
        if isinstance(sent, str):
            object.__setattr__(self, "tooth", (sent,) if sent else ())


@frozen(kw_only=True, repr=False)
class Procedure(Record):
    """A planned or completed procedure of a patient.

    Reference: ``GET /procedures``, and ``procedures`` of patients, appointments and treatment
    plans.
    """

    id: int
    """NexHealth's id."""
    location_id: int | None = None
    """The location's id."""
    patient_id: int | None = None
    """The patient's id."""
    provider_id: int | None = None
    """The provider's id."""
    appointment_id: int | None = None
    """The appointment's id; None if the procedure belongs to no appointment."""
    code: str | None = None
    """Procedure code, such as ``D6100``."""
    name: str | None = None
    """Name of the procedure."""
    status: str | None = None
    """``planned``, ``scheduled``, ``completed``, ``inactive`` or ``referred``;
    ``treatment_planned`` was also seen."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    body_site: BodySite | None = None
    """Tooth and surface."""
    fee: Money | None = None
    start_date: date | None = None
    """Start of the procedure."""
    end_date: date | None = None
    """End of the procedure."""
    treatment_plan_ids: tuple[int, ...] | None = None
    """Ids of the treatment plans that contain the procedure. v3 only; None in list rows."""


@frozen(kw_only=True, repr=False)
class TreatmentPlan(Record):
    """A group of procedures proposed to a patient (v3).

    Reference: ``GET /treatment_plans``.
    """

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the treatment plan."""
    patient_id: int | None = None
    """The patient the plan is for."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    status: str | None = None
    """``not_applicable``, ``proposed``, ``accepted``, ``rejected`` or ``completed``."""
    procedures: tuple[Procedure, ...] = ()
    """Procedures of the plan."""


@frozen(kw_only=True, repr=False)
class ClinicalNote(Record):
    """A note in a patient's chart (v3).

    Reference: ``GET /clinical_notes``.
    """

    id: int
    """NexHealth's id."""
    patient_id: int | None = None
    """The patient's id."""
    procedure_id: int | None = None
    """The procedure the note is attached to."""
    entered_at: Timestamp | None = None
    """Time the note was entered."""
    content: str | None = None
    """Text of the note."""
    signed: bool | None = None
    """True if a provider signed the note. Not all systems support signatures."""
    completed: bool | None = None
    """True if the note is closed for changes ("locked" in some systems). Not all systems support
    this."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class RecallType(Record):
    """A kind of recall, such as a half-yearly cleaning.

    Inside a recall it has only ``id``, ``name``, ``description`` and the interval.
    Reference: ``GET /recall_types``, and ``recall_type`` of a recall.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the recall type."""
    description: str | None = None
    """Description of the recall type."""
    foreign_id: str | None = None
    """The id in the practice's system."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system."""
    interval_num: int | None = None
    """Number of ``interval_unit`` between two visits; None for Dentrix and Dolphin."""
    interval_unit: str | None = None
    """Unit as a letter, such as ``M`` for months."""
    location_id: int | None = None
    """The location's id."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class PatientRecall(Record):
    """A date on which a patient is due to return, with its recall type.

    Reference: ``GET /patient_recalls``.
    """

    id: int
    """NexHealth's id."""
    appointment_id: int | None = None
    """The appointment booked for the recall; None if there is none."""
    date_due: date | None = None
    """Date the patient is due."""
    foreign_id: str | None = None
    """The id in the practice's system."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system."""
    recall_id: int | None = None
    """The recall type's id."""
    recall_type: RecallType | None = None
    """The recall type, in its short form."""
    patient_id: int | None = None
    """The patient's id."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
