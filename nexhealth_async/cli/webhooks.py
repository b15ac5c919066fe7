"""``nexhealth webhooks``: where a key's events are sent, as it is and as it should be."""

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
    help="See and set up where the events of practices are sent.",
    help_format="plaintext",
)


@webhooks.command(name="list")
def list_endpoints(*, entry: ConnectionOptions = ANY_LOCATION) -> int:
    """List the key's webhook endpoints and what each is subscribed to.

    Of an address only the host is shown, since the rest often holds a token.
    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    rows = run(_rows(entry, CliApiKey.for_entry(entry)))
    if not rows:
        terminal.print_line("This key has no webhook endpoint.")
        return 0
    table = TextTable(_COLUMNS, width=terminal_width(), colour=terminal.is_coloured())
    terminal.write(table.lines(rows))
    terminal.print_hidden_columns(table.hidden_columns)
    return 0


async def _rows(entry: ConnectionOptions, key: CliApiKey) -> list[list[str]]:
    async with open_session(entry, key) as door:
        practices = {one.id: one.subdomain or "" async for one in door.nex.institutions.walk()}
        return [
            row
            async for endpoint in door.nex.webhook_endpoints.walk()
            for row in await _lines(door.nex, endpoint, practices)
        ]


async def _lines(
    nex: NexHealth, endpoint: WebhookEndpoint, practices: dict[int, str]
) -> list[list[str]]:
    host = urlsplit(endpoint.target_url or "").hostname or ""
    head = [str(endpoint.id), host]
    async with aclosing(nex.webhook_endpoints.subscriptions.walk(endpoint.id)) as walk:
        found = [
            [
                *head,
                "on" if endpoint.active and one.active else "off",
                practices.get(one.institution_id or 0, ""),
                one.event or "",
            ]
            async for one in walk
        ]
    return found or [[*head, "on" if endpoint.active else "off", "", "(no events)"]]


@webhooks.command
def ensure(
    target_url: Annotated[
        str, Parameter(help="Where the events are to be sent: an https:// address of yours.")
    ],
    /,
    *,
    event: Annotated[
        list[str],
        Parameter(negative="", help="An event, as appointment_insertion; give it for each."),
    ],
    subdomain: Annotated[
        list[str] | None,
        Parameter(
            name=("--practice", "--subdomain"),
            negative="",
            help="A practice; give it for each. All the key sees if left out.",
        ),
    ] = None,
    secret_file: Annotated[
        Path | None,
        Parameter(help="Where to write the signing secret, if the endpoint has to be made."),
    ] = None,
    prune: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Remove what these practices have beyond these events.",
        ),
    ] = False,
    renew_before: Annotated[
        datetime | None,
        Parameter(
            help="Make anew what was made before this moment, given with its zone: to move to "
            "another --api-version, which subscriptions keep."
        ),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Change nothing; say what would be.")
    ] = False,
    entry: ConnectionOptions = ANY_LOCATION,
) -> int:
    """Have an address get these events of these practices.

    What is there already stays, what is missing is made, and an endpoint that
    was switched off is revived; doing it again changes nothing. The secret
    that signs deliveries is never printed. The key is read from
    NEXHEALTH_API_KEY, or asked for.
    """
    if not _is_address(target_url):
        raise CliError("The address of the endpoint must begin with https:// and name a host.")
    for name in event:
        _check_event(name)
    wanted = _EnsureCommand(
        target_url=target_url,
        events=event,
        subdomains=subdomain,
        renew_before=renew_before,
        prune=prune,
    )
    key = CliApiKey.for_entry(entry)
    done = run(_ensure(entry, key, wanted, None if dry_run else secret_file, dry_run=dry_run))
    terminal.print_message("".join(line + "\n" for line in _report(done, secret_file)))
    return 0


@frozen(kw_only=True)
class _EnsureCommand:
    """What the command was asked for."""

    target_url: str = field(repr=False)
    events: Sequence[str]
    subdomains: Sequence[str] | None
    renew_before: datetime | None
    prune: bool

    async def run(self, nex: NexHealth, *, dry_run: bool) -> WebhookSyncResult:
        practices = self.subdomains or [
            one.subdomain async for one in nex.institutions.walk() if one.subdomain
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
    async with open_session(entry, key) as door:
        told = await command.run(door.nex, dry_run=True)
        if dry_run:
            return told
        if not told.created:
            return await command.run(door.nex, dry_run=False)
        if secret_file is None:
            raise CliError(
                "The endpoint has to be made, and its secret may not be shown again; "
                "say with --secret-file where to write it."
            )
        _check_new_file(secret_file)
        # The file is opened first: a secret that cannot be written down would be lost.
        with open_writer(secret_file) as pen:
            done = await command.run(door.nex, dry_run=False)
            secret = done.endpoint and done.endpoint.secret_key
            await pen.write(f"{secret or ''}\n".encode())
            return done


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(parts.hostname)


def _check_new_file(secret_file: Path) -> None:
    if secret_file.exists():
        raise CliError(
            f"The endpoint has to be made, and {secret_file} exists already: a secret is not "
            "written over; move that file away, or name another."
        )


def _check_event(name: str) -> None:
    """Raise `CliError` for an unknown event, and suggest the one that was likely meant."""
    from difflib import get_close_matches

    from nexhealth_async.webhooks import EVENTS

    known = sorted({event for events in EVENTS.values() for event in events})
    if name not in known:
        near = get_close_matches(name, known, 1, 0.5)
        meant = f"did you mean {near[0]}?" if near else f"these there are: {', '.join(known)}."
        raise CliError(f"{terminal.shell_quote(name)}: there is no such event; {meant}")


def _report(done: WebhookSyncResult, secret_file: Path | None) -> Iterator[str]:
    if done.dry_run:
        yield "Nothing was changed; this is what would be done:"
    if done.dry_run and done.created:
        yield "Endpoint to be made"
    elif done.created:
        yield "Endpoint made" if done.endpoint is None else f"Endpoint {done.endpoint.id} made"
        if secret_file is not None:
            yield f"Its signing secret is in {secret_file}"
    elif done.endpoint is not None:
        state = "is there"
        if done.reactivated:
            state = "is switched off" if done.dry_run else "was switched off and is on again"
        yield f"Endpoint {done.endpoint.id} {state}"
    due = "to be " if done.dry_run else ""
    yield from _events(f"{due}subscribed", done.created_subscriptions)
    yield from _events(f"{due}made anew", done.renewed)
    yield from _events(f"{due}switched on", done.activated)
    yield from _events(f"{due}removed", done.removed)
    yield from _events("there twice; --prune removes one", () if done.removed else done.duplicated)
    if not done.changed:
        number = len(done.unchanged)
        every = "The subscription is" if number == 1 else f"All {number} subscriptions are"
        yield f"{every} there"


def _events(label: str, events: Sequence[SubscriptionKey]) -> Iterator[str]:
    for one in events:
        practice = "" if one.practice is None else f" of {terminal.escape_controls(one.practice)}"
        yield f"{terminal.escape_controls(one.event)}{practice}: {label}"
