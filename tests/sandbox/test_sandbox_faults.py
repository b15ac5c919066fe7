"""Injected faults, rate limits, and the record of requests."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest

from nexhealth_async import NexHealth, RetryPolicy
from nexhealth_async.errors import ServerError
from nexhealth_async.sandbox import Clock, RecordedPage, Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient

NEW = {"appointment_type": {"name": "Whitening"}}


async def test_injected_failures_are_returned_in_order_and_change_nothing(wire: RawClient) -> None:
    wire.sandbox.fail_next(503, times=2)
    wire.sandbox.fail_next(500, body=b"oops", headers={"X-Seen": "yes"})
    statuses = [(await wire.get("/patients")).status for _ in range(2)]
    reply = await wire.call("POST", "/appointment_types", json=NEW, scope="subdomain")
    assert (statuses, reply.status, reply.body) == ([503, 503], 500, b"oops")
    assert reply.headers["X-Seen"] == "yes"
    assert len(wire.sandbox.appointment_types) == 4
    assert (await wire.get("/patients")).status == 200


async def test_faults_wait_for_their_path_and_method(wire: RawClient) -> None:
    wire.sandbox.fail_next(502, path="/patients/{id}")
    wire.sandbox.fail_next(504, method="post")
    wire.sandbox.fail_next(401, path="/authenticates")
    assert (await wire.get("/patients")).status == 200
    path = f"/patients/{wire.sandbox.patients.ids[0]}"
    assert (await wire.get(path, scope="subdomain")).status == 502
    assert (await wire.call("POST", "/patients", json={})).status == 504
    reply = await wire.call("POST", "/authenticates", headers={"Authorization": "x"})
    assert (reply.status, wire.sandbox.logins) == (401, 1)
    assert len(wire.sandbox.faults) == 0


async def test_faults_wait_for_the_parameters_named(wire: RawClient) -> None:
    wire.sandbox.fail_next(502, path="/patients?page=2&inactive=false")
    wire.sandbox.fail_next(504, path="/patients/{id}?include[]=upcoming_appts")
    path = f"/patients/{wire.sandbox.patients.ids[0]}"
    assert (await wire.get(path, scope="subdomain")).status == 200
    queries = [{"page": "1"}, {"page": "2"}, {"page": "2", "inactive": "false"}]
    statuses = [(await wire.get("/patients", query)).status for query in queries]
    assert statuses == [200, 200, 502]
    reply = await wire.get(path, {"include[]": "upcoming_appts"}, scope="subdomain")
    assert (reply.status, len(wire.sandbox.faults)) == (504, 0)


async def test_logins_are_spared_unless_named(wire: RawClient) -> None:
    wire.sandbox.fail_next(503)
    await wire.login()
    assert (await wire.get("/patients")).status == 503


@pytest.mark.parametrize(("when", "made"), [("before", 4), ("after", 5)])
async def test_dropped_connections(
    wire: RawClient, when: Literal["before", "after"], made: int
) -> None:
    wire.sandbox.drop_next(when=when)
    with pytest.raises(aiohttp.ClientError):
        await wire.call("POST", "/appointment_types", json=NEW, scope="subdomain")
    assert len(wire.sandbox.appointment_types) == made
    assert wire.sandbox.requests[-1].status is None
    assert (await wire.get("/patients")).status == 200


async def test_connection_dropped_inside_the_body(wire: RawClient) -> None:
    wire.sandbox.drop_next(when="mid_body")
    headers = {"Nex-Api-Version": "v2", "Authorization": f"Bearer {wire.token}"}
    async with wire.http.get(f"{wire.sandbox.url}/institutions", headers=headers) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_truncated_garbled_and_empty_bodies(wire: RawClient) -> None:
    wire.sandbox.truncate_next()
    reply = await wire.call("POST", "/appointment_types", json=NEW, scope="subdomain")
    assert reply.status == 201
    with pytest.raises(msgspec.DecodeError):
        _ = reply.json
    assert len(wire.sandbox.appointment_types) == 5
    wire.sandbox.garbage_next()
    reply = await wire.get("/patients")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
    wire.sandbox.garbage_next(b"[[[", content_type="application/json", status=502)
    reply = await wire.get("/patients")
    assert (reply.status, reply.body) == (502, b"[[[")
    for status in (200, 204):
        wire.sandbox.empty_next(status=status)
        reply = await wire.get("/patients")
        assert (reply.status, reply.body) == (status, b"")


async def test_edge_blocks_have_the_form_of_the_edge(wire: RawClient) -> None:
    wire.sandbox.firewall_block_next()
    reply = await wire.get("/patients")
    assert (reply.status, reply.headers["Content-Type"]) == (403, "text/html")
    assert b"1010" in reply.body


async def test_delays_and_latency(wire: RawClient) -> None:
    loop = asyncio.get_running_loop()
    wire.sandbox.delay_next(0.03)
    began = loop.time()
    await wire.get("/patients")
    assert loop.time() - began >= 0.029
    wire.sandbox.latency, wire.sandbox.jitter = 0.02, 0.005
    began = loop.time()
    await asyncio.gather(*[wire.get("/patients") for _ in range(5)])
    assert loop.time() - began >= 0.014
    assert wire.sandbox.most_in_flight == 5
    assert wire.sandbox.in_flight == 0


async def test_a_fault_needs_a_matching_request(wire: RawClient) -> None:
    with pytest.raises(ValueError, match="times must be at least 1"):
        wire.sandbox.fail_next(times=0)
    wire.sandbox.fail_next()
    wire.sandbox.clear()
    assert (await wire.get("/patients")).status == 200


async def statuses(wire: RawClient, number: int, path: str = "/appointments") -> list[int]:
    window = {"start": "2026-01-01", "end": "2026-01-02"}
    return [(await wire.get(path, window)).status for _ in range(number)]


async def limited(dial: Dial, kind: Literal["fixed", "sliding"]) -> RawClient:
    wire = await dial(Sandbox(clock=Clock(datetime(2026, 6, 1, tzinfo=UTC))))
    wire.sandbox.rate_limits = kind
    return wire


async def test_no_limits_by_default(wire: RawClient) -> None:
    assert set(await statuses(wire, 15)) == {200}


async def test_fixed_windows_open_at_their_phase(dial: Dial) -> None:
    wire = await limited(dial, "fixed")
    wire.sandbox.rate_phase = 0.5
    assert await statuses(wire, 11) == [200] * 10 + [429]
    wire.sandbox.clock.advance(0.49)
    assert await statuses(wire, 1) == [429]
    wire.sandbox.clock.advance(0.02)
    assert await statuses(wire, 11) == [200] * 10 + [429]
    assert wire.sandbox.rejected == 3


async def test_sliding_windows_look_back(dial: Dial) -> None:
    wire = await limited(dial, "sliding")
    assert await statuses(wire, 5) == [200] * 5
    wire.sandbox.clock.advance(0.6)
    assert await statuses(wire, 6) == [200] * 5 + [429]
    wire.sandbox.clock.advance(0.5)
    assert await statuses(wire, 6) == [200] * 5 + [429]


async def test_classes_have_separate_windows_and_share_the_overall_limit(dial: Dial) -> None:
    wire = await limited(dial, "sliding")
    assert (await statuses(wire, 11))[-1] == 429
    assert await statuses(wire, 90, "/providers") == [200] * 90
    assert await statuses(wire, 1, "/providers") == [429]


async def test_minute_windows(dial: Dial) -> None:
    wire = await limited(dial, "sliding")
    sent = 0
    for _ in range(10):
        wire.sandbox.clock.advance(1.01)
        sent += (await statuses(wire, 100, "/patients")).count(200)
    wire.sandbox.clock.advance(1.01)
    assert sent == 1000
    assert await statuses(wire, 1, "/patients") == [429]
    assert await statuses(wire, 1, "/providers") == [200]


async def test_retry_after_is_sent_in_every_form(dial: Dial) -> None:
    wire = await limited(dial, "sliding")
    await statuses(wire, 10)

    async def header() -> Any:
        reply = await wire.get("/appointments", {"start": "2026-01-01", "end": "2026-01-02"})
        assert reply.status == 429
        assert reply.error
        return reply.headers.get("Retry-After")

    assert await header() is None
    wire.sandbox.retry_after = 2
    assert await header() == "2"
    wire.sandbox.retry_after = "exact"
    assert await header() == "1"
    wire.sandbox.retry_after = "date"
    assert parsedate_to_datetime(await header()).timestamp() == wire.sandbox.clock.now() + 1


async def test_requests_are_recorded_without_secrets(wire: RawClient) -> None:
    wire.sandbox.clear()
    await wire.get("/patients", [("name", "Ada"), ("include[]", "a"), ("include[]", "b")])
    await wire.get(f"/patients/{wire.sandbox.patients.ids[0]}", scope="subdomain")
    first, second = wire.sandbox.requests
    assert (first.method, first.path, first.status) == ("GET", "/patients", 200)
    assert first.headers["authorization"] == "Bearer"
    assert first.headers["nex-api-version"] == "v2"
    assert first.param("name") == "Ada"
    assert first.params("include[]") == ["a", "b"]
    assert ("subdomain", wire.sandbox.subdomain) in first.query
    assert second.template == "/patients/{id}"
    assert "Ada" not in repr(first)
    assert str(wire.sandbox.patients.ids[0]) not in repr(second)
    assert wire.token not in str([request.headers for request in wire.sandbox.requests])
    await wire.login()
    assert wire.sandbox.requests[-1].headers["authorization"] == "bare"
    assert len(wire.sandbox.seen("get")) == 2
    assert len(wire.sandbox.seen("GET", "/patients")) == 1
    assert len(wire.sandbox.seen(path="/patients/{id}")) == 1


async def test_memory_of_requests_is_bounded(dial: Dial) -> None:
    wire = await dial(Sandbox(remember=3))
    for _ in range(5):
        await wire.get("/patients")
    assert len(wire.sandbox.requests) == 3


async def test_nothing_is_logged(wire: RawClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wire.sandbox.drop_next(times=2)  # aiohttp itself repeats a read once on a reused connection
    with pytest.raises(aiohttp.ClientError):
        await wire.get("/patients", {"name": "Ada"})
    await wire.get("/patients", {"name": "Ada"})
    assert not [record for record in caplog.records if "Ada" in record.getMessage()]
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


async def test_a_disconnected_caller_leaves_nothing_behind(wire: RawClient) -> None:
    wire.sandbox.latency = 0.05
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.get("/patients"), 0.01)
    await asyncio.sleep(0.06)
    assert wire.sandbox.in_flight == 0


async def test_bodies_of_another_media_type_can_be_rejected(wire: RawClient) -> None:
    wire.sandbox.assumptions.refuse_wrong_content_type = True
    headers = {"Content-Type": "text/plain"}
    reply = await wire.call(
        "POST", "/appointment_types", json=NEW, headers=headers, scope="subdomain"
    )
    assert reply.status == 415


async def test_a_defect_becomes_a_500_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: RecordedPage) -> None:
        raise ZeroDivisionError

    async with Sandbox(patients=3) as sandbox:
        sandbox.page_callback = fail
        policy = RetryPolicy(attempts=3, base_delay=0.0)
        async with NexHealth(sandbox.api_key, base_url=sandbox.url, retry=policy) as nex:
            location = nex.with_options(
                subdomain=sandbox.subdomain, location_id=sandbox.location_id
            )
            for _ in range(2):
                with pytest.raises(ServerError):
                    await location.patients.walk().count()
        assert [request.status for request in sandbox.seen("GET")] == [500] * 6
    log_records = [record for record in caplog.records if record.name == "nexhealth_async.sandbox"]
    assert [path.exc_info and path.exc_info[0] for path in log_records] == [ZeroDivisionError]


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_during_shutdown_is_closed(turns: int) -> None:
    async with Sandbox(patients=1) as sandbox:
        port = urlsplit(sandbox.url).port
        with socket.create_connection(("127.0.0.1", port), timeout=5) as visitor:
            for _ in range(turns):
                await asyncio.sleep(0)
            await sandbox.stop()
            with suppress(ConnectionResetError):
                assert await asyncio.to_thread(visitor.recv, 1) == b""


@pytest.mark.parametrize(
    ("order", "options"),
    [
        (Sandbox.drop_next, {"when": "afterwards"}),
        (Sandbox.hang_next, {"when": ""}),
        (Sandbox.fail_next, {"method": "FETCH"}),
        (Sandbox.fail_next, {"times": 0}),
    ],
    ids=["drop", "hang", "method", "times"],
)
def test_a_fault_that_cannot_match_is_rejected(
    order: Callable[..., object], options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"must be|at least"):
        order(Sandbox(patients=1), **options)
