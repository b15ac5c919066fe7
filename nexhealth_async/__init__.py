"""The asyncio client for the NexHealth Synchronizer API: typed, paged, careful with records.

Start with `NexHealth`. Models are in `nexhealth_async.models`, errors in `nexhealth_async.errors`,
the in-process API server for tests in `nexhealth_async.sandbox`.
"""

from __future__ import annotations

from nexhealth_async import errors, models
from nexhealth_async._version import __version__
from nexhealth_async.codec import Codec, to_builtins, to_json
from nexhealth_async.core.rates import Limit, Rates
from nexhealth_async.core.retry import NO_RETRY, RetryPolicy
from nexhealth_async.errors import *  # noqa: F403 - the tree is pinned by its own __all__
from nexhealth_async.scopes import LocationScope, PracticeScope
from nexhealth_async.session import Answer, NexHealth
from nexhealth_async.walk import Page, Pages, Repair, Walk

__all__ = [
    "NO_RETRY",
    "Answer",
    "Codec",
    "Limit",
    "LocationScope",
    "NexHealth",
    "Page",
    "Pages",
    "PracticeScope",
    "Rates",
    "Repair",
    "RetryPolicy",
    "Walk",
    "__version__",
    "errors",
    "models",
    "to_builtins",
    "to_json",
]
__all__ += errors.__all__
