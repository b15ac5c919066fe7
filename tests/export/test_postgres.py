"""PostgreSQL target: schemas, locks, lost connections, and error messages."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from nexhealth_async.bulk import ShardState
from nexhealth_async.errors import TargetError, UsageError
from nexhealth_async.export import postgres_connection, postgres_sql
from nexhealth_async.export.postgres import PostgresTarget
from nexhealth_async.export.postgres_url import parse_address
from tests.export.database_helpers import batch_of, opened, plan_of, shard_of
from tests.export.postgres_server import PostgresServer, connected, new_database

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.export.postgres_connection import Connection

OPEN = ShardState(records=1, pages=1)
SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "_RETRY_DELAYS", (0.01, 0.05, 0.2))


def connection_of(target: PostgresTarget) -> Connection:
    connection = target._link._connection
    assert connection is not None
    return connection


async def ids(database: str, table: str = "patients") -> list[object]:
    async with connected(database) as db:
        return [row[0] for row in await db.fetch(f"select id from {table} order by id")]  # noqa: S608


async def test_money_is_two_columns_and_exact(database: str) -> None:
    amount = "-12345678901234567890.123456789"
    record = {"id": 1, "balance": {"amount": amount, "currency": "USD"}}
    async with opened(PostgresTarget(database)) as target:
        await target.begin(plan_of(shard_of()))
        await target.write(batch_of(shard_of(), [record]), OPEN)
    async with connected(database) as db:
        row = await db.fetchrow("select balance_amount, balance_currency from patients")
        assert row is not None
        assert tuple(row) == (Decimal(amount), "USD")


async def test_practice_and_id_are_the_primary_key(database: str) -> None:
    async with opened(PostgresTarget(database)) as target:
        await target.begin(plan_of(shard_of()))
    async with connected(database) as db:
        key = await db.fetchval(
            "select pg_get_constraintdef(oid) from pg_constraint where contype = 'p' "
            "and conrelid = 'patients'::regclass"
        )
    assert key == "PRIMARY KEY (_practice, id)"


async def test_two_schemas_hold_separate_copies(database: str) -> None:
    names = ("first", 'odd "name"')
    for at, name in enumerate(names):
        async with opened(PostgresTarget(database, schema=name)) as target:
            await target.begin(plan_of(shard_of(), id=f"pull-{at}"))
            await target.write(batch_of(shard_of(), [{"id": at}]), OPEN)
    assert await ids(database, "first.patients") == [0]
    assert await ids(database, '"odd ""name""".patients') == [1]
    async with (
        opened(PostgresTarget(database, schema=names[0])) as first,
        opened(PostgresTarget(database, schema=names[1])) as second,
    ):
        loaded = [await target.load() for target in (first, second)]
    assert [progress and progress.id for progress in loaded] == ["pull-0", "pull-1"]


async def test_a_lost_connection_is_reopened_without_loss(database: str) -> None:
    target = PostgresTarget(database)
    async with opened(target), connected(database) as other:
        await target.begin(plan_of(shard_of()))
        for at in range(4):
            await target.write(batch_of(shard_of(), [{"id": at}]), ShardState(pages=at))
            if at % 2:
                connection_of(target).terminate()
            else:
                await other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
        await target.finish()
        loaded = await target.load()
    assert loaded is not None
    assert loaded.finished
    assert loaded.states[shard_of().name].pages == 3
    assert await ids(database) == [0, 1, 2, 3]


@pytest.mark.parametrize("resource", ["patients", "sync_status"])
async def test_a_lost_commit_response_duplicates_no_row(
    database: str, monkeypatch: pytest.MonkeyPatch, resource: str
) -> None:
    record = {"id": 1} if resource == "patients" else {"read_status": "green"}
    model = "Patient" if resource == "patients" else "SyncStatus"
    target = PostgresTarget(database)
    async with opened(target):
        await target.begin(plan_of(shard_of(resource)))
        connection = connection_of(target)
        keep, kept = postgres_sql.save_state, 0

        async def keep_and_lose(db: Connection, *args: object) -> None:
            nonlocal kept
            await keep(db, *args)  # type: ignore[arg-type]  # passed on
            kept += 1
            if kept == 1:
                await db.execute("commit")
                connection.terminate()

        monkeypatch.setattr(postgres_sql, "save_state", keep_and_lose)
        await target.write(batch_of(shard_of(resource), [record], model), OPEN)
        assert connection_of(target) is not connection
    async with connected(database) as db:
        assert await db.fetchval(f"select count(*) from {resource}") == 1  # noqa: S608


