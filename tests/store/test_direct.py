"""Statements sent straight to the driver: the same errors and pool, and no connection lost or handed on broken."""

import asyncio
import functools
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from reflexio_server.domain.errors import DatabaseUnavailable, StorageFull
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import Conflict, DuplicateKey
from sqlalchemy import text

from tests.embed.eventually import eventually
from tests.running import Postgres

_SIZE = 2


@pytest.fixture
async def small(postgres: Postgres) -> AsyncIterator[Database]:
    """A database with a pool of two."""
    opened = Database(pool_size=_SIZE, statement_cache_size=100)
    opened.open(postgres.new_database())
    yield opened
    await opened.close()


async def backend(database: Database) -> int:
    async with database.direct(None) as connection:
        pid: int = await connection.fetchval("select pg_backend_pid()")
    return pid


async def all_work(database: Database) -> None:
    """Check that the pool still lends as many connections as it has, and that each of them answers."""
    async with database.direct(None) as one, database.direct(None) as two:
        assert [await connection.fetchval("select 1") for connection in (one, two)] == [1, 1]


async def test_each_statement_is_a_transaction_of_its_own(database: Database, org_id: OrgId):
    key = str(uuid4())
    async with database.direct(org_id) as connection:
        status = await connection.execute(
            "insert into idempotency_keys (org_id, idempotency_key, request_id, fingerprint, first_interaction_id, "
            "interactions_count) values ($1, $2, $3, $4, $5, $6)",
            *(org_id, key, uuid4(), b"\0\xff", 1, 2),
        )
        assert status == "INSERT 0 1"
        async with database.autocommit(org_id) as other:
            rows = await other.execute(
                text("select fingerprint from idempotency_keys where idempotency_key = :k"), {"k": key}
            )
            assert rows.scalar_one() == b"\0\xff", "it is committed before the connection is given back"


async def test_values_go_and_come(database: Database):
    given = (7, "é", [1, 2], ["a", None], b"\0", uuid4(), True, None)
    async with database.direct(None) as connection:
        row = await connection.fetchrow(
            "select $1::bigint, $2::text, $3::bigint[], $4::text[], $5::bytea, $6::uuid, $7::boolean, $8::text", *given
        )
        assert tuple(row) == given
        assert await connection.fetchval("select $1::jsonb", '[{"a": 1}]') == [{"a": 1}]


async def test_statements_that_belong_together(database: Database, org_id: OrgId):
    insert = "insert into user_versions (org_id, user_id, version, reload_before) values ($1, $2, 1, 1)"

    async def insert_twice() -> None:
        async with database.direct(org_id) as connection, connection.transaction():
            await connection.execute(insert, org_id, "a")
            await connection.execute(insert, org_id, "a")

    with pytest.raises(DuplicateKey) as refused:
        await insert_twice()
    assert refused.value.constraint == "pk_user_versions"
    async with database.direct(org_id) as connection:
        assert not await connection.fetch("select from user_versions where org_id = $1", org_id)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("53100", StorageFull), ("40P01", Conflict), ("40001", Conflict), ("58030", DatabaseUnavailable)],
)
async def test_what_postgres_refuses_leaves_the_connection_as_it_was(small: Database, code: str, meaning: type):
    before = await backend(small)
    with pytest.raises(meaning):
        async with small.direct(None) as connection:
            await connection.execute(f"do $$ begin raise exception 'no' using errcode = '{code}'; end $$")
    assert await backend(small) == before
    await all_work(small)


@pytest.mark.parametrize(
    ("mistake", "arguments"),
    [
        ("select no_such_column", ()),
        ("select 1/0", ()),
        ("no sql", ()),
        ("select $1::bigint", (2**63,)),
        ("select $1::bigint", ("one",)),
        ("select $1::bigint", (1, 2)),
    ],
)
async def test_a_mistake_of_ours_is_not_blamed_on_the_database(small: Database, mistake: str, arguments: tuple):
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        async with small.direct(None) as connection:
            await connection.fetch(mistake, *arguments)
    assert not small.missed.is_set()
    await all_work(small)


