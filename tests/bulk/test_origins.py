"""A target records the origin of its records and refuses another."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import msgspec
import pytest
import pytest_asyncio
from attrs import frozen

from nexhealth_async.bulk.target_protocol import OriginStore, open_target
from nexhealth_async.errors import InvalidArgumentError, NexHealthWarning, OriginError
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.routes import Version
from tests.bulk.fake_accounts import account, forbid_lists, rename, session
from tests.bulk.kill.child import target_of
from tests.bulk.kill.reading import Contents, read_back
from tests.export.postgres_server import PostgresServer, connected, new_database

if TYPE_CHECKING:
    from nexhealth_async import NexHealth
    from nexhealth_async.bulk import Target

LISTS = ("patients", "appointments", "providers")
MERGING = ("duckdb", "postgres")
FILES = ("jsonl", "parquet")
LONG_AGO = timedelta(0)
_How: TypeAlias = "dict[str, Any]"
PLAIN: _How = {}
REFRESH: _How = {"since": "last"}
RESUME: _How = {"resume": True}
ADOPT: _How = {"adopt": True}
RECOPY: _How = {"recopy": True}


@frozen
class CopyTarget:
    """A target of one kind, and its contents."""

    kind: str
    place: str

    @property
    def target(self) -> Target:
        return target_of(self.kind, self.place)

    async def contents(self) -> Contents:
        return await read_back(self.kind, self.place, LISTS)

    async def ids(self) -> dict[tuple[str, str], int]:
        return {key: len(rows) for key, rows in (await self.contents()).items()}


@pytest_asyncio.fixture(params=[*MERGING, *FILES])
async def copies(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CopyTarget]:
    async with AsyncExitStack() as stack:
        yield await _copies(str(request.param), request, tmp_path, stack)


@pytest_asyncio.fixture(params=MERGING)
async def merging(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CopyTarget]:
    async with AsyncExitStack() as stack:
        yield await _copies(str(request.param), request, tmp_path, stack)


async def _copies(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, stack: AsyncExitStack
) -> CopyTarget:
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return CopyTarget(kind, await stack.enter_async_context(new_database(server)))
    return CopyTarget(kind, str(tmp_path / "copy"))


def asked(sandbox: Sandbox) -> set[str]:
    """Lists that were requested, without those that find practices and locations."""
    return {request.path for request in sandbox.requests} - {
        "/authenticates",
        "/institutions",
        "/locations",
    }


async def fill(copies: CopyTarget, nex: NexHealth, **more: Any) -> None:
    (await nex.bulk.copy(LISTS, to=copies.target, **more)).raise_if_partial()


# Another account


async def test_a_copy_from_another_account_is_refused_and_deletes_nothing(
    merging: CopyTarget,
) -> None:
    async with account(1) as mine, account(2) as other:
        async with session(mine) as nex:
            await fill(merging, nex)
        before = await merging.contents()
        rename(other, 0, id=2001, subdomain=mine.subdomain)  # even under the same name
        async with session(other) as nex:
            for more in PLAIN, ADOPT:
                with pytest.raises(OriginError, match="institution is"):
                    await fill(merging, nex, since="last", compare=LONG_AGO, **more)
        assert await merging.contents() == before
        assert not asked(other)


@pytest.mark.parametrize("how", [REFRESH, PLAIN, RESUME])
async def test_an_account_with_none_of_the_practices_is_refused(
    copies: CopyTarget, how: dict[str, Any]
) -> None:
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(account(1))
        mine.fail_next(403, path="/appointments?page=1")
        async with session(mine) as nex:
            await nex.bulk.copy(LISTS, to=copies.target, drift="watch")
        before, port = await copies.contents(), int(mine.url.rpartition(":")[2])
        await mine.stop()
        other = await stack.enter_async_context(account(2, port=port))
        async with session(other) as nex:
            with pytest.raises(OriginError, match="another account"):
                await nex.bulk.copy(LISTS, to=copies.target, **how)
        assert await copies.contents() == before
        assert not asked(other)


async def test_another_base_url_is_refused_unless_it_is_adopted(merging: CopyTarget) -> None:
    async with account(1) as mine, session(mine) as nex:
        await fill(merging, nex)
    async with account(1) as moved:
        assert moved.url != mine.url
        async with session(moved) as nex:
            with pytest.raises(OriginError, match="records from") as caught:
                await fill(merging, nex, since="last")
            assert caught.value.option == "adopt"
            await fill(merging, nex, since="last", adopt=True)
            await fill(merging, nex, since="last")


async def test_keys_and_practices_may_change(merging: CopyTarget) -> None:
    async with account(1, practices=3) as sandbox:
        gone = sandbox.practices.pop(0)
        async with session(sandbox) as nex:
            await fill(merging, nex)
        sandbox.rotate_key()
        sandbox.practices.insert(0, gone)
        lost = sandbox.practices.pop(1)
        async with session(sandbox) as nex:
            await fill(merging, nex, since="last")
        held = await merging.ids()
        assert {name for _, name in held} == {gone.subdomain, lost.subdomain, "account-1-3"}
        # The practice that came is enough now to know the account by.
        del sandbox.practices[1:]
        async with session(sandbox) as nex:
            await fill(merging, nex, since="last")
        assert await merging.ids() == held


async def test_without_the_list_of_institutions_each_practice_is_queried(
    merging: CopyTarget,
) -> None:
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(account(1, practices=2))
        async with session(mine) as nex:
            await fill(merging, nex)
            forbid_lists(mine)
            await fill(merging, nex, practices=[mine.practices[1].subdomain], since="last")
            await fill(merging, nex, since="last")
            await fill(merging, nex, resume=True)
        before, port = await merging.contents(), int(mine.url.rpartition(":")[2])
        await mine.stop()
        other = await stack.enter_async_context(account(2, port=port))
        forbid_lists(other)
        async with session(other) as nex:
            with pytest.raises(OriginError):
                await fill(merging, nex, practices=[other.subdomain])
        assert await merging.contents() == before


# Sandboxes


async def test_a_sandbox_is_not_mixed_with_a_real_account(copies: CopyTarget) -> None:
    async with account(1) as real, Sandbox(patients=12) as sandbox:
        async with session(real) as nex:
            await fill(copies, nex)
        before = await copies.contents()
        async with session(sandbox) as nex:
            for how in REFRESH, ADOPT, RECOPY:
                with pytest.raises(OriginError, match="real account"):
                    await nex.bulk.copy(LISTS, to=copies.target, **how)
        assert await copies.contents() == before
        assert not asked(sandbox)


async def test_a_real_account_is_not_mixed_with_a_sandbox(copies: CopyTarget) -> None:
    async with account(1) as real, Sandbox(patients=12) as sandbox:
        async with session(sandbox) as nex:
            await fill(copies, nex)
        before = await copies.contents()
        async with session(real) as nex:
            with pytest.raises(OriginError, match="a sandbox"):
                await nex.bulk.copy(LISTS, to=copies.target, since="last")
        assert await copies.contents() == before
        assert not asked(real)


async def test_a_sandbox_is_recognized_by_its_options_and_not_by_its_address(
    merging: CopyTarget,
) -> None:
    async with Sandbox(patients=12, seed=4) as sandbox, session(sandbox) as nex:
        await fill(merging, nex)
    async with Sandbox(patients=12, seed=4) as again, session(again) as nex:
        await fill(merging, nex, since="last")
    held, port = await merging.ids(), int(again.url.rpartition(":")[2])
    for option, other in (
        ("seed", Sandbox(patients=12, seed=5)),
        ("patients", Sandbox(patients=13, seed=4)),
        ("practices", Sandbox(patients=12, seed=4, practices=2)),
    ):
        await other.start(port=port)
        try:
            async with session(other) as nex:
                with pytest.raises(OriginError, match=f"another sandbox.*{option}"):
                    await fill(merging, nex, since="last")
        finally:
            await other.stop()
    assert await merging.ids() == held


# Versions


async def test_another_version_is_refused_and_the_default_is_the_targets(
    merging: CopyTarget,
) -> None:
    async with account(1) as sandbox:
        async with session(sandbox, "v3") as nex:
            await fill(merging, nex)
        before = await merging.contents()
        sandbox.requests.clear()
        async with session(sandbox, "v2") as nex:
            with pytest.raises(OriginError, match=r"v3\.0\.0") as caught:
                await fill(merging, nex, since="last")
            assert caught.value.option == "recopy"
        assert not asked(sandbox)
        assert await merging.contents() == before
        async with session(sandbox, "auto") as nex:
            await fill(merging, nex, since="last")
        versions = {
            request.headers.get("nex-api-version") for request in sandbox.seen("GET", "/patients")
        }
        assert versions == {"v3.0.0"}


async def test_a_copy_can_outlive_its_version(merging: CopyTarget) -> None:
    async with account(1) as sandbox:
        async with session(sandbox, "v2") as nex:
            await fill(merging, nex)
        held = await merging.ids()
        sandbox.versions = frozenset[Version]({"v3"})
        async with session(sandbox, "auto") as nex:
            await fill(merging, nex, recopy=True)
            await fill(merging, nex, since="last")
        assert await merging.ids() == held


async def test_resuming_uses_the_version_of_the_pull(copies: CopyTarget) -> None:
    async with account(1) as sandbox:
        sandbox.fail_next(403, path="/appointments")
        async with session(sandbox, "v3") as nex:
            report = await nex.bulk.copy(LISTS, to=copies.target)
            assert not report.complete
        async with session(sandbox, "v2") as nex:
            with pytest.raises(OriginError, match=r"v3\.0\.0"):
                await fill(copies, nex, resume=True)
        async with session(sandbox, "auto") as nex:
            await fill(copies, nex, resume=True)
        assert len((await copies.contents())["appointments", sandbox.subdomain]) == 8


# Copying anew


async def test_a_recopy_holds_exactly_the_rows_of_the_new_version(copies: CopyTarget) -> None:
    async with AsyncExitStack() as stack, account(1, practices=2) as sandbox:
        async with session(sandbox, "v2") as nex:
            await fill(copies, nex)
        gone = sandbox.patients.ids[3]
        sandbox.patients.delete(gone)
        async with session(sandbox, "v3") as nex:
            with pytest.raises(OriginError):
                await fill(copies, nex)
            with pytest.raises(InvalidArgumentError, match="also holds"):
                await nex.bulk.copy(["patients"], to=copies.target, recopy=True)
            await fill(copies, nex, recopy=True)
            fresh = CopyTarget(copies.kind, copies.place + "2")
            if copies.kind != "postgres":
                await fill(fresh, nex)
                assert await copies.contents() == await fresh.contents()
        held = await copies.ids()
        assert held["patients", sandbox.subdomain] == 19
        async with session(sandbox, "v2") as nex:
            with pytest.raises(OriginError, match=r"v3\.0\.0"):
                await fill(copies, nex)
        async with session(sandbox, "v2") as nex:
            await fill(copies, nex, recopy=True)
        assert await copies.ids() == held
        del stack


async def test_a_recopy_to_an_empty_target_is_a_copy(copies: CopyTarget) -> None:
    async with account(1) as sandbox, session(sandbox) as nex:
        await fill(copies, nex, recopy=True)
        assert (await copies.ids())["patients", sandbox.subdomain] == 20


async def test_a_recopy_keeps_practices_that_the_key_cannot_see(merging: CopyTarget) -> None:
    async with account(1, practices=2) as sandbox, session(sandbox) as nex:
        await fill(merging, nex)
        held = await merging.ids()
        gone = sandbox.practices.pop()
        with pytest.raises(InvalidArgumentError, match=gone.subdomain):
            await fill(merging, nex, recopy=True)
        assert await merging.ids() == held
        await fill(merging, nex, recopy=True, practices=[sandbox.subdomain])
        assert {name for _, name in await merging.ids()} == {sandbox.subdomain}


async def test_a_recopy_is_neither_resumed_nor_a_refresh() -> None:
    async with account(1) as sandbox, session(sandbox) as nex:
        target = target_of("jsonl", "never")
        for how in RESUME, REFRESH:
            with pytest.raises(InvalidArgumentError, match="copies everything again"):
                await nex.bulk.copy(LISTS, to=target, recopy=True, **how)
        with pytest.raises(InvalidArgumentError, match="copies everything again"):
            await nex.bulk.begin(LISTS, to=target, recopy=True, since="last")


@pytest.mark.parametrize("kind", FILES)
async def test_a_deletion_of_files_interrupted_by_a_kill_is_finished_on_opening(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, states = tmp_path / "copy", list[Path]()
    copies = CopyTarget(kind, str(folder))
    async with account(1) as sandbox:
        async with session(sandbox, "v2") as nex:
            await fill(copies, nex)
        with monkeypatch.context() as patched:
            unlink = Path.unlink

            def watched(path: Path, *, missing_ok: bool = False) -> None:
                if path.suffix == f".{kind}":
                    states.append(tmp_path / f"state{len(states)}")
                    shutil.copytree(folder, states[-1])
                unlink(path, missing_ok=missing_ok)

            patched.setattr(Path, "unlink", watched)
            async with session(sandbox, "v3") as nex:
                await fill(copies, nex, recopy=True)
        truth = await copies.contents()
        assert len(states) >= len(LISTS)
        for state in (states[0], states[1], states[-1]):
            killed = CopyTarget(kind, str(state))
            async with session(sandbox, "v2") as nex:
                with pytest.raises(OriginError):
                    await fill(killed, nex, resume=True)
            async with session(sandbox, "v3") as nex:
                await fill(killed, nex, resume=True)
            assert await killed.contents() == truth


# Targets of an earlier release


async def forget_origin(copies: CopyTarget) -> None:
    """Leave the target as the previous release would have."""
    drop = "alter table _nexhealth_pulls drop column origin"
    if copies.kind == "postgres":
        async with connected(copies.place) as db:
            await db.execute(drop)
    elif copies.kind == "duckdb":
        with duckdb.connect(copies.place) as db:
            db.execute(drop)
    else:
        path = Path(copies.place) / ".nexhealth-pull.json"
        kept = msgspec.json.decode(path.read_bytes())
        del kept["progress"]["origin"], kept["clearing"]
        path.write_bytes(msgspec.json.encode(kept))


@pytest.mark.parametrize("how", [REFRESH, PLAIN])
async def test_a_database_without_an_origin_is_refused_until_it_is_adopted(
    merging: CopyTarget, how: dict[str, Any]
) -> None:
    async with account(1) as sandbox, account(2) as other:
        async with session(sandbox) as nex:
            await fill(merging, nex)
        await forget_origin(merging)
        held = await merging.ids()
        sandbox.requests.clear()
        async with session(sandbox) as nex:
            for more in PLAIN, RECOPY:
                with pytest.raises(OriginError) as caught:
                    await fill(merging, nex, **({} if more else how), **more)
                assert caught.value.option == "adopt"
            assert not asked(sandbox)
            with pytest.raises(OriginError):
                async with session(sandbox, "v3") as newer:
                    await fill(merging, newer, adopt=True, **how)
        async with session(other) as nex:
            with pytest.raises(OriginError, match="cannot see"):
                await fill(merging, nex, adopt=True, **how)
        assert await merging.ids() == held
        async with session(sandbox) as nex:
            await fill(merging, nex, adopt=True, **how)
            await fill(merging, nex, since="last")
        assert await merging.ids() == held


async def test_an_unfinished_pull_without_an_origin_is_adopted_and_resumed(
    copies: CopyTarget,
) -> None:
    async with account(1) as sandbox, session(sandbox) as nex:
        sandbox.fail_next(403, path="/appointments?page=1")
        await nex.bulk.copy(LISTS, to=copies.target, drift="watch")
        await forget_origin(copies)
        with pytest.raises(OriginError) as caught:
            await fill(copies, nex, resume=True)
        assert caught.value.option == "adopt"
        await fill(copies, nex, resume=True, adopt=True)
        assert (await copies.ids())["appointments", sandbox.subdomain] == 8
        target = copies.target
        assert isinstance(target, OriginStore)
        async with open_target(target):
            last = await target.inspect()
        assert last is not None
        assert last.origin is not None
        assert last.origin.base_url == sandbox.url


async def test_tables_without_any_pull_are_refused_until_they_are_adopted(
    merging: CopyTarget,
) -> None:
    async with account(1) as sandbox, session(sandbox) as nex:
        await fill(merging, nex)
        for table in ("pulls", "shards", "groups"):
            statement = f"drop table _nexhealth_{table}"
            if merging.kind == "postgres":
                async with connected(merging.place) as db:
                    await db.execute(statement)
            else:
                with duckdb.connect(merging.place) as db:
                    db.execute(statement)
        with pytest.raises(OriginError, match="but no origin"):
            await fill(merging, nex)
        await fill(merging, nex, adopt=True)


# Choices


async def test_chosen_practices_are_remembered_and_extended(
    merging: CopyTarget,
) -> None:
    async with account(1, practices=3) as sandbox, session(sandbox) as nex:
        one, two, three = (practice.subdomain for practice in sandbox.practices)
        await fill(merging, nex, practices=[one])
        await fill(merging, nex, since="last")
        assert {name for _, name in await merging.ids()} == {one}
        await fill(merging, nex, practices=[two])
        sandbox.requests.clear()
        await fill(merging, nex, since="last")
        asked_after = {request.param("subdomain") for request in sandbox.seen("GET", "/patients")}
        assert asked_after == {one, two}
        del sandbox.practices[1]
        with pytest.warns(NexHealthWarning, match=two):
            await fill(merging, nex, since="last")
        assert {name for _, name in await merging.ids()} == {one, two}
        assert three not in asked_after


async def test_all_practices_remain_all_practices(merging: CopyTarget) -> None:
    async with account(1, practices=2) as sandbox, session(sandbox) as nex:
        new = sandbox.practices.pop()
        await fill(merging, nex)
        await fill(merging, nex, practices=[sandbox.subdomain])
        sandbox.practices.append(new)
        await fill(merging, nex, since="last")
        assert {name for _, name in await merging.ids()} == {sandbox.subdomain, new.subdomain}


async def test_the_window_of_appointments_is_remembered_and_not_widened(
    merging: CopyTarget,
) -> None:
    first, last = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    async with account(1) as sandbox, session(sandbox, "v3") as nex:
        await fill(merging, nex, appointments_from=first, appointments_until=last)
        sandbox.requests.clear()
        await fill(merging, nex, since="last")
        starts = {request.param("start") for request in sandbox.seen("GET", "/appointments")}
        assert min(filter(None, starts)) >= "2026-05-01"
        with pytest.raises(OriginError, match="window"):
            await fill(merging, nex, appointments_from=first - timedelta(days=1))
        await fill(merging, nex, appointments_from=first + timedelta(days=1))
        await fill(merging, nex, recopy=True)
        sandbox.requests.clear()
        await fill(merging, nex, since="last", compare=LONG_AGO)
        starts = {request.param("start") for request in sandbox.seen("GET", "/appointments")}
        assert min(filter(None, starts)) < "2026-05-01"


# What is begun, and what is pulled without a target


async def test_beginning_a_pull_checks_the_origin_as_copying_does(merging: CopyTarget) -> None:
    async with account(1) as mine, account(2) as other:
        async with session(mine) as nex:
            await fill(merging, nex)
        async with session(other) as nex:
            with pytest.raises(OriginError):
                await nex.bulk.begin(LISTS, to=merging.target)
        async with session(mine, "v3") as nex:
            with pytest.raises(OriginError):
                await nex.bulk.begin(LISTS, to=merging.target)
            progress = await nex.bulk.begin(LISTS, to=merging.target, recopy=True)
            assert progress.version == "v3.0.0"
        assert not await merging.ids()


async def test_a_target_without_records_has_no_origin(copies: CopyTarget) -> None:
    async with account(1) as mine, account(2) as other:
        async with session(mine) as nex:
            await nex.bulk.begin(LISTS, to=copies.target)
        async with session(other) as nex:
            await fill(copies, nex)
        assert {name for _, name in await copies.ids()} == {other.subdomain}


async def test_a_checkpoint_of_another_account_is_not_resumed() -> None:
    async with account(1) as mine, account(2) as other:
        async with session(mine) as nex, nex.bulk.pull(["patients"]) as pull:
            kept = pull.checkpoint()
        async with session(other) as nex:
            with pytest.raises(OriginError):
                async with nex.bulk.pull(["patients"], resume=kept):
                    pass
        assert not asked(other)
        async with session(mine) as nex, nex.bulk.pull(["patients"], resume=kept) as pull:
            assert [batch.size async for batch in pull]
        old = msgspec.json.decode(kept)
        del old["progress"]["origin"]
        text = msgspec.json.encode(old).decode()
        async with session(mine) as nex:
            with pytest.raises(OriginError):
                async with nex.bulk.pull(["patients"], resume=text):
                    pass
            async with nex.bulk.pull(["patients"], resume=text, adopt=True) as pull:
                assert [batch.size async for batch in pull]