async def test_an_unavailable_server_is_named_and_used_again_later(
    postgres_server: PostgresServer,
) -> None:
    async with new_database(postgres_server) as database:
        target = PostgresTarget(database)
        await target.open()
        try:
            await target.begin(plan_of(shard_of()))
            postgres_server.stop()
            try:
                with pytest.raises(TargetError, match="cannot be reached") as caught:
                    await target.write(batch_of(shard_of(), [{"id": 1}]), OPEN)
                assert caught.value.__cause__ is None
            finally:
                postgres_server.start()
            await target.write(batch_of(shard_of(), [{"id": 2}]), OPEN)
        finally:
            await target.aclose()
        assert await ids(database) == [2]


async def test_a_pull_replaced_by_another_stops(database: str) -> None:
    target = PostgresTarget(database)
    async with opened(target):
        await target.begin(plan_of(shard_of()))
        connection_of(target).terminate()
        async with opened(PostgresTarget(database)) as other:
            await other.begin(plan_of(shard_of(), id="pull-2"))
        with pytest.raises(TargetError, match="another pull has begun"):
            await target.write(batch_of(shard_of(), [{"id": 1}]), OPEN)
        with pytest.raises(TargetError, match="another pull has begun"):
            await target.complete(shard_of().group, watermark=plan_of().started, whole=True)
    assert await ids(database) == []


async def test_errors_of_the_server_are_reported_without_its_text(database: str) -> None:
    target = PostgresTarget(database)
    async with opened(target):
        await target.begin(plan_of(shard_of()))
        async with connected(database) as db:
            await db.execute("alter table patients add check (email <> 'ada@example.com')")
        record = {"id": 1, "email": "ada@example.com"}
        with pytest.raises(TargetError) as caught:
            await target.write(batch_of(shard_of(), [record]), OPEN)
        said = str(caught.value)
        assert said.startswith("PostgreSQL at ")
        assert said.endswith(" refused the operation: CheckViolationError (23514)")
        assert caught.value.__cause__ is caught.value.__context__ is None
        await target.write(batch_of(shard_of(), [{"id": 2}]), OPEN)
    assert await ids(database) == [2]


