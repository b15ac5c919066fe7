"""``version="auto"``: the chosen version, when it is found, and its cost."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NO_RETRY, NexHealth, Rates
from nexhealth_async.errors import (
    ConnectError,
    InvalidAPIKeyError,
    InvalidArgumentError,
    NotFoundError,
    NotInVersionError,
    ServerError,
    SessionStateError,
    UsageError,
    VersionNotEnabledError,
)
from nexhealth_async.sandbox import DEFAULT_ANCHOR, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nexhealth_async import LocationScope

V3_ONLY = frozenset[str]({"v3"})


@pytest.fixture(params=["login refuses", "first read refuses"])
async def new_account(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """An account that refuses v2, at the login or only at the first read."""
    async with Sandbox(patients=12, seed=1, versions={"v3"}) as sandbox:
        sandbox.assumptions.any_version_logs_in = request.param == "first read refuses"
        yield sandbox


@pytest.fixture
async def old_account() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=12, seed=1, versions={"v2"}) as sandbox:
        yield sandbox


def session(sandbox: Sandbox, version: str = "auto") -> NexHealth:
    return NexHealth(
        sandbox.api_key,
        base_url=sandbox.url,
        version=version,
        retry=NO_RETRY,
        rates=Rates.unlimited(),
    )


def at_location(nex: NexHealth, sandbox: Sandbox) -> LocationScope:
    return nex.practice(sandbox.subdomain).location(sandbox.location_id)


def versions_of(sandbox: Sandbox, *, logins: bool = False) -> list[str | None]:
    return [
        seen.headers.get("nex-api-version")
        for seen in sandbox.requests
        if logins or seen.path != "/authenticates"
    ]


def logins(sandbox: Sandbox) -> int:
    return sum(seen.path == "/authenticates" for seen in sandbox.requests)


async def test_an_old_account_uses_v2_after_one_login(old_account: Sandbox) -> None:
    async with session(old_account) as nex:
        assert nex.version == "v2"
        assert (
            len([patient async for patient in at_location(nex, old_account).patients.walk()]) == 12
        )
    assert versions_of(old_account, logins=True) == ["v2", "v2"]


async def test_an_account_with_both_versions_stays_with_v2() -> None:
    async with Sandbox(patients=3) as sandbox, session(sandbox) as nex:
        await at_location(nex, sandbox).patients.get(sandbox.patients.ids[0])
        assert nex.version == "v2"
    assert set(versions_of(sandbox, logins=True)) == {"v2"}


async def test_a_new_account_uses_v3_in_every_kind_of_call(new_account: Sandbox) -> None:
    sandbox = new_account
    async with session(sandbox) as nex:
        here = at_location(nex, sandbox)
        assert len([patient async for patient in here.patients.walk(per_page=5)]) == 12
        assert (await here.patients.get(sandbox.patients.ids[0])).id == sandbox.patients.ids[0]
        assert (await nex.request("GET", "/institutions")).data
        assert nex.version == "v3.0.0"
        before = len(sandbox.requests)
        await here.patients.get(sandbox.patients.ids[1])
        assert versions_of(sandbox)[-1] == "v3.0.0"
        assert len(sandbox.requests) == before + 1


@pytest.mark.parametrize("first", ["get", "walk", "pages", "count", "request", "download", "find"])
async def test_any_call_may_be_the_first_that_is_refused(first: str) -> None:
    async with Sandbox(patients=12, versions={"v3"}) as sandbox:
        sandbox.assumptions.any_version_logs_in = True
        async with session(sandbox) as nex:
            here = at_location(nex, sandbox)
            assert nex.version == "v2"
            match first:
                case "get":
                    await here.patients.get(sandbox.patients.ids[0])
                case "walk":
                    assert len([patient async for patient in here.patients.walk(per_page=5)]) == 12
                case "pages":
                    sizes = [len(p.items) async for p in here.patients.walk(per_page=5).pages()]
                    assert sizes == [5, 5, 2]
                case "count":
                    with pytest.raises(UsageError, match="does not state the size"):
                        await here.patients.walk().count()
                case "request":
                    assert (await nex.request("GET", "/institutions")).data
                case "download":
                    with pytest.raises(NotFoundError):
                        async with nex.download("/documents/1/download") as file:
                            await file.read()
                case _:
                    found = await here.patients.find_or_create(
                        provider_id=sandbox.providers.ids[0],
                        first_name="Ada",
                        last_name="Example",
                        email="ada@example.com",
                        bio={"date_of_birth": date(1990, 1, 2), "phone_number": "2125550100"},
                    )
                    assert found.created
            assert nex.version == "v3.0.0"
        assert logins(sandbox) == 1


async def test_a_v3_only_call_can_be_the_first_on_a_new_account(new_account: Sandbox) -> None:
    async with session(new_account) as nex:
        walk = at_location(nex, new_account).charges.walk(
            updated_since=datetime(2020, 1, 1, tzinfo=UTC)
        )
        async with aclosing(walk):
            await anext(walk, None)
        assert nex.version == "v3.0.0"


async def test_a_v3_only_call_on_an_old_account_is_refused_before_it_is_sent(
    old_account: Sandbox,
) -> None:
    async with session(old_account) as nex:
        walk = at_location(nex, old_account).charges.walk(
            updated_since=datetime(2020, 1, 1, tzinfo=UTC)
        )
        with pytest.raises(NotInVersionError, match='version="v3"'):
            await anext(walk)
    assert {seen.path for seen in old_account.requests} == {"/authenticates", "/institutions"}


async def test_unknown_arguments_are_refused_at_once(old_account: Sandbox) -> None:
    async with session(old_account) as nex:
        before = len(old_account.requests)
        with pytest.raises(TypeError, match="colour"):
            at_location(nex, old_account).patients.walk(colour="red")  # type: ignore[call-arg]
        assert len(old_account.requests) == before


async def test_a_version_is_kept_after_a_first_success() -> None:
    async with Sandbox(patients=3) as sandbox, session(sandbox) as nex:
        here = at_location(nex, sandbox)
        await here.patients.get(sandbox.patients.ids[0])
        sandbox.versions = frozenset({"v3"})
        with pytest.raises(VersionNotEnabledError):
            await here.patients.get(sandbox.patients.ids[0])
        assert nex.version == "v2"


async def test_concurrent_first_calls_switch_the_version_together(new_account: Sandbox) -> None:
    sandbox = new_account
    async with session(sandbox) as nex:
        here = at_location(nex, sandbox)
        got = await asyncio.gather(*(here.patients.get(id) for id in sandbox.patients.ids))
        assert sorted(one.id for one in got) == sorted(sandbox.patients.ids)
    assert logins(sandbox) <= 2


async def test_copies_share_the_detected_version(new_account: Sandbox) -> None:
    async with session(new_account) as nex:
        copy = nex.with_options(timeout=5)
        await at_location(copy, new_account).patients.get(new_account.patients.ids[0])
        assert nex.version == copy.version == "v3.0.0"
        assert nex.with_options(version="v2").version == "v2"
        assert nex.with_options(version="v3").with_options(version="auto").version == "v3.0.0"


async def test_opening_raises_if_both_versions_are_refused() -> None:
    async with Sandbox() as sandbox:
        refusal = b'{"code": false, "error": ["This API version is no longer supported"]}'
        sandbox.fail_next(403, path="/authenticates", body=refusal, times=2)
        nex = session(sandbox)
        with pytest.raises(VersionNotEnabledError, match="neither v2 nor v3"):
            await nex.open()
        with pytest.raises(SessionStateError):
            await nex.institutions.get(1)


async def test_opening_raises_for_an_invalid_key() -> None:
    async with Sandbox() as sandbox:
        nex = NexHealth("not-the-key", base_url=sandbox.url, version="auto", retry=NO_RETRY)
        with pytest.raises(InvalidAPIKeyError):
            await nex.open()
    async with Sandbox() as sandbox, NexHealth("not-the-key", base_url=sandbox.url, version="v2"):
        assert not sandbox.requests  # a pinned version logs in with the first call


@pytest.mark.parametrize("trouble", ["no server", "503"])
async def test_a_session_can_be_opened_during_an_outage(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = Sandbox(patients=3, versions={"v3"})
    await sandbox.start()
    if trouble == "no server":
        await sandbox.stop()
    else:
        sandbox.fail_next(503, path="/authenticates")
    with caplog.at_level(logging.WARNING, logger="nexhealth_async"):
        async with session(sandbox) as nex:
            assert nex.version is None
            assert "auto" in repr(nex)
            with pytest.raises((ConnectError, ServerError)):
                await at_location(nex, sandbox).patients.get(1)
            walk = at_location(nex, sandbox).patients.walk()
            with pytest.raises((ConnectError, ServerError)):
                await anext(walk)
    assert "is undetermined" in caplog.text
    await sandbox.stop()


async def test_the_version_is_detected_after_an_outage() -> None:
    async with Sandbox(patients=3, versions={"v3"}) as sandbox:
        sandbox.fail_next(503, path="/authenticates")
        async with session(sandbox) as nex:
            assert nex.version is None
            nex._client.state.token_manager.clear_failure()  # end the login back-off
            assert (
                len([patient async for patient in at_location(nex, sandbox).patients.walk()]) == 3
            )
            assert nex.version == "v3.0.0"


async def test_a_cancelled_first_page_loses_nothing(new_account: Sandbox) -> None:
    sandbox = new_account
    async with session(sandbox) as nex:
        walk = at_location(nex, sandbox).patients.walk(per_page=5)
        sandbox.latency = 0.05
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(walk), 0.01)
        sandbox.latency = 0.0
        assert len([one async for one in walk]) == 12


async def test_the_environment_names_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXHEALTH_API_VERSION", "v3")
    assert NexHealth("key").version == "v3.0.0"
    assert NexHealth("key", version="v2").version == "v2"
    assert NexHealth("key", version="auto").version is None
    monkeypatch.setenv("NEXHEALTH_API_VERSION", "newest")
    with pytest.raises(InvalidArgumentError, match="NEXHEALTH_API_VERSION"):
        NexHealth("key")
    monkeypatch.setenv("NEXHEALTH_API_VERSION", "")
    assert NexHealth("key").version is None


WORDINGS = (
    (403, "API version 'v2' is below the minimum allowed"),
    (403, "This API version is no longer supported"),
    (410, "v2 of the API has been retired; please upgrade"),
    (400, "Unsupported API version"),
    (403, "Your account cannot use version v2"),
    (426, "Upgrade required: use Nex-Api-Version v3.0.0 or later"),
    (406, "Nex-Api-Version v2 is not available for this account"),
    (403, "API v2 access is disabled for new developers"),
    (404, "The v2 endpoints were removed"),
    (401, "Version 2 of the API is not allowed"),
)


@pytest.mark.parametrize(("status", "text"), WORDINGS)
@pytest.mark.parametrize("where", ["/authenticates", "/patients"])
@pytest.mark.parametrize("form", ["envelope", "text", "message"])
async def test_a_version_refusal_is_recognized_by_its_meaning(
    status: int, text: str, where: str, form: str
) -> None:
    body = {
        "envelope": json.dumps({"code": False, "data": None, "error": [text]}),
        "message": json.dumps({"message": text}),
        "text": text,
    }
    async with Sandbox(patients=3) as sandbox:
        sandbox.fail_next(status, path=where, body=body[form].encode())
        async with session(sandbox) as nex:
            assert (
                len([patient async for patient in at_location(nex, sandbox).patients.walk()]) == 3
            )
            assert nex.version == "v3.0.0"


@pytest.mark.parametrize("version", ["auto", "v2"])
async def test_an_empty_schedule_in_v2_warns_unless_the_version_was_chosen(
    old_account: Sandbox, version: str, recwarn: pytest.WarningsRecorder
) -> None:
    sandbox = old_account
    for id in [*sandbox.practice.availabilities.ids]:
        sandbox.practice.availabilities.delete(id)
    async with session(sandbox, version) as nex:
        here = at_location(nex, sandbox)
        hours = [hour async for hour in here.working_hours.walk()]
        groups = [
            one
            async for one in here.available_slots.walk(
                start_date=DEFAULT_ANCHOR, days=3, pids=[*sandbox.providers.ids]
            )
        ]
    assert not hours
    assert not [slot for group in groups for slot in group.slots]
    warnings = [str(one.message) for one in recwarn if "version=" in str(one.message)]
    assert len(warnings) == (2 if version == "auto" else 0)


async def test_hidden_hours_and_later_pages_do_not_warn(
    old_account: Sandbox, recwarn: pytest.WarningsRecorder
) -> None:
    async with session(old_account) as nex:
        hours = at_location(nex, old_account).working_hours
        assert not [hour async for hour in hours.walk(active=False)]
        assert [hour async for hour in hours.walk(prefetch=4)]  # asks for page 2 beside page 1
    assert "2" in {request.param("page") for request in old_account.seen("GET", "/availabilities")}
    assert not recwarn.list


async def test_a_filtered_later_page_of_hours_does_not_warn(
    old_account: Sandbox, recwarn: pytest.WarningsRecorder
) -> None:
    async with session(old_account) as nex:
        assert [hour async for hour in at_location(nex, old_account).working_hours.walk(per_page=1)]
    assert not recwarn.list
