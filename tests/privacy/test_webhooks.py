"""Deliveries full of sentinels: they are in the events' data and nowhere else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from nexhealth_async import NexHealthError, models
from nexhealth_async._protocol.webhook_events import EVENT_TYPES
from nexhealth_async.stores import MemorySeen, SqliteSeen
from nexhealth_async.webhooks import (
    EVENTS,
    Event,
    Receiver,
    parse,
    receive,
    sign,
    unreadable_event,
    verify,
)
from tests.privacy.outputs import under_watch
from tests.privacy.sentinel_search import SentinelScanner
from tests.privacy.sentinel_server import _SentinelFiller
from tests.privacy.sentinels import Sentinels

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.stores import Claim

_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def _deliveries(marks: Sentinels) -> list[bytes]:
    """Return a delivery of every event, with sentinels in every text."""
    found: list[bytes] = []
    for kind in EVENT_TYPES:
        record: dict[str, Any] = {"id": 7, "name": marks.sent("name of no model")}
        if kind.model is not None:
            record = _SentinelFiller(marks).fill(kind.model, {"id": 7})
        broken = {**record, "id": marks.sent("broken id"), "deleted_at": marks.sent("no moment")}
        found += (
            msgspec.json.encode(
                {
                    "resource_type": kind.resource_type,
                    "event_name": f"{event}.{marks.sent('outcome')}",
                    "subdomain": marks.sent("subdomain"),
                    "data": [record, broken],
                    "previous_attributes": {"name": marks.sent("previous name")},
                    "delivery_errors": [marks.sent("error of delivery")],
                }
            )
            for event in (*kind.events, marks.sent("event"))
        )
    return found


@pytest.fixture
def watched() -> SentinelScanner:
    return SentinelScanner(Sentinels())


def _look_at(watch: SentinelScanner, event: Event) -> None:
    watch.thing(event)
    for record in (*event.records, *event.faults):
        if isinstance(record, models.Record):
            watch.thing(record)
        if isinstance(record, NexHealthError):
            watch.error(record)
    watch.text("key", event.key)
    watch.text("repairs", repr(event.repairs))


async def test_an_event_has_its_data_and_its_repr_shows_none(watched: SentinelScanner) -> None:
    bodies = _deliveries(watched.marks)
    for body in bodies:
        with under_watch(watched, "parse"):
            _look_at(watched, parse(body))
    watched.clean()
    assert len(bodies) > sum(map(len, EVENTS.values()))
    assert len(watched.handed) > 100
    assert watched.looked_at["errors"] >= len(bodies) // 2


async def test_a_refusal_shows_nothing_in_any_frame(watched: SentinelScanner) -> None:
    marks = watched.marks
    secret = marks.of("secret", "secret of an endpoint")
    body = _deliveries(marks)[0]
    mistakes: Any = [
        lambda: parse(body[:-1]),
        lambda: parse(body, max_bytes=9),
        lambda: parse(body.decode()),  # type: ignore[arg-type] # the mistake looked for
        lambda: receive(secret, sign(secret, body[:-1], _AT), body[:-1]),
        lambda: verify([secret, ""], {"signature": marks.sent("signature")}, body),
        lambda: verify(secret, {}, body.decode()),  # type: ignore[arg-type] # as above
        lambda: sign("", body, _AT),
    ]
    for mistake in mistakes:
        with under_watch(watched, "a refusal"), pytest.raises(NexHealthError) as refused:
            mistake()
        watched.error(refused.value)
    _look_at(watched, unreadable_event(body[:-1]))
    watched.clean()
    assert watched.looked_at["errors"] == len(mistakes)


class _BrokenStore(MemorySeen):
    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = mark

    async def claim(self, key: str) -> Claim:
        raise ConnectionError(self._mark)


async def test_a_receiver_shows_no_data_under_any_failure(
    watched: SentinelScanner, tmp_path: Path
) -> None:
    marks = watched.marks
    secret = marks.of("secret", "secret of an endpoint")
    bodies = _deliveries(marks)
    got: list[Event] = []

    async def handle(event: Event) -> None:
        got.append(event)
        watched.text("repr of a task", " ".join(map(repr, asyncio.all_tasks())))
        if len(got) % 2:
            raise ValueError(marks.sent("error of a handler"))

    stores: Any = (SqliteSeen(tmp_path / "seen.db"), _BrokenStore(marks.sent("error of a store")))
    with under_watch(watched, "a receiver"):
        for store in stores:
            async with Receiver([secret, "another"], handle, store=store) as receiver:
                for body in (*bodies, b"\xff" + bodies[0]):
                    signed = sign(secret, body, _AT)
                    await receiver.receive(signed, body)
                    await receiver.receive({**signed, "signature": marks.sent("signature")}, body)
                    watched.thing([receiver, store])
    for event in got:
        _look_at(watched, event)
    for file in tmp_path.iterdir():  # noqa: ASYNC240 - a look at a small folder
        watched.text("file of a store", file.read_bytes().decode("latin-1"))
    watched.clean()
    assert len(got) == len(bodies) + 1
    assert watched.looked_at["log of nexhealth_async.webhooks"] > len(bodies) // 2
    assert watched.looked_at["file of a store"] >= 1
