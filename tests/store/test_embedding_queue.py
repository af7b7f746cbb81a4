"""The embedding queue: who may take what, and for how long."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from reflexio_server.domain.ids import InteractionId, UserId
from reflexio_server.domain.interaction import searchable_text
from reflexio_server.store import embedding_queue, queue_figures
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import migrate
from reflexio_server.store.reach import Purpose
from sqlalchemy import text

from tests.contracts.corpus import Corpus
from tests.running import Postgres

ROOM = 2**30


@pytest.fixture(scope="module")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    """A database of our own: claims are for work of every organisation."""
    opened = Database(pool_size=5, statement_cache_size=100)
    opened.open(postgres.new_database())
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def corpus(database, org_id):
    async with database.autocommit(Purpose.REINDEXING) as connection:
        await connection.execute(text("delete from embedding_queue"))
    return Corpus(database, org_id)


async def claimed(database, count=100, most_bytes=ROOM):
    async with database.autocommit(Purpose.EMBEDDING) as connection:
        return await embedding_queue.claim(connection, count, most_bytes, 30.0)


async def test_what_is_free_is_claimed_once_with_its_text(database, corpus, user_id, org_id):
    ids = (await corpus.publish(user_id, "one", "two", role="Agent")).interaction_ids
    taken = sorted(await claimed(database), key=lambda queued: queued.interaction_id)
    assert [(q.org_id, q.user_id, q.interaction_id, q.text) for q in taken] == [
        (org_id, user_id, ids[0], searchable_text("Agent", "one", "")),
        (org_id, user_id, ids[1], searchable_text("Agent", "two", "")),
    ]
    assert await claimed(database) == []


async def test_what_is_leased_or_set_aside_is_not_claimed(database, corpus, user_id, org_id, monkeypatch):
    await corpus.publish(user_id, "leased", lease_seconds=60)
    ids = (await corpus.publish(user_id, "hopeless")).interaction_ids
    monkeypatch.setattr(embedding_queue, "RETRY_SECONDS", 0.0)
    async with database.autocommit(org_id) as connection:
        outcomes = [await embedding_queue.fail(connection, org_id, ids[0], "E: \0 no") for _ in range(3)]
    assert outcomes == [False, False, True]
    assert await claimed(database) == []
    async with database.autocommit(org_id) as connection:
        assert (await queue_figures.counts(connection, org_id))[:2] == (1, 1)


async def test_it_is_known_for_how_long_the_oldest_has_waited(database, corpus, user_id, org_id, monkeypatch):
    ids = (await corpus.publish(user_id, "old", "older, and set aside")).interaction_ids
    monkeypatch.setattr(embedding_queue, "RETRY_SECONDS", 0.0)
    async with database.autocommit(org_id) as connection:
        assert 0 <= (await queue_figures.counts(connection, org_id)).oldest_seconds < 60
        for interaction_id, seconds in zip(ids, (100, 9000), strict=True):
            statement = text(
                "update embedding_queue set queued_at = now() - make_interval(secs => :seconds) "
                "where org_id = :org_id and interaction_id = :interaction_id"
            )
            row = {"org_id": org_id, "interaction_id": interaction_id, "seconds": seconds}
            await connection.execute(statement, row)
        for _ in range(3):
            await embedding_queue.fail(connection, org_id, ids[1], "E")
        assert 100 <= (await queue_figures.counts(connection, org_id)).oldest_seconds < 200
    async with database.autocommit(Purpose.EMBEDDING) as connection:
        sizes = await queue_figures.sizes(connection, 1)
    assert 100 <= sizes.oldest_seconds < 200
    assert sizes.set_aside == 1
    assert sizes.waiting == {(org_id, None): 1, (org_id, user_id): 1}
    async with database.autocommit(org_id) as connection:
        await connection.execute(text("delete from embedding_queue where org_id = :org_id"), {"org_id": org_id})
        assert await queue_figures.counts(connection, org_id) == (0, 0, None)


async def test_after_a_failure_it_is_left_alone_for_a_while(database, corpus, user_id, org_id):
    ids = (await corpus.publish(user_id, "difficult")).interaction_ids
    async with database.autocommit(org_id) as connection:
        assert not await embedding_queue.fail(connection, org_id, ids[0], "E")
        read = await embedding_queue.read(connection, org_id, ids, ROOM, leased_too=True)
    assert await claimed(database) == []
    assert [queued.text for queued in read] == [None]


async def test_claims_beside_each_other_share_without_waiting(database, corpus, user_id):
    published = await corpus.publish(user_id, *(f"text {number}" for number in range(20)))
    async with database.transaction(Purpose.EMBEDDING) as one, database.transaction(Purpose.EMBEDDING) as other:
        mine = await embedding_queue.claim(one, 12, ROOM, 30.0)
        theirs = await embedding_queue.claim(other, 12, ROOM, 30.0)
        await one.commit()
        await other.commit()
    ids = [queued.interaction_id for queued in [*mine, *theirs]]
    assert (len(mine), len(theirs)) == (12, 8)
    assert sorted(ids) == [*published.interaction_ids]


async def test_a_claim_is_bounded_in_bytes_and_leaves_the_rest_free(database, corpus, user_id):
    await corpus.publish(user_id, *("x" * 1000 for _ in range(10)))
    assert len(await claimed(database, most_bytes=3500)) == 3
    assert len(await claimed(database, most_bytes=10)) == 1
    assert len(await claimed(database)) == 6


async def test_a_lease_given_back_is_free_and_one_prolonged_is_not(database, corpus, user_id, org_id):
    ids = (await corpus.publish(user_id, "one", "two", lease_seconds=60)).interaction_ids
    async with database.autocommit(org_id) as connection:
        await embedding_queue.lease(connection, org_id, ids[:1], 0.0)
    assert [queued.interaction_id for queued in await claimed(database)] == [ids[0]]
    async with database.autocommit(org_id) as connection:
        await embedding_queue.lease(connection, org_id, ids, 60.0)
    assert await claimed(database) == []


async def test_reading_tells_what_waits_and_what_may_be_worked_on(database, corpus, user_id, org_id):
    free = (await corpus.publish(user_id, "free")).interaction_ids[0]
    leased = (await corpus.publish(user_id, "leased", lease_seconds=60)).interaction_ids[0]
    wanted = [free, leased, InteractionId(-1)]

    async def texts(most_bytes, *, leased_too):
        async with database.autocommit(org_id) as connection:
            read = await embedding_queue.read(connection, org_id, wanted, most_bytes, leased_too=leased_too)
        return {queued.interaction_id: queued.text for queued in read}

    assert await texts(ROOM, leased_too=False) == {free: "User: free", leased: None}
    assert await texts(ROOM, leased_too=True) == {free: "User: free", leased: "User: leased"}
    assert await texts(12, leased_too=True) == {free: None, leased: "User: leased"}


async def test_a_users_queue_is_counted_and_its_newest_named(database, corpus, user_id, org_id):
    ids = (await corpus.publish(user_id, "one", "two", "three")).interaction_ids
    await corpus.publish(UserId("another"), "not mine")
    async with database.autocommit(org_id) as connection:
        queue = await embedding_queue.of_user(connection, org_id, user_id, 2)
    assert (queue.waiting, queue.set_aside, list(queue.newest)) == (3, 0, [ids[2], ids[1]])


async def test_a_lease_waits_for_nobody_who_deletes(database, corpus, user_id, org_id):
    ids = (await corpus.publish(user_id, "is being deleted", "stays")).interaction_ids
    async with database.transaction(org_id) as holder:
        gone = {"org_id": org_id, "interaction_id": ids[0]}
        await holder.execute(
            text("delete from embedding_queue where org_id = :org_id and interaction_id = :interaction_id"), gone
        )
        async with asyncio.timeout(10), database.autocommit(org_id) as connection:
            await embedding_queue.lease(connection, org_id, ids, 60)
        await holder.rollback()
    assert [queued.interaction_id for queued in await claimed(database)] == [ids[0]]
