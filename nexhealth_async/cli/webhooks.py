"""``nexhealth webhooks``: list and set up webhook endpoints and subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from attrs import field, frozen
from cyclopts import App, Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import CliError, run
from nexhealth_async.cli.open_session import (
    ANY_LOCATION,
    CliApiKey,
    ConnectionOptions,
    open_session,
)
from nexhealth_async.cli.output import open_writer
from nexhealth_async.cli.table_columns import TableColumn
from nexhealth_async.cli.tables import TextTable, terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexhealth_async import NexHealth, WebhookSyncResult
    from nexhealth_async.models import WebhookEndpoint
    from nexhealth_async.webhooks import SubscriptionKey

__all__ = ["webhooks"]

_COLUMNS = (
    TableColumn("endpoint", ("endpoint",), max_width=12, min_width=8, align_right=True),
    TableColumn("host", ("host",), max_width=40, min_width=16),
    TableColumn("state", ("state",), max_width=8, min_width=8),
    TableColumn("practice", ("practice",), max_width=36, min_width=12),
    TableColumn("event", ("event",), max_width=40, min_width=20),
)

webhooks: App = App(
    name="webhooks",
    help="List and set up the webhook endpoints of practices.",
    help_format="plaintext",
)


@webhooks.command(name="list")
def list_endpoints(*, entry: ConnectionOptions = ANY_LOCATION) -> int:
    """List the key's webhook endpoints and their subscriptions.

    Only the host of a URL is shown, because the rest often holds a token.
    The key is read from NEXHEALTH_API_KEY, or prompted for.
    """
    rows = run(_read_rows(entry, CliApiKey.for_entry(entry)))
    if not rows:
        terminal.print_line("This key has no webhook endpoint.")
        return 0
    table = TextTable(_COLUMNS, width=terminal_width(), colour=terminal.is_coloured())
    terminal.write(table.lines(rows))
    terminal.print_hidden_columns(table.hidden_columns)
    return 0


async def _read_rows(entry: ConnectionOptions, key: CliApiKey) -> list[list[str]]:
    async with open_session(entry, key) as session:
        nex = session.nex
        practices = {
            institution.id: institution.subdomain or ""
            async for institution in nex.institutions.walk()
        }
        return [
            row
            async for endpoint in nex.webhook_endpoints.walk()
            for row in await _read_subscriptions(nex, endpoint, practices)
        ]


async def _read_subscriptions(
    nex: NexHealth, endpoint: WebhookEndpoint, practices: dict[int, str]
) -> list[list[str]]:
    host = urlsplit(endpoint.target_url or "").hostname or ""
    cells = [str(endpoint.id), host]
    async with aclosing(nex.webhook_endpoints.subscriptions.walk(endpoint.id)) as walk:
        rows = [
            [
                *cells,
                "on" if endpoint.active and subscription.active else "off",
                practices.get(subscription.institution_id or 0, ""),
                subscription.event or "",
            ]
            async for subscription in walk
        ]
    return rows or [[*cells, "on" if endpoint.active else "off", "", "(no events)"]]


@webhooks.command
def ensure(
    target_url: Annotated[
        str, Parameter(help="URL that receives the events: an https:// address of yours.")
    ],
    /,
    *,
    event: Annotated[
        list[str],
        Parameter(negative="", help="Event, such as appointment_insertion; repeat it for several."),
    ],
    subdomain: Annotated[
        list[str] | None,
        Parameter(
            name=("--practice", "--subdomain"),
            negative="",
            help="Practice; repeat it for several. Default: all that the key sees.",
        ),
    ] = None,
    secret_file: Annotated[
        Path | None,
        Parameter(help="File for the signing secret; required if the endpoint is created."),
    ] = None,
    prune: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Remove other subscriptions of these practices at this endpoint.",
        ),
    ] = False,
    renew_before: Annotated[
        datetime | None,
        Parameter(
            help="Renew subscriptions created before this time (with zone), such as to move them "
            "to another --api-version."
        ),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Only print the changes.")
    ] = False,
    entry: ConnectionOptions = ANY_LOCATION,
) -> int:
    """Subscribe a URL to events of practices.

    The command creates a missing endpoint and missing subscriptions, and activates
    an inactive endpoint. It is idempotent. The secret that signs deliveries is
    never printed. The key is read from NEXHEALTH_API_KEY, or prompted for.
    """
    if not _is_url(target_url):
        raise CliError("The URL of the endpoint must begin with https:// and name a host.")
    for name in event:
        _check_event(name)
    command = _EnsureCommand(
        target_url=target_url,
        events=event,
        subdomains=subdomain,
        renew_before=renew_before,
        prune=prune,
    )
    key = CliApiKey.for_entry(entry)
    result = run(_ensure(entry, key, command, None if dry_run else secret_file, dry_run=dry_run))
    terminal.print_message("".join(line + "\n" for line in _report(result, secret_file)))
    return 0


@frozen(kw_only=True)
class _EnsureCommand:
    """Arguments of ``ensure``."""

    target_url: str = field(repr=False)
    events: Sequence[str]
    subdomains: Sequence[str] | None
    renew_before: datetime | None
    prune: bool

    async def run(self, nex: NexHealth, *, dry_run: bool) -> WebhookSyncResult:
        practices = self.subdomains or [
            institution.subdomain
            async for institution in nex.institutions.walk()
            if institution.subdomain
        ]
        return await nex.webhooks.ensure(
            self.target_url,
            self.events,
            practices,
            renew_before=self.renew_before,
            prune=self.prune,
            dry_run=dry_run,
        )


async def _ensure(
    entry: ConnectionOptions,
    key: CliApiKey,
    command: _EnsureCommand,
    secret_file: Path | None,
    *,
    dry_run: bool,
) -> WebhookSyncResult:
    async with open_session(entry, key) as session:
        plan = await command.run(session.nex, dry_run=True)
        if dry_run:
            return plan
        if not plan.created:
            return await command.run(session.nex, dry_run=False)
        if secret_file is None:
            raise CliError(
                "The endpoint would be created, and the API may not show its secret again: "
                "add --secret-file to store it."
            )
        _check_new_file(secret_file)
        # The file is opened first, because a secret that cannot be written would be lost.
        with open_writer(secret_file) as writer:
            result = await command.run(session.nex, dry_run=False)
            secret = result.endpoint and result.endpoint.secret_key
            await writer.write(f"{secret or ''}\n".encode())
            return result


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(parts.hostname)


def _check_new_file(secret_file: Path) -> None:
    if secret_file.exists():
        raise CliError(
            f"The endpoint would be created, but {secret_file} exists and may hold another secret: "
            "move that file, or name another."
        )


def _check_event(name: str) -> None:
    """Raise `CliError` for an unknown event, and suggest the nearest one."""
    from difflib import get_close_matches

    from nexhealth_async.webhooks import EVENTS

    known = sorted({event for events in EVENTS.values() for event in events})
    if name not in known:
        matches = get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean {matches[0]}?" if matches else f"events: {', '.join(known)}."
        raise CliError(f"{terminal.redact_argument(name)}: there is no such event; {hint}")


def _report(result: WebhookSyncResult, secret_file: Path | None) -> Iterator[str]:
    if result.dry_run:
        yield "Dry run; nothing was changed. Changes to make:"
    endpoint = result.endpoint
    if result.dry_run and result.created:
        yield "Endpoint to be created"
    elif result.created:
        yield "Endpoint created" if endpoint is None else f"Endpoint {endpoint.id} created"
        if secret_file is not None:
            yield f"Its signing secret is in {secret_file}"
    elif endpoint is not None:
        state = "exists"
        if result.reactivated:
            state = "to be activated" if result.dry_run else "activated"
        yield f"Endpoint {endpoint.id} {state}"
    prefix = "to be " if result.dry_run else ""
    yield from _subscription_lines(f"{prefix}subscribed", result.created_subscriptions)
    yield from _subscription_lines(f"{prefix}renewed", result.renewed)
    yield from _subscription_lines(f"{prefix}activated", result.activated)
    yield from _subscription_lines(f"{prefix}removed", result.removed)
    duplicated = () if result.removed else result.duplicated
    yield from _subscription_lines("duplicated; --prune removes one", duplicated)
    if not result.changed:
        number = len(result.unchanged)
        subject = "The subscription exists" if number == 1 else f"All {number} subscriptions exist"
        yield f"{subject} already"


def _subscription_lines(label: str, subscriptions: Sequence[SubscriptionKey]) -> Iterator[str]:
    for key in subscriptions:
        practice = "" if key.practice is None else f" of {terminal.escape_controls(key.practice)}"
        yield f"{terminal.escape_controls(key.event)}{practice}: {label}"
