"""Fencing numbers of shards in PostgreSQL; each function runs within a transaction.

A writer locks the shard's row first and compares its fence. So nobody can claim the shard between
the comparison and the commit, and a writer that lost its claim fails before it writes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast

import msgspec
from attrs import evolve

from nexhealth_async.bulk import (
    ClaimHolder,
    Group,
    PullOverview,
    ReadOptions,
    Shard,
    ShardClaim,
    ShardState,
    States,
)
from nexhealth_async.bulk.target_support import (
    check_shard,
    check_state,
    origin_from_json,
    shard_from_json,
    shard_state_from_json,
)
from nexhealth_async.errors import UsageError
from nexhealth_async.export import postgres_rejected as rejected
from nexhealth_async.export import postgres_sql
from nexhealth_async.export.postgres_connection import Connection
from nexhealth_async.export.state_tables import practice_of, state_row

__all__ = [
    "claim_shard",
    "complete",
    "finish",
    "group_states",
    "keep_reading",
    "lock_claim",
    "overview",
    "read_claim",
    "save_state",
]

_LAST_PULL: Final = "(select id from _nexhealth_pulls order by number desc limit 1)"
_HOLDER_COLUMNS: Final = "fence, owner, cast(touched as text)"
_READ_CLAIM: Final = (
    f"select shards.number, shard, state, cast(started as text), "  # noqa: S608 - ours
    f"to_jsonb(pulls) ->> 'reading', to_jsonb(pulls) ->> 'origin', {_HOLDER_COLUMNS} "
    "from _nexhealth_shards as shards "
    "join _nexhealth_pulls as pulls on pulls.id = pull "
    'where pull = $1 and name collate "C" = $2'
)
_CLAIM: Final = (
    "update _nexhealth_shards set fence = fence + 1, owner = $4, touched = now() "
    'where pull = $1 and name collate "C" = $2 and fence = $3 '
    "and status is distinct from 'done' returning fence, state"
)
_LOCK_CLAIM: Final = (
    'select fence = $3 from _nexhealth_shards where pull = $1 and name collate "C" = $2 for update'
)
_UPDATE_STATE: Final = (
    "update _nexhealth_shards set status = $3, records = $4, error = $5, state = $6, "
    'touched = now() where pull = $1 and name collate "C" = $2'
)
_READ_GROUP: Final = (
    "select shard, state from _nexhealth_shards "
    'where pull = $1 and name collate "C" >= $2 and name collate "C" < $3 order by number'
)
_READ_WATERMARK: Final = (
    "select cast(watermark as text) from _nexhealth_groups where resource = $1 and subdomain = $2"
)
_LOCK_GROUPS: Final = "lock table _nexhealth_groups in share row exclusive mode"
_FINISH_PULL: Final = (
    "update _nexhealth_pulls set finished = true where id = $1 and not exists "
    "(select 1 from _nexhealth_shards where pull = $1 and status is distinct from 'done')"
)
_UPDATE_READING: Final = "update _nexhealth_pulls set reading = $2 where id = $1"
_READ_HOLDERS: Final = (
    f"select name, {_HOLDER_COLUMNS} from _nexhealth_shards where pull = {_LAST_PULL} and fence > 0"  # noqa: S608 - ours
)
_HAS_FENCE_COLUMN: Final = (
    "select 1 from pg_attribute "
    "where attrelid = to_regclass('_nexhealth_shards') and attname = 'fence'"
)


async def read_claim(db: Connection, pull: str, name: str) -> ShardClaim | None:
    """Return a shard and its state; None if there is no pull or another one has begun.

    Raises:
        UsageError: The stored shard is not the one that was planned.
    """
    if await db.fetchval(_HAS_FENCE_COLUMN) is None:
        return None
    row = await db.fetchrow(_READ_CLAIM, pull, name)
    if row is None:
        return None
    number, text, state, started, reading, origin, *holder = cast(
        "tuple[int, str, str | None, str, str | None, str | None, object]", tuple(row)
    )
    shard = _shard(text)
    if shard.name != name:
        raise UsageError(f"the stored shard {name} does not match its name; start over")
    shard_state = _state(state)
    if shard_state is not None:
        check_state(shard, shard_state)
    return ShardClaim(
        pull=pull,
        shard=shard,
        number=number,
        started=datetime.fromisoformat(started),
        state=shard_state,
        holder=_holder(*holder),
        reading=_reading(reading),
        origin=origin_from_json(origin),
    )


async def claim_shard(db: Connection, claim: ShardClaim, owner: str) -> ShardClaim | None:
    """Give a shard the next fence, and reset it to the position from which it can resume."""
    row = await db.fetchrow(_CLAIM, claim.pull, claim.shard.name, claim.holder.fence, owner)
    if row is None:
        return None
    fence, text = cast("tuple[int, str | None]", tuple(row))
    state = _state(text)  # its holder may have written meanwhile
    if state is not None:
        check_state(claim.shard, state)
    if state is not None and state.position is None:
        await postgres_sql.rewind(db, claim.shard, (claim.pull, claim.number))
        state = None
    if state is not None:
        state = evolve(state, status="open", error=None)
    return evolve(claim, state=state, holder=ClaimHolder(fence=fence, owner=owner))


async def lock_claim(db: Connection, claim: ShardClaim) -> bool:
    """Lock a shard until the commit; return False if another worker has claimed it."""
    return await db.fetchval(_LOCK_CLAIM, claim.pull, claim.shard.name, claim.holder.fence) is True


async def save_state(db: Connection, claim: ShardClaim, state: ShardState) -> None:
    """Store the state of a claimed shard."""
    await db.execute(_UPDATE_STATE, claim.pull, claim.shard.name, *state_row(state))


async def group_states(db: Connection, pull: str, group: Group) -> States:
    """Return the states of all shards of a group."""
    first, end = f"{group.name}/", f"{group.name}0"  # "0" follows "/"
    rows = await db.fetch(_READ_GROUP, pull, first, end)
    return [
        (_shard(text), _state(state)) for text, state in cast("list[tuple[str, str | None]]", rows)
    ]


async def complete(
    db: Connection, claim: ShardClaim, group: Group, watermark: datetime, *, whole: bool
) -> int | None:
    """Complete a group, unless it is complete or the pull is no longer the last one."""
    await db.execute(_LOCK_GROUPS)
    key = (group.resource, practice_of(group.subdomain))
    pull = await postgres_sql.load_progress_without_shards(db)
    if pull is None or pull.id != claim.pull:
        return None
    stored = cast("str | None", await db.fetchval(_READ_WATERMARK, *key))
    if stored is not None and datetime.fromisoformat(stored) == watermark:
        return None
    return await postgres_sql.complete(db, group, pull, watermark, whole=whole)


async def finish(db: Connection, pull: str) -> bool:
    """Store that a pull has ended, if all its shards are done."""
    return await db.execute(_FINISH_PULL, pull) == "UPDATE 1"


async def overview(db: Connection) -> PullOverview | None:
    """Return the last pull with the holders of its shards."""
    if await db.fetchval(_HAS_FENCE_COLUMN) is None:
        return None
    progress = await postgres_sql.load_progress(db)
    if progress is None:
        return None
    rows = cast("list[tuple[str, object, object, object]]", await db.fetch(_READ_HOLDERS))
    return PullOverview(
        progress=progress,
        holders={name: _holder(*holder) for name, *holder in rows},
        rejected=await rejected.read(db),
    )


async def keep_reading(db: Connection, pull: str, reading: ReadOptions) -> None:
    """Store the read options of a pull."""
    await postgres_sql.add_reading_column(db)
    await db.execute(_UPDATE_READING, pull, msgspec.json.encode(reading).decode())


def _shard(text: str) -> Shard:
    shard = shard_from_json(text)
    check_shard(shard)
    return shard


def _state(text: str | None) -> ShardState | None:
    return None if text is None else shard_state_from_json(text)


def _reading(text: str | None) -> ReadOptions:
    if text is None:
        return ReadOptions()
    try:
        return msgspec.json.decode(text, type=ReadOptions)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError(
            "another release stored the read options of this pull; start over"
        ) from None


def _holder(*row: object) -> ClaimHolder:
    fence, owner, touched = cast("tuple[int, str | None, str | None]", row)
    last_write = None if touched is None else datetime.fromisoformat(touched)
    return ClaimHolder(fence=fence, owner=owner, touched=last_write)
