"""What was done, or is planned, in the chair."""

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

__all__ = ["BodySite", "Procedure"]


@frozen(kw_only=True, repr=False)
class BodySite(Record):
    """Where in the mouth a procedure takes place.

    Reference: ``body_site`` of a procedure.
    """

    _shown = ()

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

    Reference: ``GET /procedures``, and ``procedures`` of patients and appointments.
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
