"""What the practice, its offices, providers, rooms and set-up may be asked and written."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias, TypedDict

from nexhealth_async.filters.shared import (
    CursorOptions,
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    WholeOptions,
)

__all__ = [
    "DescriptorFilters",
    "DocumentTypeFilters",
    "InstitutionFilters",
    "LocationFilters",
    "LocationProviderFilters",
    "NewOnboarding",
    "OnboardingFilters",
    "OnboardingStatus",
    "OnboardingSystem",
    "OperatoryFilters",
    "OperatoryInclude",
    "OperatoryOptions",
    "ProviderFilters",
    "ProviderInclude",
    "ProviderOptions",
    "SubscriptionFeature",
    "SyncColour",
    "SyncStatusFilters",
]

OperatoryInclude: TypeAlias = Literal["appointment_types", "appt_categories"]
"""Parts of an operatory that are sent on request; the second is the older name of the first."""


ProviderInclude: TypeAlias = Literal["locations", "availabilities", "appointment_types"]
"""Parts of a provider that are sent on request."""


SubscriptionFeature: TypeAlias = Literal[
    "messaging",
    "campaigns",
    "reviews",
    "recalls",
    "reminders",
    "online_booking",
    "waitlist",
    "forms",
    "payments",
    "ledger_sync",
    "enterprise",
    "insurance_verification",
]
"""Products a location may have subscribed to."""


SyncColour: TypeAlias = Literal["green", "red"]
"""Whether a practice's system is being read or written to as it should."""


OnboardingStatus: TypeAlias = Literal["in_progress", "complete", "failed"]
"""How far the setting up of a practice has come."""


OnboardingSystem: TypeAlias = Literal[
    "athena",
    "curve2",
    "cloud9",
    "denticon",
    "dentrix",
    "dentrixascend",
    "drchrono",
    "eaglesoft",
    "ecw",
    "modmed",
    "nextgen",
    "opendental",
]
"""The systems a practice may be set up with."""


class InstitutionFilters(WholeOptions, total=False):
    """How to walk institutions; they have no filters."""


class LocationFilters(PracticeScoped, WholeOptions, total=False):
    """Which locations are wanted."""

    inactive: bool | None
    """Only inactive (True) or active (False) ones; both when left out."""
    foreign_id: str | None
    """The location's id in the practice's own system."""
    filter_by_subscription_feature: SubscriptionFeature | None
    """Only locations that have subscribed to this product."""


class DescriptorFilters(WholeOptions, total=False):
    """Which appointment descriptors are wanted."""

    descriptor_type: str | None
    """Only descriptors of this type, such as ``"Procedure Codes"``; types differ by system."""


class LocationProviderFilters(PracticeScoped, NumberedOptions, total=False):
    """Which of a location's providers are wanted."""

    requestable: bool | None
    """Only those who can be booked online there."""


class ProviderFilters(LocationScoped, NumberedOptions, total=False):
    """Which providers are wanted. A location narrows the list to those who work there."""

    ids: Sequence[int] | None
    """Only providers with these ids."""
    foreign_id: str | None
    """The provider's id in the practice's own system."""
    requestable: bool | None
    """Only those who can be booked online at the location, which must be given too."""
    inactive: bool | None
    """Only inactive (True) or active (False) ones; the server's default is False."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    include: Sequence[ProviderInclude] | None
    """Parts to send along."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest first; v3 only."""


class ProviderOptions(PracticeScoped, total=False):
    """How one provider is wanted."""

    include: Sequence[ProviderInclude] | None
    """Parts to send along."""


class OperatoryFilters(LocationScoped, NumberedOptions, total=False):
    """Which operatories are wanted."""

    search_name: str | None
    """Only those with this in their name."""
    foreign_id: str | None
    """The operatory's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    include: Sequence[OperatoryInclude] | None
    """Parts to send along."""


class OperatoryOptions(PracticeScoped, total=False):
    """How one operatory is wanted."""

    include: Sequence[OperatoryInclude] | None
    """Parts to send along."""


class SyncStatusFilters(LocationScoped, WholeOptions, total=False):
    """Which synchronisations are wanted."""

    location_ids: Sequence[int] | None
    """Ids of several locations, instead of one ``location_id``."""
    read_status: SyncColour | None
    """Only those whose reading is in this state."""
    write_status: SyncColour | None
    """Only those whose writing is in this state."""


class DocumentTypeFilters(LocationScoped, WholeOptions, total=False):
    """Which document types are wanted."""

    active: bool | None
    """Only active (True, the server's default) or switched-off (False) ones."""


class OnboardingFilters(PracticeScoped, CursorOptions, total=False):
    """Which onboardings are wanted: those of one practice, or all when none is given."""

    status: OnboardingStatus | None
    """Only those that have come this far."""
    sort: str | None
    """Fields with commas between, ``-`` before one that descends.

    They are ``created_at``, ``status`` and ``subdomain``; ``"-created_at"`` by default.
    """


class NewOnboarding(TypedDict, total=False):
    """The setting up of a new practice, or of more locations of one that exists."""

    institution_name: str
    """The new practice's name; give this or ``subdomain``."""
    subdomain: str
    """The slug of the practice that gets more locations; a scope or session does not give it."""
    institution_zip_code: str
    """The practice's postal code."""
    institution_website: str
    """The practice's website."""
    institution_email: str
    """The practice's email address."""
    emr_name: OnboardingSystem
    """The system the practice keeps its records in."""
