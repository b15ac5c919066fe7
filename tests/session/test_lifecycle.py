"""Opening, closing, borrowing and copying sessions, and errors of wrong use."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING, cast

import aiohttp
import anyio
import pytest

from nexhealth_async import (
    NO_RETRY,
    InvalidArgumentError,
    MissingScopeError,
    NexHealth,
    NotInVersionError,
    OutcomeUnknownError,
    SessionStateError,
    VersionNotEnabledError,
)
from nexhealth_async.codec import lazy_decoding
from nexhealth_async.resources import AccountResources
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexhealth_async import LocationScope


def left_behind() -> set[str]:
    """Names of the library's own running coroutines; the sandbox has tasks as well."""
    running = {str(task.get_coro()) for task in asyncio.all_tasks()}
    return {name for name in running if "Client.fetch_page" in name or "_refresh" in name}


async def test_an_unopened_session_raises_with_advice(sandbox: Sandbox) -> None:
    nex = NexHealth(sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(SessionStateError, match="async with"):
        await nex.institutions.get(1)
    with pytest.raises(SessionStateError, match="async with"):
        async for _ in nex.institutions.walk():
            pass


async def test_a_closed_session_raises_with_the_reason(sandbox: Sandbox) -> None:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url) as nex:
        assert len([i async for i in nex.institutions.walk()]) == 1
    with pytest.raises(SessionStateError, match="closed"):
        await nex.institutions.get(1)
    with pytest.raises(SessionStateError, match="closed"):
        await nex.open()
    await nex.aclose()


async def test_opening_twice_is_refused(nex: NexHealth) -> None:
    with pytest.raises(SessionStateError, match="open already"):
        await nex.open()


async def test_another_event_loop_is_refused_with_the_reason(nex: NexHealth) -> None:
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(_get(nex))
        except SessionStateError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.001)
    assert "another event loop" in str(caught[0])


async def _get(nex: NexHealth) -> None:
    await nex.institutions.get(1)


async def test_a_session_opened_before_a_fork_is_refused(
    nex: NexHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    with pytest.raises(SessionStateError, match="forked"):
        await nex.institutions.get(1)


async def test_a_borrowed_client_session_stays_open(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as http:
        async with NexHealth(sandbox.api_key, base_url=sandbox.url, http=http) as nex:
            assert [i async for i in nex.institutions.walk()]
        assert not http.closed


async def test_a_borrowed_client_session_closed_by_its_owner_is_named(sandbox: Sandbox) -> None:
    http = aiohttp.ClientSession()
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, http=http) as nex:
        await http.close()
        with pytest.raises(SessionStateError, match="closed"):
            await nex.institutions.get(1)


async def test_closing_ends_walks_and_their_tasks(
    nex: NexHealth, location: LocationScope, sandbox: Sandbox
) -> None:
    sandbox.page_cap = 2
    walk = location.patients.walk(prefetch=3)
    await anext(walk)
    sandbox.latency = 10
    pending = asyncio.ensure_future(_drain(walk))
    await asyncio.sleep(0.02)
    await nex.aclose()
    with pytest.raises(SessionStateError, match="closed"):
        await pending
    assert not left_behind()


async def _drain(walk: object) -> None:
    async for _ in walk:  # type: ignore[attr-defined]
        pass


async def test_closing_in_a_cancelled_scope_leaves_nothing_behind(sandbox: Sandbox) -> None:
    sandbox.page_cap = 2
    nex = NexHealth(sandbox.api_key, base_url=sandbox.url)
    with anyio.CancelScope() as scope:
        async with nex:
            location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
            walk = location.patients.walk(prefetch=3)
            await anext(walk)
            sandbox.latency = 10
            scope.cancel()
    assert nex._client.state.closed
    assert not left_behind()


async def test_calls_in_flight_raise_when_the_session_closes(
    nex: NexHealth, location: LocationScope, sandbox: Sandbox
) -> None:
    await location.patients.walk().count()
    sandbox.latency = 0.05
    read = asyncio.ensure_future(location.patients.get(sandbox.patients.ids[0]))
    write = asyncio.ensure_future(
        location.appointment_types.create(name="An invented type", minutes=30)
    )
    await asyncio.sleep(0.02)
    await nex.aclose()
    with pytest.raises(SessionStateError, match="closed"):
        await read
    with pytest.raises(OutcomeUnknownError, match="look for the name"):
        await write


async def test_copies_share_connections_token_and_lifetime(
    nex: NexHealth, sandbox: Sandbox
) -> None:
    quick = nex.with_options(timeout=5, retry=NO_RETRY)
    async with quick:
        location = quick.practice(sandbox.subdomain).location(sandbox.location_id)
        assert await location.patients.walk().count() == 25
    bound = nex.with_options(subdomain=sandbox.subdomain, location_id=sandbox.location_id)
    assert await bound.patients.walk().count() == 25
    assert sandbox.logins == 1
    await nex.aclose()
    with pytest.raises(SessionStateError):
        await bound.patients.walk().count()


async def test_open_and_aclose_serve_frameworks(sandbox: Sandbox) -> None:
    nex = NexHealth(sandbox.api_key, base_url=sandbox.url)
    assert await nex.open() is nex
    assert [i async for i in nex.institutions.walk()]
    await nex.aclose()


async def test_decoders_can_be_built_when_the_session_opens(sandbox: Sandbox) -> None:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, preload=["patients"]) as nex:
        assert nex._client.state.ready == {"Patient", "Document", "PatientAlert"}
        assert not sandbox.requests


