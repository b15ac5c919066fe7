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
    from nexhealth_async._client.hooks import Attempt, AttemptOutcome, Hook
    from nexhealth_async._client.statistics import Stats
    from nexhealth_async._protocol.phone_numbers import normalize_phone
    from nexhealth_async._protocol.rate_limits import Limit, Rates
    from nexhealth_async._protocol.retry import NO_RETRY, RetryPolicy
    from nexhealth_async.codec import Codec, to_builtins, to_json
    from nexhealth_async.errors import (
        AlreadyCancelledError,
        APIConnectionError,
        APIError,
        APITimeoutError,
        AuthenticationError,
        BudgetExceededError,
        ConnectError,
        ConnectionLostError,
        DoubleBookedError,
        DriftError,
        DuplicatePatientError,
        FinancialAccessDisabledError,
        FirewallBlockedError,
        IgnoredFilterError,
        InvalidAPIKeyError,
        InvalidArgumentError,
        InvalidRequestError,
        InvalidResponseError,
        InvalidWebhookError,
        MalformedBodyError,
        MissingScopeError,
        NexHealthError,
        NexHealthWarning,
        NotFoundError,
        NotInVersionError,
        NotYetSyncedError,
        OriginError,
        OutcomeUnknownError,
        PartialPullError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        SessionStateError,
        SlotTakenError,
        StalledCursorError,
        TargetError,
        UndecodableRecordError,
        UnexpectedStructureError,
        UnfinishedPullError,
        UnsupportedBySystemError,
        UsageError,
        VersionNotEnabledError,
        WalkClosedError,
    )
    from nexhealth_async.pagination.batch_decoder import Repair
    from nexhealth_async.pagination.walk import Page, Pages, Walk
    from nexhealth_async.scopes import LocationScope, PracticeScope
    from nexhealth_async.session import APIResponse, NexHealth
    from nexhealth_async.webhooks import WebhookSyncResult
    from nexhealth_async.workflows.booking import RescheduleResult
    from nexhealth_async.workflows.confirmation import WriteResult
    from nexhealth_async.workflows.event_bus import EventBus
    from nexhealth_async.workflows.find_or_create import FindOrCreateResult
    from nexhealth_async.workflows.practice_locations import PracticeLocation
    from nexhealth_async.workflows.slots import FreeSlot

__all__ = [
    "NO_RETRY",
    "APIConnectionError",
    "APIError",
    "APIResponse",
    "APITimeoutError",
    "AlreadyCancelledError",
    "Attempt",
    "AttemptOutcome",
    "AuthenticationError",
    "Budget",
    "BudgetExceededError",
    "Codec",
    "ConnectError",
    "ConnectionLostError",
    "DoubleBookedError",
    "Download",
    "DriftError",
    "DuplicatePatientError",
    "EventBus",
    "FinancialAccessDisabledError",
    "FindOrCreateResult",
    "FirewallBlockedError",
    "FreeSlot",
    "Hook",
    "IgnoredFilterError",
    "InvalidAPIKeyError",
    "InvalidArgumentError",
    "InvalidRequestError",
    "InvalidResponseError",
    "InvalidWebhookError",
    "Limit",
    "LocationScope",
    "MalformedBodyError",
    "MissingScopeError",
    "NexHealth",
    "NexHealthError",
    "NexHealthWarning",
    "NotFoundError",
    "NotInVersionError",
    "NotYetSyncedError",
    "OriginError",
    "OutcomeUnknownError",
    "Page",
    "Pages",
    "PartialPullError",
    "PermissionDeniedError",
    "PracticeLocation",
    "PracticeScope",
    "RateLimitError",
    "Rates",
    "Repair",
    "RescheduleResult",
    "RetryPolicy",
    "ServerError",
    "SessionStateError",
    "SlotTakenError",
    "StalledCursorError",
    "Stats",
    "TargetError",
    "UndecodableRecordError",
    "UnexpectedStructureError",
    "UnfinishedPullError",
    "UnsupportedBySystemError",
    "Usage",
    "UsageError",
    "VersionNotEnabledError",
    "Walk",
    "WalkClosedError",
    "WebhookSyncResult",
    "WriteResult",
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
    "workflows.booking": ("RescheduleResult",),
    "webhooks.subscriptions": ("WebhookSyncResult",),
    "workflows.event_bus": ("EventBus",),
    "workflows.confirmation": ("WriteResult",),
    "workflows.find_or_create": ("FindOrCreateResult",),
    "workflows.practice_locations": ("PracticeLocation",),
    "workflows.slots": ("FreeSlot",),
    "_protocol.phone_numbers": ("normalize_phone",),
    "_client.hooks": ("Attempt", "Hook", "AttemptOutcome"),
    "scopes": ("LocationScope", "PracticeScope"),
    "session": ("APIResponse", "NexHealth"),
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
