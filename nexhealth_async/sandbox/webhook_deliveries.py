"""Signed webhooks, sent to who subscribed and sent again until they are taken."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode
from collections import deque
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

import aiohttp
from attrs import define, field, frozen

from nexhealth_async.sandbox import webhook_payloads
from nexhealth_async.sandbox.json_format import Row, stamp, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexhealth_async.sandbox.practice import Practice
    from nexhealth_async.sandbox.routes import Version
    from nexhealth_async.sandbox.state import World
    from nexhealth_async.sandbox.tables import Table

__all__ = ["RETRIES", "Deliveries", "Sent"]

RETRIES: Final = (30, 90, 210, 600, 1_800, 7_200, 18_000, 36_000, 86_400, 172_800)
"""Seconds from the first attempt to each further one, as documented."""

_PATIENCE: Final = aiohttp.ClientTimeout(total=5)
"""Real seconds for an answer; the vendor's are not known."""
_LOOK_EVERY: Final = 0.02
"""Real seconds between two looks at the clock, while something waits for it."""
_AT_ONCE: Final = 32


@frozen(kw_only=True)
class Sent:
    """One attempt to deliver."""

    event: str
    url: str
    attempt: int
    """0 is the first."""
    at: float
    """By the sandbox's clock."""
    status: int | None
    """None if no answer came."""
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)

    @property
    def taken(self) -> bool:
        """Whether it need not be sent again."""
        return self.status is not None and 200 <= self.status < 300


@define(eq=False)
class _Letter:
    """One event on its way to one address."""

    event: str
    endpoint_id: int | None
    url: str
    secret: str = field(repr=False)
    body: bytes = field(repr=False)
    first: float
    attempt: int = 0

    @property
    def due(self) -> float:
        return self.first + (RETRIES[self.attempt - 1] if self.attempt else 0)