async def test_key_and_address_come_from_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXHEALTH_API_KEY", sandbox.api_key)
    monkeypatch.setenv("NEXHEALTH_BASE_URL", sandbox.url + "/")
    async with NexHealth() as nex:
        assert [i async for i in nex.institutions.walk()]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (NexHealth, "NEXHEALTH_API_KEY"),
        (lambda: NexHealth("  "), "API key is missing"),
        (lambda: NexHealth("Bearer an-invented-key"), "Bearer prefix"),
        (lambda: NexHealth("an-invented\r\nkey"), "line breaks"),
        (lambda: NexHealth("k", base_url="http://api.example.com"), "https://"),
        (lambda: NexHealth("k", base_url="https://user:pw@example.com"), "without credentials"),
        (lambda: NexHealth("k", version="two"), "version must be"),
        (lambda: NexHealth("k", subdomain="Demo"), "capital letters"),
        (lambda: NexHealth("k", subdomain=" "), "blank"),
        (lambda: NexHealth("k", timeout=0), "more than 0"),
        (lambda: NexHealth("k", user_agent="a\nb"), "one line"),
        (lambda: NexHealth("k", on_ignored="sometimes"), "on_ignored"),  # type: ignore[arg-type]
        (lambda: NexHealth("k", location_id=True), "whole number"),
        (lambda: NexHealth("k", location_id="331107"), r"not str; convert it with int\(\)"),  # type: ignore[arg-type]
        (lambda: NexHealth("k", version=3), "version must be"),  # type: ignore[arg-type]
        (lambda: NexHealth("k", timeout="5"), "number of seconds"),  # type: ignore[arg-type]
        (lambda: NexHealth("k").practice(None), "check the variable"),  # type: ignore[arg-type]
        (lambda: NexHealth("k").practice("demo").location("331107"), "not text"),  # type: ignore[arg-type]
        (lambda: NexHealth("k", preload=["patience"]), "patience"),
    ],
    ids=range(19),
)
def test_impossible_settings_are_refused_with_the_reason(
    make: Callable[[], NexHealth], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXHEALTH_API_KEY", raising=False)
    with pytest.raises(InvalidArgumentError, match=says) as caught:
        make()
    assert "invented" not in str(caught.value)


async def test_a_missing_scope_is_named_before_anything_is_sent(
    nex: NexHealth, sandbox: Sandbox
) -> None:
    with pytest.raises(MissingScopeError, match=r"nex\.practice"):
        nex.patients.walk()
    with pytest.raises(MissingScopeError, match=r"location\(id\)"):
        nex.practice(sandbox.subdomain).patients.walk()
    assert not sandbox.requests


async def test_an_operation_missing_in_the_version_is_refused_before_anything_is_sent(
    nex: NexHealth, sandbox: Sandbox
) -> None:
    with pytest.raises(NotInVersionError, match='version="v2"'):
        nex.with_options(version="v3", subdomain="demo").appointment_categories.walk()
    assert not sandbox.requests


async def test_a_refusal_of_v2_names_the_version_to_pass(sandbox: Sandbox) -> None:
    sandbox.versions = frozenset({"v3"})
    async with NexHealth(sandbox.api_key, base_url=sandbox.url) as nex:
        with pytest.raises(VersionNotEnabledError, match='version="v3"'):
            await nex.institutions.get(1)


async def test_any_path_can_be_requested(nex: NexHealth, sandbox: Sandbox) -> None:
    answer = await nex.request(
        "GET",
        "/patients",
        params={"subdomain": sandbox.subdomain, "location_id": sandbox.location_id},
    )
    assert answer.count == 25
    assert len(cast("dict[str, list[object]]", answer.data)["patients"]) == 5
    assert "patients" not in repr(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("FETCH", "/patients"),
        ("GET", "patients"),
        ("GET", "//host/x"),
        ("GET", "/a?b=1"),
        ("GET", "/../x"),
    ],
)
async def test_invalid_paths_are_refused(nex: NexHealth, method: str, path: str) -> None:
    with pytest.raises(InvalidArgumentError):
        await nex.request(method, path)


