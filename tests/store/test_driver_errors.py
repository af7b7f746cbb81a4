"""A Postgres that is not there is a `DatabaseUnavailable`; transactions that clash are repeated."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store import database as database_module
from reflexio_server.store import user_versions
from reflexio_server.store.attached import attached
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import Conflict, DatabaseRefuses, cause_of_outage, retried
from reflexio_server.store.embedded_postgres import EmbeddedPostgres
from reflexio_server.store.migrate import migrate
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from tests.running import Postgres

Ping = Callable[[Database], Awaitable[int]]


def opened(url: str) -> Database:
    database = Database(pool_size=2, statement_cache_size=100)
    database.open(url)
    return database


async def ping(database: Database) -> int:
    async with database.autocommit(None) as connection:
        return (await connection.execute(text("select 1"))).scalar_one()


async def ping_directly(database: Database) -> int:
    async with database.direct(None) as connection:
        return await connection.fetchval("select 1")


both_ways = pytest.mark.parametrize("ping", [ping, ping_directly])


async def test_a_postgres_that_goes_away_and_comes_back(tmp_path: Path):
    postgres = EmbeddedPostgres(tmp_path)
    url = await asyncio.to_thread(postgres.start)
    database = opened(url)
    try:
        assert await ping(database) == 1
        await asyncio.to_thread(postgres.stop)
        for _ in range(3):  # The first finds a connection that broke, later ones make none.
            for either in (ping_directly, ping):
                with pytest.raises(DatabaseUnavailable):
                    await either(database)
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction(None) as connection:
                await connection.execute(text("select 1"))
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await ping(database) == await ping_directly(database) == 1
                    break
                except DatabaseUnavailable:
                    continue  # A connection of before, one less in the pool.
    finally:
        await database.close()
        await asyncio.to_thread(postgres.stop)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://127.0.0.1:1/db",
        "postgresql+asyncpg:///db?host=/nonexistent",
        "postgresql+asyncpg://no-such-host.invalid/db",
    ],
)
@both_ways
async def test_a_postgres_that_was_never_there(url: str, ping: Ping):
    database = opened(url)
    with pytest.raises(DatabaseUnavailable) as refused:
        await ping(database)
    assert "127.0.0.1" not in str(refused.value)
    await database.close()


@both_ways
async def test_an_address_that_takes_connections_and_never_answers(monkeypatch: pytest.MonkeyPatch, ping: Ping):
    monkeypatch.setattr(database_module, "CONNECT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        database = opened(f"postgresql+asyncpg://127.0.0.1:{silent.getsockname()[1]}/db")
        calls = await asyncio.gather(*(ping(database) for _ in range(5)), return_exceptions=True)
        await database.close()
    assert [type(error) for error in calls] == [DatabaseUnavailable] * 5, "also those that wait for the pool"


async def test_a_connection_that_is_cut_in_the_middle(database: Database):
    async def work() -> None:
        async with database.transaction(None) as connection:
            pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
            async with database.autocommit(None) as other:
                await other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
            await connection.execute(text("select 1"))

    with pytest.raises(DatabaseUnavailable):
        await work()
    assert await ping(database) == 1


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("25006", "is read-only"),
        ("57014", "broke a statement off"),
        ("57P01", "cannot be reached"),
        ("57P04", "cannot be reached"),
        ("58030", "cannot read or write its files"),
        ("58P01", "cannot read or write its files"),
    ],
)
async def test_a_postgres_that_is_out_of_order_is_told_as_unavailable(database: Database, code: str, state: str):
    refusal = f"do $$ begin raise exception 'no' using errcode = '{code}'; end $$"
    with pytest.raises(DatabaseUnavailable, match=state):
        async with database.autocommit(None) as connection:
            await connection.execute(text(refusal))
    with pytest.raises(DatabaseUnavailable, match=state):
        async with database.direct(None) as connection:
            await connection.execute(refusal)


async def test_bugs_and_damages_of_postgres_are_not_waited_out(database: Database):
    for code in ("XX000", "XX001", "XX002"):
        with pytest.raises(DBAPIError):
            async with database.autocommit(None) as connection:
                await connection.execute(text(f"do $$ begin raise exception 'no' using errcode = '{code}'; end $$"))


async def test_a_mistake_of_ours_is_not_blamed_on_the_database(database: Database):
    for mistake in ("select no_such_column", "select 1/0", "select from no_such_table", "no sql"):
        with pytest.raises(DBAPIError):
            async with database.autocommit(None) as connection:
                await connection.execute(text(mistake))


async def test_a_value_that_does_not_fit_is_not_blamed_on_the_database(database: Database):
    with pytest.raises(DBAPIError):
        async with database.autocommit(None) as connection:
            await connection.execute(text("select cast(:n as bigint)"), {"n": 2**63})


async def test_a_deadlock_is_a_conflict_and_the_work_is_done_again(database: Database, org_id: OrgId, user_id: UserId):
    users = [UserId(f"{user_id} {n}") for n in range(2)]
    async with database.transaction(org_id) as connection:
        await user_versions.bump(connection, org_id, users)
        await connection.commit()
    both_hold_one = asyncio.Barrier(2)
    attempts = [0, 0]

    async def lock(which: int) -> None:
        attempts[which] += 1
        async with database.transaction(org_id) as connection:
            await connection.execute(text("set local deadlock_timeout = '10ms'"))
            await user_versions.bump(connection, org_id, [users[which]])
            if attempts[which] == 1:
                await both_hold_one.wait()
            await user_versions.bump(connection, org_id, [users[1 - which]])
            await connection.commit()

    await asyncio.gather(*(retried(lambda which=which: lock(which)) for which in (0, 1)))
    assert sum(attempts) > 2, "one of the two at least was undone and did it again"


async def test_what_always_clashes_is_given_up(database: Database):
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        raise Conflict

    with pytest.raises(Conflict):
        await retried(work)
    assert 2 <= attempts <= 100


async def test_a_pool_that_is_used_up_is_told_as_unavailable(database: Database, postgres):
    small = Database(pool_size=2, statement_cache_size=100)
    small.open(postgres.new_database())
    small._engine.pool._timeout = 0.05
    async with small.autocommit(None) as one, small.autocommit(None) as two:
        await one.execute(text("select 1"))
        await two.execute(text("select 1"))
        with pytest.raises(DatabaseUnavailable):
            await ping(small)
    assert await ping(small) == 1
    await small.close()


@both_ways
async def test_who_is_not_let_in_is_told_why(postgres: Postgres, ping: Ping):
    url = make_url(postgres.new_database())
    for wrong, told in (({"username": "nobody"}, 'role "nobody"'), ({"database": "nowhere"}, 'database "nowhere"')):
        database = opened(url.set(**wrong).render_as_string(hide_password=False))
        with pytest.raises(DatabaseRefuses) as refused:
            await ping(database)
        await database.close()
        assert f"{told} does not exist" in refused.value.problem
        assert str(refused.value) == str(DatabaseUnavailable()), "callers need not know"


async def test_what_the_driver_cannot_read_is_told(database: Database):
    wrong = opened(database._engine.url.update_query_dict({"ssl": "perhaps"}).render_as_string(hide_password=False))
    with pytest.raises(DatabaseRefuses) as refused:
        await ping(wrong)
    await wrong.close()
    assert "sslmode" in refused.value.problem


async def test_what_postgres_forbids_is_blamed_on_who_starts_the_server_only_then(postgres: Postgres):
    url = make_url(postgres.new_database())
    owner = opened(url.render_as_string(hide_password=False))
    await migrate(owner)
    async with owner.autocommit(None) as connection:
        await connection.execute(text("revoke select on alembic_version from current_user"))
    with pytest.raises(DatabaseRefuses) as refused:
        async with attached(url.render_as_string(hide_password=False), Path("unused")):
            pass
    assert "permission denied for table alembic_version" in refused.value.problem
    with pytest.raises(DBAPIError):
        async with owner.autocommit(None) as connection:
            await connection.execute(text("select from alembic_version"))
    await owner.close()


async def test_the_cause_of_an_outage_is_one_line():
    for cause, line in (
        (TimeoutError(), "no answer in time"),
        (OSError("refused"), "refused"),
        (asyncpg.ProtocolViolationError("no more connections\nDETAIL: x"), "no more connections"),
    ):
        error = DatabaseUnavailable()
        error.__cause__ = cause
        assert cause_of_outage(error) == line
    assert cause_of_outage(DatabaseUnavailable()) == str(DatabaseUnavailable())


@both_ways
async def test_a_database_that_was_not_opened_is_a_mistake_of_ours(ping: Ping):
    with pytest.raises(RuntimeError, match="not opened"):
        await ping(Database(pool_size=2, statement_cache_size=100))
