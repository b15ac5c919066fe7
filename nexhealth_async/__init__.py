"""Asyncio client for the NexHealth Synchronizer API.

Start with `NexHealth`. Models are in `nexhealth_async.models`, exceptions in
`nexhealth_async.errors`, and the in-process API server for tests in `nexhealth_async.sandbox`. A
module is loaded when one of its names is first used.
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

_NAMES_BY_MODULE = {
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
_MODULE_BY_NAME = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> object:
    """Load the module of a public name at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULE_BY_NAME.get(name, 'errors')}")
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