async def test_a_statement_that_is_cancelled_takes_its_connection_with_it(small: Database):
    for _ in range(2 * _SIZE):
        pids: list[int] = []

        async def sleep(pids: list[int] = pids) -> None:
            async with small.direct(None) as connection:
                pids.append(await connection.fetchval("select pg_backend_pid()"))
                await connection.execute("select pg_sleep(60)")

        sleeping = asyncio.create_task(sleep())
        await eventually(functools.partial(is_asleep, small, pids))
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await backend(small) != pids[0]
        await all_work(small)


async def is_asleep(database: Database, pids: list[int]) -> bool:
    async with database.direct(None) as connection:
        query = "select bool_or(wait_event = 'PgSleep') from pg_stat_activity where pid = any($1)"
        return bool(await connection.fetchval(query, pids))


async def test_a_caller_that_fails_in_between_is_no_outage(small: Database):
    with pytest.raises(LookupError):
        async with small.direct(None):
            raise LookupError
    assert not small.missed.is_set()
    await all_work(small)


async def test_a_transaction_that_was_left_open_is_not_handed_on(small: Database):
    async with small.direct(None) as connection:
        await connection.execute("create table left_open (n int)")
    async with small.direct(None) as connection:
        await connection.execute("begin")
        await connection.execute("insert into left_open values (1)")
    async with small.direct(None) as connection:
        assert await connection.fetchval("select count(*) from left_open") == 0
    await all_work(small)


async def test_a_connection_that_postgres_has_closed_is_replaced_unnoticed(small: Database, postgres: Postgres):
    await all_work(small)
    async with small.direct(None) as one, small.direct(None) as two:
        closed = [await connection.fetchval("select pg_backend_pid()") for connection in (one, two)]
        lent = [one, two]
    other = Database(pool_size=_SIZE, statement_cache_size=100)
    other.open(postgres.new_database())
    async with other.direct(None) as connection:
        await connection.execute("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", closed)
    await other.close()

    async def all_closed() -> bool:
        return all(connection.is_closed() for connection in lent)

    await eventually(all_closed)
    assert await backend(small) not in closed
    await all_work(small)


async def test_a_connection_that_is_cut_in_the_middle(small: Database):
    async def work() -> None:
        async with small.direct(None) as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
            async with small.direct(None) as other:
                await other.execute("select pg_terminate_backend($1)", pid)
            await connection.fetchval("select 1")

    with pytest.raises(DatabaseUnavailable):
        await work()
    assert small.missed.is_set()
    await all_work(small)


async def test_a_block_that_is_a_transaction_does_not_end_well_when_its_connection_is_gone_before_the_commit(
    small: Database, postgres: Postgres
):
    pooled = Database(pool_size=_SIZE, statement_cache_size=0, transaction_pooling=True)
    pooled.open(postgres.new_database())

    async def work() -> None:
        async with pooled.direct(None) as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
            async with small.direct(None) as other:
                await other.execute("select pg_terminate_backend($1)", pid)

            async def closed() -> bool:
                return bool(connection.is_closed())  # type: ignore[attr-defined] # It is asyncpg's.

            await eventually(closed)

    with pytest.raises(DatabaseUnavailable):
        await work()
    await all_work(pooled)
    await pooled.close()


async def test_whoever_waits_is_told_when_connections_are_abandoned(small: Database):
    await all_work(small)

    async def sleep() -> None:
        async with small.direct(None) as connection:
            await connection.execute("select pg_sleep(60)")

    async def over() -> bool:
        small.abandon_connections()
        return all(task.done() for task in sleeping)

    sleeping = [asyncio.create_task(sleep()) for _ in range(_SIZE)]
    await eventually(over)
    outcomes = await asyncio.gather(*sleeping, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * _SIZE
    await all_work(small)


async def test_a_pool_that_is_used_up_is_told_as_unavailable(small: Database):
    small._engine.pool._timeout = 0.05
    async with small.direct(None), small.autocommit(None):
        with pytest.raises(DatabaseUnavailable):
            await backend(small)
    await all_work(small)


async def test_without_a_cache_no_statement_is_kept_by_postgres(postgres: Postgres):
    database = Database(pool_size=_SIZE, statement_cache_size=0)
    database.open(postgres.new_database())
    async with database.direct(None) as connection:
        assert await connection.fetchval("select $1::int + 1", 1) == 2
        assert await connection.fetch("select from pg_prepared_statements where statement like '%::int + 1%'") == []
    await database.close()
