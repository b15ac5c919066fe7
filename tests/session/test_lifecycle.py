"""Opening, closing, borrowing, copying; and what a session says when it is used wrongly."""

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
    InvalidArgument,
    MissingScope,
    NexHealth,
    NotInThisVersion,
    OutcomeUnknown,
    SessionStateError,
    VersionRefused,
)
from nexhealth_async.codec import lazy_decoding
from nexhealth_async.resources import AccountResources
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexhealth_async import LocationScope


def left_behind() -> set[str]:
    """Names of the library's own coroutines that still run; the sandbox has tasks as well."""
    running = {str(task.get_coro()) for task in asyncio.all_tasks()}
    return {name for name in running if "Client.fetch_page" in name or "_renew" in name}


async def test_an_unopened_session_says_how_to_open_it(box: Sandbox) -> None:
    nex = NexHealth(box.api_key, base_url=box.url)
    with pytest.raises(SessionStateError, match="async with"):
        await nex.institutions.get(1)
    with pytest.raises(SessionStateError, match="async with"):
        async for _ in nex.institutions.walk():
            pass


async def test_a_closed_session_says_so(box: Sandbox) -> None:
    async with NexHealth(box.api_key, base_url=box.url) as nex:
        assert len([i async for i in nex.institutions.walk()]) == 1
    with pytest.raises(SessionStateError, match="closed"):
        await nex.institutions.get(1)
    with pytest.raises(SessionStateError, match="closed"):
        await nex.open()
    await nex.aclose()


async def test_opening_twice_is_refused(nex: NexHealth) -> None:
    with pytest.raises(SessionStateError, match="open already"):
        await nex.open()


async def test_another_event_loop_is_refused_clearly(nex: NexHealth) -> None:
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


async def test_a_borrowed_session_is_used_and_left_open(box: Sandbox) -> None:
    async with aiohttp.ClientSession() as http:
        async with NexHealth(box.api_key, base_url=box.url, http=http) as nex:
            assert [i async for i in nex.institutions.walk()]
        assert not http.closed


async def test_a_borrowed_session_that_its_owner_closed_is_named(box: Sandbox) -> None:
    http = aiohttp.ClientSession()
    async with NexHealth(box.api_key, base_url=box.url, http=http) as nex:
        await http.close()
        with pytest.raises(SessionStateError, match="closed"):
            await nex.institutions.get(1)


async def test_closing_ends_walks_and_their_tasks(
    nex: NexHealth, office: LocationScope, box: Sandbox
) -> None:
    box.page_cap = 2
    walk = office.patients.walk(prefetch=3)
    await anext(walk)
    box.latency = 10
    pending = asyncio.ensure_future(_drain(walk))
    await asyncio.sleep(0.02)
    await nex.aclose()
    with pytest.raises(SessionStateError, match="closed"):
        await pending
    assert not left_behind()


async def _drain(walk: object) -> None:
    async for _ in walk:  # type: ignore[attr-defined]
        pass


async def test_closing_in_a_cancelled_scope_leaves_nothing(box: Sandbox) -> None:
    box.page_cap = 2
    nex = NexHealth(box.api_key, base_url=box.url)
    with anyio.CancelScope() as scope:
        async with nex:
            office = nex.practice(box.subdomain).location(box.location_id)
            walk = office.patients.walk(prefetch=3)
            await anext(walk)
            box.latency = 10
            scope.cancel()
    assert nex._client.state.closed
    assert not left_behind()


async def test_calls_under_way_when_the_session_closes_are_told(
    nex: NexHealth, office: LocationScope, box: Sandbox
) -> None:
    await office.patients.walk().count()
    box.latency = 0.05
    read = asyncio.ensure_future(office.patients.get(box.patients.ids[0]))
    write = asyncio.ensure_future(
        office.appointment_types.create(name="An invented type", minutes=30)
    )
    await asyncio.sleep(0.02)
    await nex.aclose()
    with pytest.raises(SessionStateError, match="closed"):
        await read
    with pytest.raises(OutcomeUnknown, match="look for the name"):
        await write


async def test_copies_share_connections_token_and_life(nex: NexHealth, box: Sandbox) -> None:
    quick = nex.with_options(timeout=5, retry=NO_RETRY)
    async with quick:
        office = quick.practice(box.subdomain).location(box.location_id)
        assert await office.patients.walk().count() == 25
    bound = nex.with_options(subdomain=box.subdomain, location_id=box.location_id)
    assert await bound.patients.walk().count() == 25
    assert box.logins == 1
    await nex.aclose()
    with pytest.raises(SessionStateError):
        await bound.patients.walk().count()


async def test_open_and_aclose_serve_frameworks(box: Sandbox) -> None:
    nex = NexHealth(box.api_key, base_url=box.url)
    assert await nex.open() is nex
    assert [i async for i in nex.institutions.walk()]
    await nex.aclose()


