"""Stores that processes share: seen webhook events, and the token and rate limits of a key.

With `RedisTokens` and `RedisRates` (extra ``redis``), all processes with one API key share its
token and its rate limits.

The other stores record which webhook events were handled, so that duplicates can be dropped.
`MemorySeen` lasts as long as the process, `SqliteSeen` is a file that the processes of one machine
share, and `RedisSeen` (extra ``redis``) serves many machines. They hold hashes (`Event.key`) and no
content of the events. `SqliteQueue` also keeps the events themselves, until they are handled.

**At least once.** A key is claimed before its event is handled, and marked as seen afterwards. A
process that dies in between leaves a claim, which others may take over after ``lease``: then the
event is handled again. Handlers must be idempotent, and ``lease`` must be longer than handling
takes; a queue's claims are renewed during handling.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nexhealth_async.webhooks.store_protocols import (
    KEEP,
    LEASE,
    Claim,
    EventQueue,
    QueuedEvent,
    SeenStore,
    Stored,
)

if TYPE_CHECKING:
    from nexhealth_async.stores.redis_rates import RedisRates
    from nexhealth_async.stores.redis_tokens import RedisTokens
    from nexhealth_async.webhooks.memory_seen import MemorySeen
    from nexhealth_async.webhooks.redis_seen import RedisSeen
    from nexhealth_async.webhooks.sqlite_queue import SqliteQueue
    from nexhealth_async.webhooks.sqlite_seen import SqliteSeen

__all__ = [
    "KEEP",
    "LEASE",
    "Claim",
    "EventQueue",
    "MemorySeen",
    "QueuedEvent",
    "RedisRates",
    "RedisSeen",
    "RedisTokens",
    "SeenStore",
    "SqliteQueue",
    "SqliteSeen",
    "Stored",
]

_MODULES = {
    "MemorySeen": "nexhealth_async.webhooks.memory_seen",
    "RedisRates": "nexhealth_async.stores.redis_rates",
    "RedisSeen": "nexhealth_async.webhooks.redis_seen",
    "RedisTokens": "nexhealth_async.stores.redis_tokens",
    "SqliteQueue": "nexhealth_async.webhooks.sqlite_queue",
    "SqliteSeen": "nexhealth_async.webhooks.sqlite_seen",
}


def __getattr__(name: str) -> object:
    """Import a store on first access, since each depends on a different library."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