class Deliveries:
    """The part of a sandbox that tells of changes: ``box.webhooks``.

    Once something is subscribed to, changes of practices' tables are told by themselves, whoever
    makes them: a test by ``box.patients.insert()``, ``box.sync()``, or a client. What a client
    wrote is told when the practice's system has it, that is after ``sync``. Documents, messages,
    forms and statuses of syncs are told on request only, see ``Sandbox.deliver``.

    What is not answered 2xx is sent again after 30 seconds and so on up to 48 hours **of the
    sandbox's clock**; after the last attempt the endpoint is no longer ``active``. Each attempt
    carries a signature of its own, made with the time of sending.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: list[_Letter] = []
        self._sending = 0
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None
        self.sent: deque[Sent] = deque(maxlen=20_000)
        """The attempts made, oldest first."""
        world.webhook_subscriptions.watcher = self._subscribed

    def __repr__(self) -> str:
        return f"<Deliveries: {len(self.sent)} attempts, {len(self._waiting)} events waiting>"

    def __len__(self) -> int:
        """How many events are still to be taken by somebody."""
        return len(self._waiting) + self._sending

    # What happens

    def _subscribed(self, _before: Row | None, _after: Row | None) -> None:
        """Watch the practices' tables while somebody wants to hear of them."""
        wanted = bool(len(self._world.webhook_subscriptions))
        for practice in self._world.practices:
            for name, stem in webhook_payloads.TABLES.items():
                table = cast("Table", getattr(practice, name))
                table.watcher = self._watcher(practice, table, stem) if wanted else None

    def _watcher(
        self, practice: Practice, table: Table, stem: str
    ) -> Callable[[Row | None, Row | None], None]:
        def changed(before: Row | None, after: Row | None) -> None:
            for name in webhook_payloads.names(stem, before, after):
                self.happen(name, practice, table, after or before or {})

        return changed

    def happen(
        self, name: str, practice: Practice, table: Table, record: Row, **more: object
    ) -> None:
        """Tell the subscribers of an event about a row of a table; ``more`` goes into the body."""
        event, now = name.partition(".")[0], self._world.clock.now()
        for subscription in self._subscriptions(event, practice):
            version = cast("Version", subscription["version"])
            inside = webhook_payloads.shown(practice, table, record, version, now)
            if event.endswith("_updated"):
                inside = {**inside, "updated_at": stamp(now)}
            body = webhook_payloads.body(
                name, practice, webhook_payloads.data(event, inside), now, more
            )
            self._post(name, subscription, body)

    def _subscriptions(self, event: str, practice: Practice) -> Iterator[Row]:
        table = self._world.webhook_subscriptions
        for id in tuple(table.where("event", event)):
            one = table.row(id)
            if one.get("active") and one["institution_id"] in {None, practice.institution_id}:
                yield one

    def _post(self, name: str, subscription: Row, body: bytes) -> _Letter | None:
        id = cast("int", subscription["webhook_endpoint_id"])
        endpoint = self._world.webhook_endpoints.get(id)
        if endpoint is None or not endpoint.get("active"):
            return None
        url, secret = text(endpoint, "target_url"), text(endpoint, "secret_key")
        letter = _Letter(name, id, url, secret, body, self._world.clock.now())
        self._waiting.append(letter)
        if self._loop is not None:  # whatever thread the change was made in
            self._loop.call_soon_threadsafe(self._news.set)
        return letter

    async def deliver(
        self,
        name: str,
        practice: Practice,
        *,
        record: Row | None,
        data: object,
        to: str | None,
        secret: str | None,
        version: Version,
        more: Row,
    ) -> list[Sent]:
        """Do what ``Sandbox.deliver`` says."""
        event, now = name.partition(".")[0], self._world.clock.now()
        kind = webhook_payloads.resource_type_of(event)

        def body(version: Version) -> bytes:
            inside = data
            if inside is None and kind == "SyncStatus":
                inside = webhook_payloads.sync_status(practice, now)
            elif inside is None:
                table, found = _record(practice, event, record)
                inside = webhook_payloads.data(
                    event, webhook_payloads.shown(practice, table, found, version, now)
                )
            return webhook_payloads.body(name, practice, inside, now, more)

        if to is not None:
            if not secret:
                raise ValueError("Give the secret that a delivery to an address is signed with.")
            return [await self._attempt(_Letter(name, None, to, secret, body(version), now))]
        letters = [
            _Letter(
                name,
                cast("int", one["webhook_endpoint_id"]),
                text(endpoint, "target_url"),
                text(endpoint, "secret_key"),
                body(cast("Version", one["version"])),
                now,
            )
            for one in self._subscriptions(event, practice)
            for endpoint in [self._endpoint(cast("int", one["webhook_endpoint_id"]))]
            if endpoint is not None
        ]
        return await self._send(letters)

    def record(self, practice: Practice, event: str, id: int) -> Row:
        """The row that an event is about; KeyError if there is none."""
        return _table(practice, event).row(id)

    # Sending

    async def start(self) -> None:
        """Begin to send."""
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Send no more; what waits is kept for the next start."""
        task, self._task, self._loop = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def settled(self) -> None:
        """Wait until nothing is to be sent at the clock's present time."""
        while self._sending or self._due():  # noqa: ASYNC110 - a clock moved by hand wakes nobody
            await asyncio.sleep(_LOOK_EVERY / 4)

    def _due(self) -> list[_Letter]:
        now = self._world.clock.now()
        return [letter for letter in self._waiting if letter.due <= now]

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
            elif due := self._due()[:_AT_ONCE]:
                for letter in due:
                    self._waiting.remove(letter)
                letters = [letter for letter in due if self._readdressed(letter)]
                try:
                    await self._send(letters)
                except asyncio.CancelledError:  # stopped: who took one of them may get it twice
                    self._waiting[:0] = letters
                    raise
            else:
                await asyncio.sleep(_LOOK_EVERY)

    def _readdressed(self, letter: _Letter) -> bool:
        """Put the endpoint's present address on a letter; False if it takes no more."""
        endpoint = self._endpoint(letter.endpoint_id)
        if endpoint is not None:
            letter.url = text(endpoint, "target_url")
        return endpoint is not None

    async def _send(self, letters: list[_Letter]) -> list[Sent]:
        self._sending += len(letters)
        try:
            sent = await asyncio.gather(*map(self._attempt, letters))
        finally:
            self._sending -= len(letters)
        for letter, one in zip(letters, sent, strict=True):
            if not one.taken:
                self._again(letter)
        return sent

    async def _attempt(self, letter: _Letter) -> Sent:
        at = self._world.clock.now()
        headers = _signed(letter.secret, letter.body, stamp(at))
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_PATIENCE)
        status: int | None = None
        try:
            reply = await self._http.post(
                letter.url, data=letter.body, headers=headers, allow_redirects=False
            )
            async with reply:
                status = reply.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass
        one = Sent(
            event=letter.event,
            url=letter.url,
            attempt=letter.attempt,
            at=at,
            status=status,
            body=letter.body,
            headers=headers,
        )
        self.sent.append(one)
        return one

    def _again(self, letter: _Letter) -> None:
        """Put a letter off to its next time; after the last, give up on its endpoint."""
        if self._endpoint(letter.endpoint_id) is None:
            return
        if letter.attempt < len(RETRIES):
            letter.attempt += 1
            self._waiting.append(letter)
            self._news.set()
            return
        id = cast("int", letter.endpoint_id)
        now = stamp(self._world.clock.now())
        self._world.webhook_endpoints.update(id, active=False, updated_at=now)
        self._waiting = [one for one in self._waiting if one.endpoint_id != id]

    def _endpoint(self, id: int | None) -> Row | None:
        """An endpoint that is there and active."""
        found = None if id is None else self._world.webhook_endpoints.get(id)
        return found if found and found.get("active") else None


def _record(practice: Practice, event: str, record: Row | None) -> tuple[Table, Row]:
    """The row to tell of: the one given, or the first of its table."""
    table = _table(practice, event)
    if record is None:
        if not len(table):
            raise ValueError(f"The sandbox has no record for {event}: insert one, or give data=.")
        record = table.row(table.ids[0])
    return table, record


def _table(practice: Practice, event: str) -> Table:
    stems = {stem: name for name, stem in webhook_payloads.TABLES.items()}
    stems |= {"provider": "providers", "working_hour": "availabilities", "document": "documents"}
    longest_first = sorted(stems, key=len, reverse=True)
    stem = next((one for one in longest_first if event.startswith(one)), None)
    if stem is None:
        raise ValueError(f"The sandbox has no records for {event}: give data=.")
    return cast("Table", getattr(practice, stems[stem]))


def _signed(secret: str, body: bytes, timestamp: str) -> dict[str, str]:
    """The headers of a delivery; written apart from the client's check of them."""
    message = timestamp.encode("ascii") + b"." + b64encode(body)
    signature = hmac.digest(secret.encode(), message, sha256).hex()
    return {"Content-Type": "application/json", "Timestamp": timestamp, "Signature": signature}
