"""``nexhealth check``: is the key good, what does it see, and do the data flow?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import frozen

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import run
from nexhealth_async.cli.open_session import (
    ANY_LOCATION,
    CliApiKey,
    ConnectionOptions,
    OpenedSession,
    open_session,
)
from nexhealth_async.errors import APIError, NotInVersionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexhealth_async import NexHealth
    from nexhealth_async.models import Institution, Location, SyncStatus

__all__ = ["check"]

_RECENT_SECONDS = 10.0


def check(*, entry: ConnectionOptions = ANY_LOCATION) -> int:
    """Check the key, and say what it sees and whether the practices' data flow.

    The key is read from NEXHEALTH_API_KEY, or asked for. Exit status 0 says
    that it is accepted, 1 that it is not, or that the API is out of reach.
    """
    seen = run(_inspect_account(entry, CliApiKey.for_entry(entry)))
    terminal.print_message("".join(line + "\n" for line in _report(seen)))
    return 0


@frozen(kw_only=True)
class _AccountStatus:
    """What there was to see."""

    host: str
    version: str
    token_seconds: float
    institutions: list[Institution]
    locations: list[Location]
    syncs: list[SyncStatus] | None
    """None where the API refused to tell."""


async def _inspect_account(entry: ConnectionOptions, key: CliApiKey) -> _AccountStatus:
    from nexhealth_async._protocol.retry import RetryPolicy
    from nexhealth_async.session import client_of

    # Somebody waits for the answer: one more try, then say so.
    async with open_session(entry, key, retry=RetryPolicy(attempts=2, base_delay=0.2)) as door:
        nex = door.nex
        institutions = [one async for one in nex.institutions.walk()]
        locations = [one async for one in nex.locations.walk()]
        return _AccountStatus(
            host=_host(door),
            version=await client_of(nex).resolve_version(),
            token_seconds=await nex.log_in(),
            institutions=institutions,
            locations=locations,
            syncs=await _syncs(nex),
        )


async def _syncs(nex: NexHealth) -> list[SyncStatus] | None:
    try:
        return [one async for one in nex.sync_status.walk()]
    except (APIError, NotInVersionError):
        return None


def _host(base_url: OpenedSession) -> str:
    parts = urlsplit(base_url.url)
    return parts.netloc.rpartition("@")[2]


def _report(status: _AccountStatus) -> Iterator[str]:
    yield f"Host         {status.host}"
    yield f"API version  {status.version}"
    yield f"Key          accepted; a token lasts {_format_duration(status.token_seconds)}"
    # The two lists are asked for one after the other, so that either may know of more.
    names: dict[int | None, tuple[str | None, str | None]] = {
        **{one.institution_id: (one.institution_name, one.subdomain) for one in status.locations},
        **{one.id: (one.name, one.subdomain) for one in status.institutions},
    }
    if not names:
        yield "Practices    none: ask for a practice to be connected to this key"
    for id, (name, subdomain) in names.items():
        yield ""
        yield f"{_name(name)}, subdomain {_name(subdomain)}"
        offices = [one for one in status.locations if one.institution_id == id]
        for office in offices:
            yield f"  {_title(office)}"
            yield from (f"    {line}" for line in _sync_rows(status.syncs, office))
        if not offices:
            yield "  no location"


def _sync_rows(syncs: list[SyncStatus] | None, location: Location) -> Iterator[str]:
    if syncs is None:
        yield "sync state not available to this key or version"
        return
    ours = [sync for sync in syncs if any(one.id == location.id for one in sync.locations)]
    for sync in ours:
        system = sync.emr and (sync.emr.display_name or sync.emr.name)
        system = terminal.escape_controls(system) if system else "the practice's system"
        yield f"reading from {system} {_sync_text(sync.read_status, sync.read_status_at)}"
        yield f"writing to {system} {_sync_text(sync.write_status, sync.write_status_at)}"
    if not ours:
        yield "no sync reported"


def _title(location: Location) -> str:
    parts = [f"Location {location.id}", _name(location.name)]
    if location.tz:
        parts.append(_name(location.tz))
    if location.inactive:
        parts.append("inactive")
    return ", ".join(parts)


def _sync_text(status: str | None, timestamp: datetime | None) -> str:
    if status is None:
        return "is not reported"
    meaning = {"green": "works", "red": "is down"}.get(status, "is in a state unknown here")
    text = f"{meaning} ({_name(status)}"
    if timestamp is None:
        return f"{text})"
    moment = timestamp.astimezone(UTC)
    ago = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    return f"{text} as of {moment:%Y-%m-%d %H:%M} UTC, {_format_age(ago)})"


def _format_age(seconds: float) -> str:
    return "just now" if seconds < _RECENT_SECONDS else f"{_format_duration(seconds)} ago"


def _format_duration(seconds: float) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size or (unit == "minute" and seconds >= size):
            number = round(seconds / size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    number = round(seconds)
    return f"{number} second{'' if number == 1 else 's'}"


def _name(text: str | None) -> str:
    return terminal.escape_controls(text) if text else "(without a name)"
