"""What treatments may be asked."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from datetime import datetime

from nexhealth_async.filters.shared import LocationScoped, NumberedOptions

__all__ = ["ProcedureFilters"]


class ProcedureFilters(LocationScoped, NumberedOptions, total=False):
    """Which procedures are wanted. Give one filter besides the location; v3 refuses it alone."""

    provider_id: int
    """Only procedures of this provider."""
    patient_id: int
    """Only procedures of this patient."""
    appointment_id: int
    """Only procedures of this appointment."""
    updated_since: datetime
    """Only those changed at or after this time."""
