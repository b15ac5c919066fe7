"""What insurance plans and coverages may be asked."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from nexhealth_async.filters.shared import NumberedOptions, PracticeScoped

__all__ = [
    "InsuranceCoverageFilters",
    "InsurancePlanFilters",
    "InsurancePlanInclude",
    "InsurancePlanListInclude",
    "InsurancePlanOptions",
]

InsurancePlanListInclude: TypeAlias = Literal["patient_coverages"]
"""Parts that a list of insurance plans can bring along."""

InsurancePlanInclude: TypeAlias = Literal["patient_coverages", "subscribers", "fee_schedule"]
"""Parts of an insurance plan that are sent on request."""


class InsurancePlanFilters(PracticeScoped, NumberedOptions, total=False):
    """Which insurance plans are wanted."""

    payer_id: str | None
    """Only plans of the insurer with this code, a text that may start with zeros."""
    group_num: str | None
    """Only plans with this group number."""
    include: Sequence[InsurancePlanListInclude] | None
    """Parts to send along; on this list in v2 only, see ``insurance_plans.get`` for v3."""
    updated_since: datetime | None
    """Only those changed at or after this time; v3 only."""
    include_deleted: bool | None
    """True: also those removed in the practice's system; v3 only."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest change first; v3 only."""


class InsurancePlanOptions(PracticeScoped, total=False):
    """How one insurance plan is wanted."""

    include: Sequence[InsurancePlanInclude] | None
    """Parts to send along."""


class InsuranceCoverageFilters(PracticeScoped, NumberedOptions, total=False):
    """Which insurance coverages are wanted. In v2 ``patient_id`` must be given."""

    patient_id: int | None
    """Only those of this patient."""
    updated_since: datetime | None
    """Only those that changed, or whose subscription did, at or after this time; v3 only."""
    active: bool | None
    """Only those in force (True, the server's default) or ended (False); v3 only."""
