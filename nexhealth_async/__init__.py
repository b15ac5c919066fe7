"""The asyncio client for the NexHealth Synchronizer API: typed, paged, careful with records.

Start with `NexHealth`. Models are in `nexhealth_async.models`, the error tree is drawn in
`nexhealth_async.errors`, the in-process API server for tests is `nexhealth_async.sandbox`. The
modules behind these names are loaded when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nexhealth_async._version import __version__

if TYPE_CHECKING:
    from nexhealth_async._client.budget import Budget, Usage
    from nexhealth_async._client.files import Download
    from nexhealth_async._client.hooks import Attempt, Hook, Outcome
    from nexhealth_async._client.statistics import Stats
    from nexhealth_async._protocol.phone_numbers import normalize_phone
    from nexhealth_async._protocol.rate_limits import Limit, Rates
    from nexhealth_async._protocol.retry import NO_RETRY, RetryPolicy
    from nexhealth_async.codec import Codec, to_builtins, to_json
    from nexhealth_async.errors import (
        AlreadyCancelled,
        APIError,
        BadReply,
        BothBooked,
        BrokenBody,
        BudgetSpent,
        ConnectFailed,
        ConnectionLost,
        DuplicatePatient,
        EdgeBlocked,
        FinancialAccessOff,
        Forbidden,
        IgnoredFilter,
        Invalid,
        InvalidArgument,
        KeyRefused,
        MissingScope,
        NexHealthError,
        NexHealthWarning,
        NotFound,
        NotInThisVersion,
        NotYetSynced,
        OriginError,
        OutcomeUnknown,
        PartialPull,
        RateLimited,
        ServerFailure,
        SessionStateError,
        SlotTaken,
        StalledCursor,
        TargetError,
        TimedOut,
        TransportError,
        Unauthorized,
        UndecodableRecord,
        UnexpectedShape,
        UnfinishedPull,
        UnsupportedBySystem,
        UsageError,
        VersionRefused,
        WalkDrifted,
        WalkOver,
        WebhookRefused,
    )
    from nexhealth_async.pagination.batch_decoder import Repair
    from nexhealth_async.pagination.walk import Page, Pages, Walk
    from nexhealth_async.scopes import LocationScope, PracticeScope
    from nexhealth_async.session import Answer, NexHealth
    from nexhealth_async.webhooks import Ensured
    from nexhealth_async.workflows.booking import Rescheduled
    from nexhealth_async.workflows.confirmation import Written
    from nexhealth_async.workflows.event_bus import EventBoard
    from nexhealth_async.workflows.find_or_create import Found
    from nexhealth_async.workflows.practice_locations import PracticeLocation
    from nexhealth_async.workflows.slots import FreeSlot

__all__ = [
    "NO_RETRY",
    "APIError",
    "AlreadyCancelled",
    "Answer",
    "Attempt",
    "BadReply",
    "BothBooked",
    "BrokenBody",
    "Budget",
    "BudgetSpent",
    "Codec",
    "ConnectFailed",
    "ConnectionLost",
    "Download",
    "DuplicatePatient",
    "EdgeBlocked",
    "Ensured",
    "EventBoard",
    "FinancialAccessOff",
    "Forbidden",
    "Found",
    "FreeSlot",
    "Hook",
    "IgnoredFilter",
    "Invalid",
    "InvalidArgument",
    "KeyRefused",
    "Limit",
    "LocationScope",
    "MissingScope",
    "NexHealth",
    "NexHealthError",
    "NexHealthWarning",
    "NotFound",
    "NotInThisVersion",
    "NotYetSynced",
    "OriginError",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "Pages",
    "PartialPull",
    "PracticeLocation",
    "PracticeScope",
    "RateLimited",
    "Rates",
    "Repair",
    "Rescheduled",
    "RetryPolicy",
    "ServerFailure",
    "SessionStateError",
    "SlotTaken",
    "StalledCursor",
    "Stats",
    "TargetError",
    "TimedOut",
    "TransportError",
    "Unauthorized",
    "UndecodableRecord",
    "UnexpectedShape",
    "UnfinishedPull",
    "UnsupportedBySystem",
    "Usage",
    "UsageError",
    "VersionRefused",
    "Walk",
    "WalkDrifted",
    "WalkOver",
    "WebhookRefused",
    "Written",
    "__version__",
    "normalize_phone",
    "to_builtins",
    "to_json",
]

_HOMES = {
    "_client.budget": ("Budget", "Usage"),
    "codec": ("Codec", "to_builtins", "to_json"),
    "_protocol.rate_limits": ("Limit", "Rates"),
    "_protocol.retry": ("NO_RETRY", "RetryPolicy"),
    "_client.files": ("Download",),
    "workflows.booking": ("Rescheduled",),
    "webhooks.subscriptions": ("Ensured",),
    "workflows.event_bus": ("EventBoard",),
    "workflows.confirmation": ("Written",),
    "workflows.find_or_create": ("Found",),
    "workflows.practice_locations": ("PracticeLocation",),
    "workflows.slots": ("FreeSlot",),
    "_protocol.phone_numbers": ("normalize_phone",),
    "_client.hooks": ("Attempt", "Hook", "Outcome"),
    "scopes": ("LocationScope", "PracticeScope"),
    "session": ("Answer", "NexHealth"),
    "pagination.batch_decoder": ("Repair",),
    "_client.statistics": ("Stats",),
    "pagination.walk": ("Page", "Pages", "Walk"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

_RENAMED: dict[str, str] = {}
"""Public names of old, and what each is called now; the changelog says how long they last."""


def __getattr__(name: str) -> object:
    """Load the module behind a public name on its first use."""
    if name in _RENAMED:
        import warnings

        text = f"{__name__}.{name} is now called {_RENAMED[name]}; the old name will go"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(import_module(__name__), _RENAMED[name])
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Offer the public names."""
    return sorted({*globals(), *__all__})