_ON = f"postgresql://tester:{SECRET}@"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"{_ON}localhost:1/none", "at localhost:1 (database none) cannot be reached"),
        (f"{_ON}127.0.0.1:1/none", "nothing listens there; check the URL"),
        (f"{_ON}/none?host=/nowhere", "at /nowhere (database none) cannot be reached"),
        (f"{_ON}nowhere.invalid", "at nowhere.invalid:5432 (the user's own database) cannot"),
        (f"{_ON}nowhere.invalid/none", "its host name cannot be resolved; check the URL"),
    ],
)
async def test_an_unreachable_address_is_named_without_its_password(
    url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGDATABASE", raising=False)
    target = PostgresTarget(url)
    with pytest.raises(TargetError) as caught:
        await target.open()
    assert says in str(caught.value)
    assert SECRET not in f"{caught.value!r} {target!r}"
    assert "tester" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://tester:{SECRET}@localhost/none",
        f"{_ON}localhost:port/none",
        f"{_ON}localhost:5931abc/none",
        f"{_ON}more@localhost/none",
        f"postgresql://tester:{SECRET}/more@localhost/none",
        f"postgresql://tester:1/{SECRET}@localhost/none",
        f"postgresql://tester:1?{SECRET}@localhost/none",
        f"postgresql://tester:1#{SECRET}@localhost/none",
        f"{_ON}[localhost/none",
        "postgres://",
        "postgresql:///",
    ],
)
def test_an_invalid_url_is_refused_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="invalid PostgreSQL URL") as caught:
        PostgresTarget(url)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_an_unknown_option_in_the_url_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="an option in the PostgreSQL URL") as caught:
        await PostgresTarget(f"{_ON}localhost/none?sslmode=perhaps").open()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "environment", "text"),
    [
        ("postgresql://me@db.example/clinic", {}, "database clinic at db.example:5432"),
        ("postgres://db:7/a%40b", {}, "database a@b at db:7"),
        ("postgres://[::1]/x", {}, "database x at [::1]:5432"),
        ("postgres://a:1,b/x", {}, "database x at a:1, b:5432"),
        ("postgres://%2Frun%2Fpg/x", {}, "database x at /run/pg"),
        ("postgres://?host=db&port=7&dbname=x", {}, "database x at db:7"),
        ("postgres:///x", {}, "database x at this machine:5432"),
        ("postgres:///x?service=clinic", {}, "database x at the host of its service"),
        ("postgres://", {"PGHOST": "db", "PGDATABASE": "x"}, "database x at db:5432"),
        ("postgres://db", {"PGPORT": "7"}, "the user's own database at db:7"),
    ],
)
def test_a_database_is_resolved_as_asyncpg_does(
    url: str, environment: dict[str, str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert parse_address(url).text == text


async def test_a_database_that_does_not_exist_is_refused_at_once(
    postgres_server: PostgresServer,
) -> None:
    with pytest.raises(TargetError) as caught:
        await PostgresTarget(postgres_server.url("nowhere")).open()
    assert str(caught.value) == (
        f"PostgreSQL at {postgres_server.folder} (database nowhere) refused the login: "
        "the database does not exist"
    )


@pytest.mark.parametrize("source", ["address", "option", "environment", "file", "nowhere"])
async def test_a_wrong_password_and_a_missing_one_are_distinguished(
    postgres_server: PostgresServer,
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGPASSWORD", "PGPASSFILE", "PGSERVICE", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    url = postgres_server.url("postgres").replace("tester", "locked")
    match source:
        case "address":
            url = url.replace("locked", f"locked:{SECRET}")
        case "option":
            url += f"&password={SECRET}"
        case "environment":
            monkeypatch.setenv("PGPASSWORD", SECRET)
        case "file":
            (tmp_path / ".pgpass").write_text(f"*:*:*:*:{SECRET}\n")
            (tmp_path / ".pgpass").chmod(0o600)
        case _:
            pass
    async with postgres_server.asking("locked"):
        with pytest.raises(TargetError) as caught:
            await PostgresTarget(url).open()
    said = str(caught.value).partition("(database postgres) ")[2]
    if source == "nowhere":
        assert said.startswith("refused the login: no password was given; set PGPASSWORD")
    else:
        assert said == "refused the login: the user or the password is wrong"
    assert SECRET not in str(caught.value)


async def test_a_missing_library_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(UsageError, match=r"nexhealth-async\[postgres\]"):
        PostgresTarget("postgresql://localhost/none")


async def test_a_record_with_an_impossible_id_is_refused_with_the_reason(database: str) -> None:
    async with opened(PostgresTarget(database)) as target:
        await target.begin(plan_of(shard_of()))
        with pytest.raises(TargetError, match="an id that PostgreSQL cannot hold"):
            await target.write(batch_of(shard_of(), [{"id": 2**63}]), OPEN)


async def test_all_batches_of_a_connection_use_one_staging_table(database: str) -> None:
    target = PostgresTarget(database)
    async with opened(target):
        await target.begin(plan_of(shard_of(), shard_of("providers")))
        for at in range(3):
            await target.write(batch_of(shard_of(), [{"id": at}]), OPEN)
            await target.write(batch_of(shard_of("providers"), [{"id": at}], "Provider"), OPEN)
        async with connected(database) as db:
            stages = await db.fetchval(
                "select count(*) from pg_class where relpersistence = 't' and relkind = 'r'"
            )
    assert stages == 2
    assert await ids(database) == await ids(database, "providers") == [0, 1, 2]