async def test_decoders_can_be_built_when_the_session_opens(box: Sandbox) -> None:
    async with NexHealth(box.api_key, base_url=box.url, preload=["patients"]) as nex:
        assert nex._client.state.ready == {"Patient", "Document", "PatientAlert"}
        assert not box.requests


async def test_key_and_address_come_from_the_environment(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXHEALTH_API_KEY", box.api_key)
    monkeypatch.setenv("NEXHEALTH_BASE_URL", box.url + "/")
    async with NexHealth() as nex:
        assert [i async for i in nex.institutions.walk()]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (NexHealth, "NEXHEALTH_API_KEY"),
        (lambda: NexHealth("  "), "no API key"),
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
        (lambda: NexHealth("k", location_id="331107"), r"not str; int\(...\)"),  # type: ignore[arg-type]
        (lambda: NexHealth("k", version=3), "version must be"),  # type: ignore[arg-type]
        (lambda: NexHealth("k", timeout="5"), "number of seconds"),  # type: ignore[arg-type]
        (lambda: NexHealth("k").practice(None), "is the variable set"),  # type: ignore[arg-type]
        (lambda: NexHealth("k").practice("demo").location("331107"), "not text"),  # type: ignore[arg-type]
        (lambda: NexHealth("k", preload=["patience"]), "patience"),
    ],
    ids=range(19),
)
def test_what_cannot_work_is_refused_with_a_sentence(
    make: Callable[[], NexHealth], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXHEALTH_API_KEY", raising=False)
    with pytest.raises(InvalidArgument, match=says) as caught:
        make()
    assert "invented" not in str(caught.value)


async def test_a_missing_scope_is_named_before_anything_is_sent(
    nex: NexHealth, box: Sandbox
) -> None:
    with pytest.raises(MissingScope, match=r"nex\.practice"):
        nex.patients.walk()
    with pytest.raises(MissingScope, match=r"location\(id\)"):
        nex.practice(box.subdomain).patients.walk()
    assert not box.requests


async def test_an_operation_the_version_lacks_is_refused_before_anything_is_sent(
    nex: NexHealth, box: Sandbox
) -> None:
    with pytest.raises(NotInThisVersion, match='version="v2"'):
        nex.with_options(version="v3", subdomain="demo").appointment_categories.walk()
    assert not box.requests


async def test_an_account_that_v2_refuses_is_told_what_to_pass(box: Sandbox) -> None:
    box.versions = frozenset({"v3"})
    async with NexHealth(box.api_key, base_url=box.url) as nex:
        with pytest.raises(VersionRefused, match='version="v3"'):
            await nex.institutions.get(1)


async def test_any_path_can_be_requested(nex: NexHealth, box: Sandbox) -> None:
    answer = await nex.request(
        "GET", "/patients", params={"subdomain": box.subdomain, "location_id": box.location_id}
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
async def test_paths_that_are_none_are_refused(nex: NexHealth, method: str, path: str) -> None:
    with pytest.raises(InvalidArgument):
        await nex.request(method, path)


def test_the_table_is_offered_as_data() -> None:
    rows = NexHealth("an-invented-key").endpoints()
    assert {(r.version, r.method, r.path) for r in rows} >= {("v2", "GET", "/patients")}
    patients = next(r for r in rows if (r.path, r.method) == ("/patients", "GET"))
    assert (patients.resource, patients.verb, patients.paging) == ("patients", "walk", "numbered")
    assert "updated_since" in patients.filters
    assert [sum(r.version == version for r in rows) for version in ("v2", "v3")] == [58, 88]


def test_the_repr_shows_host_version_scope_and_state() -> None:
    nex = NexHealth("an-invented-key", subdomain="demo", location_id=7)
    assert repr(nex) == "<NexHealth nexhealth.info v2, subdomain='demo', location_id=7: not open>"


async def test_decoders_are_built_beside_the_loop_which_gets_its_turn_every_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the interpreter's usual turns come back, also after a failure."""
    usual, seen = sys.getswitchinterval(), list[tuple[float, bool]]()
    here = threading.get_ident()

    def build(model: type) -> None:
        seen.append((sys.getswitchinterval(), threading.get_ident() == here))
        if len(seen) == 2:
            raise RuntimeError(model.__name__)

    monkeypatch.setattr(lazy_decoding, "native_of", build)
    async with Sandbox() as box, NexHealth(box.api_key, base_url=box.url) as nex:
        office = nex.practice(box.subdomain).location(box.location_id)
        await office.providers.walk(limit=1).count()
        with pytest.raises(RuntimeError):
            await office.operatories.walk(limit=1).count()
    assert [inside for _, inside in seen] == [False, False]
    assert all(turn == pytest.approx(min(usual, 0.001)) for turn, _ in seen)
    assert sys.getswitchinterval() == usual


def test_a_session_shows_what_its_users_call_and_nothing_else() -> None:
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
