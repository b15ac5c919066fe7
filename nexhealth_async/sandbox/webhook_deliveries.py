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
from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexhealth_async.sandbox.practice import Practice
    from nexhealth_async.sandbox.routes import Version
    from nexhealth_async.sandbox.state import World
    from nexhealth_async.sandbox.tables import RecordTable

__all__ = ["RETRIES", "Deliveries", "SentDelivery"]

RETRIES: Final = (30, 90, 210, 600, 1_800, 7_200, 18_000, 36_000, 86_400, 172_800)
"""Seconds from the first attempt to each further one, as documented."""

_TIMEOUT_SECONDS: Final = aiohttp.ClientTimeout(total=5)
"""Real seconds for an answer; the vendor's are not known."""
_POLL_SECONDS: Final = 0.02
"""Real seconds between two looks at the clock, while something waits for it."""
_MAX_CONCURRENT: Final = 32


@frozen(kw_only=True)
class SentDelivery:
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
    def is_accepted(self) -> bool:
        """Whether it need not be sent again."""
        return self.status is not None and 200 <= self.status < 300


@define(eq=False)
class _PendingDelivery:
    """One event on its way to one address."""

    event: str
    endpoint_id: int | None
    url: str
    secret: str = field(repr=False)
    body: bytes = field(repr=False)
    first: float
    attempt: int = 0

    @property
    def due_at(self) -> float:
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
        self._waiting: list[_PendingDelivery] = []
        self._sending = 0
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None
        self.sent: deque[SentDelivery] = deque(maxlen=20_000)
        """The attempts made, oldest first."""
        world.webhook_subscriptions.watcher = self._subscribed

    def __repr__(self) -> str:
        return f"<Deliveries: {len(self.sent)} attempts, {len(self._waiting)} events waiting>"

    def __len__(self) -> int:
        """How many events are still to be taken by somebody."""
        return len(self._waiting) + self._sending

    # What happens

    def _subscribed(self, _before: JsonRow | None, _after: JsonRow | None) -> None:
        """Watch the practices' tables while somebody wants to hear of them."""
        wanted = bool(len(self._world.webhook_subscriptions))
        for practice in self._world.practices:
            for name, stem in webhook_payloads.TABLES.items():
                table = cast("RecordTable", getattr(practice, name))
                table.watcher = self._table_watcher(practice, table, stem) if wanted else None

    def _table_watcher(
        self, practice: Practice, table: RecordTable, stem: str
    ) -> Callable[[JsonRow | None, JsonRow | None], None]:
        def changed(before: JsonRow | None, after: JsonRow | None) -> None:
            for name in webhook_payloads.event_names(stem, before, after):
                self.emit(name, practice, table, after or before or {})

        return changed

    def emit(
        self, name: str, practice: Practice, table: RecordTable, record: JsonRow, **extra: object
    ) -> None:
        """Tell the subscribers of an event about a row of a table; ``extra`` goes into the body."""
        event, now = name.partition(".")[0], self._world.clock.now()
        for subscription in self._subscriptions(event, practice):
            version = cast("Version", subscription["version"])
            inside = webhook_payloads.record_as_shown(practice, table, record, version, now)
            if event.endswith("_updated"):
                inside = {**inside, "updated_at": format_timestamp(now)}
            body = webhook_payloads.event_body(
                name, practice, webhook_payloads.event_data(event, inside), now, extra
            )
            self._enqueue(name, subscription, body)

    def _subscriptions(self, event: str, practice: Practice) -> Iterator[JsonRow]:
        table = self._world.webhook_subscriptions
        for id in tuple(table.where("event", event)):
            one = table.row(id)
            if one.get("active") and one["institution_id"] in {None, practice.institution_id}:
                yield one

    def _enqueue(self, name: str, subscription: JsonRow, body: bytes) -> _PendingDelivery | None:
        id = cast("int", subscription["webhook_endpoint_id"])
        endpoint = self._world.webhook_endpoints.get(id)
        if endpoint is None or not endpoint.get("active"):
            return None
        url, secret = text(endpoint, "target_url"), text(endpoint, "secret_key")
        letter = _PendingDelivery(name, id, url, secret, body, self._world.clock.now())
        self._waiting.append(letter)
        if self._loop is not None:  # whatever thread the change was made in
            self._loop.call_soon_threadsafe(self._news.set)
        return letter

    async def deliver(
        self,
        name: str,
        practice: Practice,
        *,
        record: JsonRow | None,
        data: object,
        to: str | None,
        secret: str | None,
        version: Version,
        extra: JsonRow,
    ) -> list[SentDelivery]:
        """Do what ``Sandbox.deliver`` says."""
        event, now = name.partition(".")[0], self._world.clock.now()
        kind = webhook_payloads.resource_type_of(event)

        def body(version: Version) -> bytes:
            inside = data
            if inside is None and kind == "SyncStatus":
                inside = webhook_payloads.sync_status(practice, now)
            elif inside is None:
                table, found = _record(practice, event, record)
                inside = webhook_payloads.event_data(
                    event, webhook_payloads.record_as_shown(practice, table, found, version, now)
                )
            return webhook_payloads.event_body(name, practice, inside, now, extra)

        if to is not None:
            if not secret:
                raise ValueError("Give the secret that a delivery to an address is signed with.")
            return [
                await self._attempt(_PendingDelivery(name, None, to, secret, body(version), now))
            ]
        letters = [
            _PendingDelivery(
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

    def record(self, practice: Practice, event: str, id: int) -> JsonRow:
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

    async def wait_until_settled(self) -> None:
        """Wait until nothing is to be sent at the clock's present time."""
        while self._sending or self._due():  # noqa: ASYNC110 - a clock moved by hand wakes nobody
            await asyncio.sleep(_POLL_SECONDS / 4)

    def _due(self) -> list[_PendingDelivery]:
        now = self._world.clock.now()
        return [letter for letter in self._waiting if letter.due_at <= now]

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
            elif due := self._due()[:_MAX_CONCURRENT]:
                for letter in due:
                    self._waiting.remove(letter)
                letters = [letter for letter in due if self._with_current_endpoint(letter)]
                try:
                    await self._send(letters)
                except asyncio.CancelledError:  # stopped: who took one of them may get it twice
                    self._waiting[:0] = letters
                    raise
            else:
                await asyncio.sleep(_POLL_SECONDS)

    def _with_current_endpoint(self, delivery: _PendingDelivery) -> bool:
        """Put the endpoint's present address on a letter; False if it takes no more."""
        endpoint = self._endpoint(delivery.endpoint_id)
        if endpoint is not None:
            delivery.url = text(endpoint, "target_url")
        return endpoint is not None

    async def _send(self, deliveries: list[_PendingDelivery]) -> list[SentDelivery]:
        self._sending += len(deliveries)
        try:
            sent = await asyncio.gather(*map(self._attempt, deliveries))
        finally:
            self._sending -= len(deliveries)
        for letter, one in zip(deliveries, sent, strict=True):
            if not one.is_accepted:
                self._schedule_retry(letter)
        return sent

    async def _attempt(self, delivery: _PendingDelivery) -> SentDelivery:
        at = self._world.clock.now()
        headers = _sign(delivery.secret, delivery.body, format_timestamp(at))
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT_SECONDS)
        status: int | None = None
        try:
            reply = await self._http.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            )
            async with reply:
                status = reply.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass
        one = SentDelivery(
            event=delivery.event,
            url=delivery.url,
            attempt=delivery.attempt,
            at=at,
            status=status,
            body=delivery.body,
            headers=headers,
        )
        self.sent.append(one)
        return one

    def _schedule_retry(self, delivery: _PendingDelivery) -> None:
        """Put a letter off to its next time; after the last, give up on its endpoint."""
        if self._endpoint(delivery.endpoint_id) is None:
            return
        if delivery.attempt < len(RETRIES):
            delivery.attempt += 1
            self._waiting.append(delivery)
            self._news.set()
            return
        id = cast("int", delivery.endpoint_id)
        now = format_timestamp(self._world.clock.now())
        self._world.webhook_endpoints.update(id, active=False, updated_at=now)
        self._waiting = [one for one in self._waiting if one.endpoint_id != id]

    def _endpoint(self, id: int | None) -> JsonRow | None:
        """An endpoint that is there and active."""
        found = None if id is None else self._world.webhook_endpoints.get(id)
        return found if found and found.get("active") else None


def _record(practice: Practice, event: str, record: JsonRow | None) -> tuple[RecordTable, JsonRow]:
    """The row to tell of: the one given, or the first of its table."""
    table = _table(practice, event)
    if record is None:
        if not len(table):
            raise ValueError(f"The sandbox has no record for {event}: insert one, or give data=.")
        record = table.row(table.ids[0])
    return table, record


def _table(practice: Practice, event: str) -> RecordTable:
    stems = {stem: name for name, stem in webhook_payloads.TABLES.items()}
    stems |= {"provider": "providers", "working_hour": "availabilities", "document": "documents"}
    longest_first = sorted(stems, key=len, reverse=True)
    stem = next((one for one in longest_first if event.startswith(one)), None)
    if stem is None:
        raise ValueError(f"The sandbox has no records for {event}: give data=.")
    return cast("RecordTable", getattr(practice, stems[stem]))


def _sign(secret: str, body: bytes, timestamp: str) -> dict[str, str]:
    """The headers of a delivery; written apart from the client's check of them."""
    message = timestamp.encode("ascii") + b"." + b64encode(body)
    signature = hmac.digest(secret.encode(), message, sha256).hex()
    return {"Content-Type": "application/json", "Timestamp": timestamp, "Signature": signature}
