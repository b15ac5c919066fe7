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
from nexhealth_async.cli.exit_status import Quit, run
from nexhealth_async.cli.open_session import ANYWHERE, Entry, Key, opened
from nexhealth_async.cli.output import pen_for
from nexhealth_async.cli.table_columns import Column
from nexhealth_async.cli.tables import Table, terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexhealth_async import Ensured, NexHealth
    from nexhealth_async.models import WebhookEndpoint
    from nexhealth_async.webhooks import Subscribed

__all__ = ["webhooks"]

_COLUMNS = (
    Column("endpoint", ("endpoint",), widest=12, least=8, right=True),
    Column("host", ("host",), widest=40, least=16),
    Column("state", ("state",), widest=8, least=8),
    Column("practice", ("practice",), widest=36, least=12),
    Column("event", ("event",), widest=40, least=20),
)

webhooks: App = App(
    name="webhooks",
    help="See and set up where the events of practices are sent.",
    help_format="plaintext",
)


@webhooks.command(name="list")
def listed(*, entry: Entry = ANYWHERE) -> int:
    """List the key's webhook endpoints and what each is subscribed to.

    Of an address only the host is shown, since the rest often holds a token.
    The key is read from NEXHEALTH_API_KEY, or asked for.
    """
    rows = run(_rows(entry, Key.for_entry(entry)))
    if not rows:
        terminal.say("This key has no webhook endpoint.")
        return 0
    table = Table(_COLUMNS, width=terminal_width(), colour=terminal.coloured())
    terminal.write(table.lines(rows))
    terminal.say_left_out(table.left_out)
    return 0


async def _rows(entry: Entry, key: Key) -> list[list[str]]:
    async with opened(entry, key) as door:
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
    entry: Entry = ANYWHERE,
) -> int:
    """Have an address get these events of these practices.

    What is there already stays, what is missing is made, and an endpoint that
    was switched off is revived; doing it again changes nothing. The secret
    that signs deliveries is never printed. The key is read from
    NEXHEALTH_API_KEY, or asked for.
    """
    if not _is_address(target_url):
        raise Quit("The address of the endpoint must begin with https:// and name a host.")
    for name in event:
        _check_event(name)
    wanted = _Wanted(
        target_url=target_url,
        events=event,
        subdomains=subdomain,
        renew_before=renew_before,
        prune=prune,
    )
    key = Key.for_entry(entry)
    done = run(_ensure(entry, key, wanted, None if dry_run else secret_file, dry_run=dry_run))
    terminal.tell("".join(line + "\n" for line in _report(done, secret_file)))
    return 0


@frozen(kw_only=True)
class _Wanted:
    """What the command was asked for."""

    target_url: str = field(repr=False)
    events: Sequence[str]
    subdomains: Sequence[str] | None
    renew_before: datetime | None
    prune: bool

    async def ensured(self, nex: NexHealth, *, dry_run: bool) -> Ensured:
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
    entry: Entry, key: Key, wanted: _Wanted, secret_file: Path | None, *, dry_run: bool
) -> Ensured:
    async with opened(entry, key) as door:
        told = await wanted.ensured(door.nex, dry_run=True)
        if dry_run:
            return told
        if not told.created:
            return await wanted.ensured(door.nex, dry_run=False)
        if secret_file is None:
            raise Quit(
                "The endpoint has to be made, and its secret may not be shown again; "
                "say with --secret-file where to write it."
            )
        _refuse_to_write_over(secret_file)
        # The file is opened first: a secret that cannot be written down would be lost.
        with pen_for(secret_file) as pen:
            done = await wanted.ensured(door.nex, dry_run=False)
            secret = done.endpoint and done.endpoint.secret_key
            await pen.write(f"{secret or ''}\n".encode())
            return done


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(parts.hostname)


def _refuse_to_write_over(secret_file: Path) -> None:
    if secret_file.exists():
        raise Quit(
            f"The endpoint has to be made, and {secret_file} exists already: a secret is not "
            "written over; move that file away, or name another."
        )


def _check_event(name: str) -> None:
    """Raise `Quit` for an event that the catalogue lacks, with the one that was likely meant."""
    from difflib import get_close_matches

    from nexhealth_async.webhooks import EVENTS

    known = sorted({event for events in EVENTS.values() for event in events})
    if name not in known:
        near = get_close_matches(name, known, 1, 0.5)
        meant = f"did you mean {near[0]}?" if near else f"these there are: {', '.join(known)}."
        raise Quit(f"{terminal.repeatable(name)}: there is no such event; {meant}")


def _report(done: Ensured, secret_file: Path | None) -> Iterator[str]:
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
        if done.revived:
            state = "is switched off" if done.dry_run else "was switched off and is on again"
        yield f"Endpoint {done.endpoint.id} {state}"
    due = "to be " if done.dry_run else ""
    yield from _events(f"{due}subscribed", done.subscribed)
    yield from _events(f"{due}made anew", done.renewed)
    yield from _events(f"{due}switched on", done.switched_on)
    yield from _events(f"{due}removed", done.removed)
    yield from _events("there twice; --prune removes one", () if done.removed else done.doubled)
    if not done.changed:
        number = len(done.already)
        every = "The subscription is" if number == 1 else f"All {number} subscriptions are"
        yield f"{every} there"


def _events(what: str, which: Sequence[Subscribed]) -> Iterator[str]:
    for one in which:
        practice = "" if one.practice is None else f" of {terminal.clean(one.practice)}"
        yield f"{terminal.clean(one.event)}{practice}: {what}"
