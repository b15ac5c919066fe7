"""What processes keep together: seen webhook events, and the token and rate limits of a key.

`RedisTokens` and `RedisRates` (extra ``redis``) let all processes under one API key share its token
and its rate limits.

The others note which webhook events were handled, so that duplicates can be dropped.

`MemorySeen` forgets with the process, `SqliteSeen` keeps a file that the processes of one
machine share, `RedisSeen` (extra ``redis``) serves many machines. All of them hold hashes
(`Event.key`) and nothing of the events. `SqliteQueue` keeps the events themselves as well,
until they are handled.

**At least once.** A key is claimed before its event is handed on, and marked as seen only when that
was done. A process that dies in between leaves a claim, which others may take over once it is older
than ``lease``: then the event is handled again. So what handles events must bear a repetition, and
``lease`` must be longer than handling takes; a queue's claims are renewed while handling goes on.
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

_HOMES = {
    "MemorySeen": "nexhealth_async.webhooks.memory_seen",
    "RedisRates": "nexhealth_async.stores.redis_rates",
    "RedisSeen": "nexhealth_async.webhooks.redis_seen",
    "RedisTokens": "nexhealth_async.stores.redis_tokens",
    "SqliteQueue": "nexhealth_async.webhooks.sqlite_queue",
    "SqliteSeen": "nexhealth_async.webhooks.sqlite_seen",
}


def __getattr__(name: str) -> object:
    """Load a store when it is first asked for: each needs a module of its own."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
