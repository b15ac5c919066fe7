"""What the practice, its offices, providers and rooms may be asked."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from nexhealth_async.filters.shared import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    WholeOptions,
)

__all__ = [
    "DescriptorFilters",
    "InstitutionFilters",
    "LocationFilters",
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


class InstitutionFilters(WholeOptions, total=False):
    """How to walk institutions; they have no filters."""


class LocationFilters(PracticeScoped, WholeOptions, total=False):
    """Which locations are wanted."""

    inactive: bool
    """Only inactive (True) or active (False) ones; both when left out."""
    foreign_id: str
    """The location's id in the practice's own system."""
    filter_by_subscription_feature: SubscriptionFeature
    """Only locations that have subscribed to this product."""


class DescriptorFilters(WholeOptions, total=False):
    """Which appointment descriptors are wanted."""

    descriptor_type: str
    """Only descriptors of this type, such as ``"Procedure Code"``; types differ by system."""


class ProviderFilters(LocationScoped, NumberedOptions, total=False):
    """Which providers are wanted. A location narrows the list to those who work there."""

    ids: Sequence[int]
    """Only providers with these ids."""
    foreign_id: str
    """The provider's id in the practice's own system."""
    requestable: bool
    """Only those who can be booked online at the location, which must be given too."""
    inactive: bool
    """Only inactive (True) or active (False) ones; the server's default is False."""
    updated_since: datetime
    """Only those changed at or after this time."""
    include: Sequence[ProviderInclude]
    """Parts to send along."""


class ProviderOptions(PracticeScoped, total=False):
    """How one provider is wanted."""

    include: Sequence[ProviderInclude]
    """Parts to send along."""


class OperatoryFilters(LocationScoped, NumberedOptions, total=False):
    """Which operatories are wanted."""

    search_name: str
    """Only those with this in their name."""
    foreign_id: str
    """The operatory's id in the practice's own system."""
    updated_since: datetime
    """Only those changed at or after this time."""
    include: Sequence[OperatoryInclude]
    """Parts to send along."""


class OperatoryOptions(PracticeScoped, total=False):
    """How one operatory is wanted."""

    include: Sequence[OperatoryInclude]
    """Parts to send along."""


class SyncStatusFilters(LocationScoped, WholeOptions, total=False):
    """Which synchronisations are wanted."""

    location_ids: Sequence[int]
    """Ids of several locations, instead of one ``location_id``."""
    read_status: SyncColour
    """Only those whose reading is in this state."""
    write_status: SyncColour
    """Only those whose writing is in this state."""