def test_the_endpoint_table_is_available_as_data() -> None:
    rows = NexHealth("an-invented-key").endpoints()
    assert {(r.version, r.method, r.path) for r in rows} >= {("v2", "GET", "/patients")}
    patients = next(r for r in rows if (r.path, r.method) == ("/patients", "GET"))
    assert (patients.resource, patients.verb, patients.paging) == ("patients", "walk", "numbered")
    assert "updated_since" in patients.filters
    assert [sum(r.version == version for r in rows) for version in ("v2", "v3")] == [58, 88]


def test_the_repr_shows_host_version_scope_and_state() -> None:
    nex = NexHealth("an-invented-key", subdomain="demo", location_id=7)
    assert repr(nex) == "<NexHealth nexhealth.info v2, subdomain='demo', location_id=7: not open>"


async def test_building_decoders_yields_to_the_loop_every_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The interpreter's switch interval is restored, also after a failure."""
    usual, seen = sys.getswitchinterval(), list[tuple[float, bool]]()
    here = threading.get_ident()

    def build(model: type) -> None:
        seen.append((sys.getswitchinterval(), threading.get_ident() == here))
        if len(seen) == 2:
            raise RuntimeError(model.__name__)

    monkeypatch.setattr(lazy_decoding, "native_of", build)
    async with Sandbox() as sandbox, NexHealth(sandbox.api_key, base_url=sandbox.url) as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        await location.providers.walk(limit=1).count()
        with pytest.raises(RuntimeError):
            await location.operatories.walk(limit=1).count()
    assert [inside for _, inside in seen] == [False, False]
    assert all(turn == pytest.approx(min(usual, 0.001)) for turn, _ in seen)
    assert sys.getswitchinterval() == usual


def test_a_session_has_only_public_names_for_users() -> None:
    resources = {name for name in dir(AccountResources) if not name.startswith("_")}
    shown = {name for name in dir(NexHealth("key")) if not name.startswith("_")}
    assert shown - resources == {
        "aclose",
        "budget",
        "bulk",
        "codec",
        "download",
        "endpoints",
        "log_in",
        "open",
        "practice",
        "practices",
        "request",
        "stats",
        "version",
        "webhooks",
        "with_options",
    }
