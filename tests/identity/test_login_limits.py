"""Buckets of attempts: they refill, are taken from together, and leave no rows; nobody waits for each other."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from reflexio_server.store import login_limits
from reflexio_server.store.database import Database
from reflexio_server.store.login_limits import Bucket, bucket_name

from tests.embed.eventually import eventually
from tests.identity.conftest import Keyed

_LOCK = "select from login_limits where bucket = $1 for update"
_ROWS = "select count(*) from login_limits where bucket = $1"


@pytest.fixture
async def pooled(keyed: Keyed) -> AsyncIterator[Database]:
    """The database as it is behind a pooler: each block of statements is one transaction."""
    opened = Database(pool_size=2, statement_cache_size=0, transaction_pooling=True)
    opened.open(keyed.database_url)
    yield opened
    await opened.close()


def two_buckets() -> list[Bucket]:
    """In the order of their names."""
    return [Bucket(name, size=10, seconds=60) for name in sorted(bucket_name(str(uuid4())) for _ in range(2))]


async def someone_waits(database: Database) -> None:
    """Until a statement waits for a lock of another one."""
    query = "select exists (select from pg_locks where not granted and locktype in ('transactionid', 'tuple'))"

    async def waits() -> bool:
        async with database.direct(None) as connection:
            found: bool = await connection.fetchval(query)
        return found

    await eventually(waits)


async def test_what_was_taken_comes_back(keyed_database: Database):
    bucket = Bucket(bucket_name(str(uuid4())), size=3, seconds=60)
    assert [await login_limits.take(keyed_database, [bucket]) for _ in range(3)] == [None] * 3
    left = await login_limits.take(keyed_database, [bucket])
    assert left is not None
    assert 50 < left <= 60
    async with keyed_database.direct(None) as connection:
        earlier = "update login_limits set used_until = used_until - interval '60 seconds' where bucket = $1"
        await connection.execute(earlier, bucket.name)
    assert await login_limits.take(keyed_database, [bucket]) is None
    assert await login_limits.take(keyed_database, [bucket]) is not None


async def test_one_empty_bucket_takes_nothing_from_the_others(keyed_database: Database):
    empty = Bucket(bucket_name(str(uuid4())), size=1, seconds=60)
    full = Bucket(bucket_name(str(uuid4())), size=1, seconds=60)
    assert await login_limits.take(keyed_database, [empty]) is None
    assert await login_limits.take(keyed_database, [full, empty]) is not None
    assert await login_limits.take(keyed_database, [full]) is None


async def test_full_buckets_leave_no_rows(keyed_database: Database):
    spent, name = bucket_name(str(uuid4())), bucket_name(str(uuid4()))
    await login_limits.mark(keyed_database, spent, -1)
    assert not await login_limits.is_marked(keyed_database, spent)
    await login_limits.take(keyed_database, [Bucket(name, 1, 1)])
    async with keyed_database.direct(None) as connection:
        assert await connection.fetchval("select count(*) from login_limits where bucket = $1", spent) == 0


async def test_buckets_are_given_back_in_the_order_in_which_they_are_taken(keyed_database: Database, pooled: Database):
    first, second = two_buckets()
    assert await login_limits.take(keyed_database, [first, second]) is None
    async with keyed_database.direct(None) as holder, holder.transaction():
        await holder.execute(_LOCK, first.name)
        giving = asyncio.create_task(login_limits.give_back(pooled, [second, first]))
        await someone_waits(keyed_database)
        async with keyed_database.direct(None) as other, other.transaction():
            await other.execute(_LOCK + " nowait", second.name)
    await giving


async def test_who_takes_holds_no_rows_that_are_to_be_forgotten(keyed_database: Database, pooled: Database):
    [bucket, spent] = two_buckets()
    assert await login_limits.take(keyed_database, [bucket]) is None
    await login_limits.mark(keyed_database, spent.name, -1)
    async with keyed_database.direct(None) as holder, holder.transaction():
        await holder.execute(_LOCK, bucket.name)
        taking = asyncio.create_task(login_limits.take(pooled, [bucket]))
        await someone_waits(keyed_database)
        async with keyed_database.direct(None) as other, other.transaction():
            await other.execute(_LOCK + " nowait", spent.name)
    assert await taking is None
    async with keyed_database.direct(None) as connection:
        assert await connection.fetchval(_ROWS, spent.name) == 0


@pytest.mark.parametrize("change", [login_limits.take, login_limits.give_back])
async def test_what_a_deadlock_undid_is_done_again(change, keyed_database: Database, pooled: Database):
    first, second = two_buckets()
    assert await login_limits.take(keyed_database, [first, second]) is None
    async with keyed_database.direct(None) as holder, holder.transaction():
        await holder.execute("set local deadlock_timeout = '1min'")
        await holder.execute(_LOCK, second.name)
        changing = asyncio.create_task(change(pooled, [first, second]))
        await someone_waits(keyed_database)
        # Each holds what the other wants; Postgres undoes the one that looks for a deadlock first, which is the other.
        await holder.execute(_LOCK, first.name)
    assert await changing is None
