"""``nexhealth check``: verify the key, its practices and their sync status."""

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
    """Check the key, and list its practices and their sync status.

    The key is read from NEXHEALTH_API_KEY, or prompted for. The exit status is 0
    if the key is accepted, and 1 if it is not or the API cannot be reached.
    """
    status = run(_inspect_account(entry, CliApiKey.for_entry(entry)))
    terminal.print_message("".join(line + "\n" for line in _report(status)))
    return 0


@frozen(kw_only=True)
class _AccountStatus:
    """The account as the API reports it."""

    host: str
    version: str
    token_seconds: float
    institutions: list[Institution]
    locations: list[Location]
    syncs: list[SyncStatus] | None
    """None if the key or the version may not read the sync status."""


async def _inspect_account(entry: ConnectionOptions, key: CliApiKey) -> _AccountStatus:
    from nexhealth_async._protocol.retry import RetryPolicy
    from nexhealth_async.session import client_of

    # A user is waiting, so one retry is enough.
    async with open_session(entry, key, retry=RetryPolicy(attempts=2, base_delay=0.2)) as session:
        nex = session.nex
        institutions = [institution async for institution in nex.institutions.walk()]
        locations = [location async for location in nex.locations.walk()]
        return _AccountStatus(
            host=_host(session),
            version=await client_of(nex).resolve_version(),
            token_seconds=await nex.log_in(),
            institutions=institutions,
            locations=locations,
            syncs=await _read_syncs(nex),
        )


async def _read_syncs(nex: NexHealth) -> list[SyncStatus] | None:
    try:
        return [sync async for sync in nex.sync_status.walk()]
    except (APIError, NotInVersionError):
        return None


def _host(session: OpenedSession) -> str:
    parts = urlsplit(session.url)
    return parts.netloc.rpartition("@")[2]


def _report(status: _AccountStatus) -> Iterator[str]:
    yield f"Host         {status.host}"
    yield f"API version  {status.version}"
    yield f"Key          accepted; a token lasts {_format_duration(status.token_seconds)}"
    # The lists are read in two requests, so either may hold a practice that the other lacks.
    names: dict[int | None, tuple[str | None, str | None]] = {
        location.institution_id: (location.institution_name, location.subdomain)
        for location in status.locations
    }
    names |= {
        institution.id: (institution.name, institution.subdomain)
        for institution in status.institutions
    }
    if not names:
        yield "Practices    none: ask NexHealth to connect a practice to this key"
    for id, (name, subdomain) in names.items():
        yield ""
        yield f"{_name(name)}, subdomain {_name(subdomain)}"
        locations = [location for location in status.locations if location.institution_id == id]
        for location in locations:
            yield f"  {_title(location)}"
            yield from (f"    {line}" for line in _sync_rows(status.syncs, location))
        if not locations:
            yield "  no location"


def _sync_rows(syncs: list[SyncStatus] | None, location: Location) -> Iterator[str]:
    if syncs is None:
        yield "sync status not available to this key or version"
        return
    location_syncs = [
        sync for sync in syncs if location.id in [synced.id for synced in sync.locations]
    ]
    for sync in location_syncs:
        system = sync.emr and (sync.emr.display_name or sync.emr.name)
        system = terminal.escape_controls(system) if system else "the practice's system"
        yield f"reading from {system} {_sync_text(sync.read_status, sync.read_status_at)}"
        yield f"writing to {system} {_sync_text(sync.write_status, sync.write_status_at)}"
    if not location_syncs:
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
    meaning = {"green": "works", "red": "is down"}.get(status, "has an unknown status")
    text = f"{meaning} ({_name(status)}"
    if timestamp is None:
        return f"{text})"
    timestamp = timestamp.astimezone(UTC)
    age = max(0.0, (datetime.now(UTC) - timestamp).total_seconds())
    return f"{text} as of {timestamp:%Y-%m-%d %H:%M} UTC, {_format_age(age)})"


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
    return terminal.escape_controls(text) if text else "(no name)"
