"""Signed webhook deliveries to subscribers, with retries."""

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
"""Seconds from the first attempt to each retry, as documented."""

_TIMEOUT_SECONDS: Final = aiohttp.ClientTimeout(total=5)
"""Real seconds for a response; the vendor's timeout is unknown (see `Assumptions`)."""
_POLL_SECONDS: Final = 0.02
"""Real seconds between two checks of the clock while deliveries wait for it."""
_MAX_CONCURRENT: Final = 32


@frozen(kw_only=True)
class SentDelivery:
    """An attempt to deliver an event."""

    event: str
    url: str
    attempt: int
    """Number of the attempt, from 0."""
    at: float
    """Time of the attempt, in seconds of the sandbox's clock."""
    status: int | None
    """Status of the response; None if there was none."""
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)

    @property
    def is_accepted(self) -> bool:
        """True if the status is 2xx, so that the event is not sent again."""
        return self.status is not None and 200 <= self.status < 300


@define(eq=False)
class _PendingDelivery:
    """An event that is to be delivered to a URL."""

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
    """The webhook deliveries of a sandbox, ``sandbox.webhooks``.

    While there are subscriptions, changes of practices' tables are delivered automatically: changes
    by tests (``sandbox.patients.insert()``), by ``sandbox.sync()``, and by clients. Records written
    by clients are delivered after the sync into the practice's system. Documents, messages, forms
    and sync statuses are only delivered by ``Sandbox.deliver``.

    Deliveries without a 2xx response are retried after 30 seconds and so on up to 48 hours **of the
    sandbox's clock**; after the last attempt, the endpoint becomes inactive. Each attempt is signed
    with its own time.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: list[_PendingDelivery] = []
        self._sending = 0
        self._has_pending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None
        self.sent: deque[SentDelivery] = deque(maxlen=20_000)
        """Delivery attempts, oldest first."""
        world.webhook_subscriptions.on_change = self._observe_tables

    def __repr__(self) -> str:
        return f"<Deliveries: {len(self.sent)} attempts, {len(self._pending)} events pending>"

    def __len__(self) -> int:
        """Return the number of events that are not delivered yet."""
        return len(self._pending) + self._sending

    def _observe_tables(self, _before: JsonRow | None, _after: JsonRow | None) -> None:
        """Observe the practices' tables while there are subscriptions."""
        has_subscriptions = len(self._world.webhook_subscriptions) > 0
        for practice in self._world.practices:
            for name, stem in webhook_payloads.TABLES.items():
                table = cast("RecordTable", getattr(practice, name))
                table.on_change = (
                    self._change_callback(practice, table, stem) if has_subscriptions else None
                )

    def _change_callback(
        self, practice: Practice, table: RecordTable, stem: str
    ) -> Callable[[JsonRow | None, JsonRow | None], None]:
        def emit_events(before: JsonRow | None, after: JsonRow | None) -> None:
            for name in webhook_payloads.event_names(stem, before, after):
                self.emit(name, practice, table, after or before or {})

        return emit_events

    def emit(
        self, name: str, practice: Practice, table: RecordTable, record: JsonRow, **extra: object
    ) -> None:
        """Queue an event about a row for its subscribers; ``extra`` is added to the body."""
        event, now = name.partition(".")[0], self._world.clock.now()
        for subscription in self._subscriptions(event, practice):
            version = cast("Version", subscription["version"])
            payload = webhook_payloads.record_as_shown(practice, table, record, version, now)
            if event.endswith("_updated"):
                payload = {**payload, "updated_at": format_timestamp(now)}
            body = webhook_payloads.event_body(
                name, practice, webhook_payloads.event_data(event, payload), now, extra
            )
            self._enqueue(name, subscription, body)

    def _subscriptions(self, event: str, practice: Practice) -> Iterator[JsonRow]:
        table = self._world.webhook_subscriptions
        for id in tuple(table.where("event", event)):
            subscription = table.row(id)
            institution_id = subscription["institution_id"]
            if subscription.get("active") and institution_id in {None, practice.institution_id}:
                yield subscription

    def _enqueue(self, name: str, subscription: JsonRow, body: bytes) -> _PendingDelivery | None:
        id = cast("int", subscription["webhook_endpoint_id"])
        endpoint = self._world.webhook_endpoints.get(id)
        if endpoint is None or not endpoint.get("active"):
            return None
        url, secret = text(endpoint, "target_url"), text(endpoint, "secret_key")
        delivery = _PendingDelivery(name, id, url, secret, body, self._world.clock.now())
        self._pending.append(delivery)
        if self._loop is not None:  # the change may come from another thread
            self._loop.call_soon_threadsafe(self._has_pending.set)
        return delivery

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
        """Deliver an event now; see ``Sandbox.deliver``."""
        event, now = name.partition(".")[0], self._world.clock.now()
        kind = webhook_payloads.resource_type_of(event)

        def body(version: Version) -> bytes:
            payload = data
            if payload is None and kind == "SyncStatus":
                payload = webhook_payloads.sync_status(practice, now)
            elif payload is None:
                table, row = _record(practice, event, record)
                payload = webhook_payloads.event_data(
                    event, webhook_payloads.record_as_shown(practice, table, row, version, now)
                )
            return webhook_payloads.event_body(name, practice, payload, now, extra)

        if to is not None:
            if not secret:
                raise ValueError("A delivery to a URL needs a secret: add secret=.")
            return [
                await self._attempt(_PendingDelivery(name, None, to, secret, body(version), now))
            ]
        deliveries = [
            _PendingDelivery(
                name,
                cast("int", subscription["webhook_endpoint_id"]),
                text(endpoint, "target_url"),
                text(endpoint, "secret_key"),
                body(cast("Version", subscription["version"])),
                now,
            )
            for subscription in self._subscriptions(event, practice)
            for endpoint in [self._endpoint(cast("int", subscription["webhook_endpoint_id"]))]
            if endpoint is not None
        ]
        return await self._send(deliveries)

    def record(self, practice: Practice, event: str, id: int) -> JsonRow:
        """Return the row of an event; raise KeyError if there is none."""
        return _table(practice, event).row(id)

    async def start(self) -> None:
        """Start sending."""
        self._loop = asyncio.get_running_loop()
        self._has_pending = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Stop sending; pending deliveries are kept for the next start."""
        task, self._task, self._loop = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def wait_until_settled(self) -> None:
        """Wait until no delivery is due at the clock's current time."""
        while self._sending or self._due():  # noqa: ASYNC110 - moving the clock sets no event
            await asyncio.sleep(_POLL_SECONDS / 4)

    def _due(self) -> list[_PendingDelivery]:
        now = self._world.clock.now()
        return [delivery for delivery in self._pending if delivery.due_at <= now]

    async def _run(self) -> None:
        while True:
            if not self._pending:
                self._has_pending.clear()
                await self._has_pending.wait()
            elif due := self._due()[:_MAX_CONCURRENT]:
                for delivery in due:
                    self._pending.remove(delivery)
                current = [delivery for delivery in due if self._update_url(delivery)]
                try:
                    await self._send(current)
                except asyncio.CancelledError:  # a receiver may get one of them again
                    self._pending[:0] = current
                    raise
            else:
                await asyncio.sleep(_POLL_SECONDS)

    def _update_url(self, delivery: _PendingDelivery) -> bool:
        """Set the endpoint's current URL; return False if the endpoint is inactive or deleted."""
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
        for delivery, attempt in zip(deliveries, sent, strict=True):
            if not attempt.is_accepted:
                self._schedule_retry(delivery)
        return sent

    async def _attempt(self, delivery: _PendingDelivery) -> SentDelivery:
        at = self._world.clock.now()
        headers = _sign(delivery.secret, delivery.body, format_timestamp(at))
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT_SECONDS)
        status: int | None = None
        try:
            response = await self._http.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            )
            async with response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass
        sent = SentDelivery(
            event=delivery.event,
            url=delivery.url,
            attempt=delivery.attempt,
            at=at,
            status=status,
            body=delivery.body,
            headers=headers,
        )
        self.sent.append(sent)
        return sent

    def _schedule_retry(self, delivery: _PendingDelivery) -> None:
        """Schedule the next attempt; after the last one, deactivate the endpoint."""
        if self._endpoint(delivery.endpoint_id) is None:
            return
        if delivery.attempt < len(RETRIES):
            delivery.attempt += 1
            self._pending.append(delivery)
            self._has_pending.set()
            return
        id = cast("int", delivery.endpoint_id)
        now = format_timestamp(self._world.clock.now())
        self._world.webhook_endpoints.update(id, active=False, updated_at=now)
        self._pending = [other for other in self._pending if other.endpoint_id != id]

    def _endpoint(self, id: int | None) -> JsonRow | None:
        """Return an endpoint if it exists and is active, else None."""
        endpoint = None if id is None else self._world.webhook_endpoints.get(id)
        return endpoint if endpoint and endpoint.get("active") else None


def _record(practice: Practice, event: str, record: JsonRow | None) -> tuple[RecordTable, JsonRow]:
    """Return the table of an event, and the record or the table's first row."""
    table = _table(practice, event)
    if record is None:
        if not len(table):
            raise ValueError(f"The sandbox has no record for {event}: insert one, or add data=.")
        record = table.row(table.ids[0])
    return table, record


def _table(practice: Practice, event: str) -> RecordTable:
    stems = {stem: name for name, stem in webhook_payloads.TABLES.items()}
    stems |= {"provider": "providers", "working_hour": "availabilities", "document": "documents"}
    longest_first = sorted(stems, key=len, reverse=True)
    stem = next((stem for stem in longest_first if event.startswith(stem)), None)
    if stem is None:
        raise ValueError(f"The sandbox has no records for {event}: add data=.")
    return cast("RecordTable", getattr(practice, stems[stem]))


def _sign(secret: str, body: bytes, timestamp: str) -> dict[str, str]:
    """Return the signed headers of a delivery; independent of the client's verification."""
    message = timestamp.encode("ascii") + b"." + b64encode(body)
    signature = hmac.digest(secret.encode(), message, sha256).hex()
    return {"Content-Type": "application/json", "Timestamp": timestamp, "Signature": signature}
