"""The backlog: what was published is embedded, whatever happens meanwhile."""

import asyncio

import numpy as np
import pytest
from reflexio_server.domain.errors import DatabaseUnavailable, NotReady
from reflexio_server.domain.ids import InteractionId, UserId
from reflexio_server.embed import held
from reflexio_server.embed.backlog import LEASE_SECONDS, Backlog
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.job import Priority
from reflexio_server.store import embedding_queue, vectors
from sqlalchemy import text

from tests.contracts.corpus import unit
from tests.embed.eventually import eventually
from tests.embed.gate import GatedEmbedder

LONG = " ".join(f"word{number}" for number in range(500))


@pytest.fixture
def hand_over(corpus, user_id):
    """Publish as the flow does: under a lease, and handed over."""

    async def hand_over(backlog, *texts, user=user_id):
        published = await corpus.publish(user, *texts, lease_seconds=LEASE_SECONDS)
        items = [(id_, f"User: {said}") for id_, said in zip(published.interaction_ids, texts, strict=True)]
        backlog.hand_over(corpus.org_id, user, items)
        return published.interaction_ids

    return hand_over


@pytest.fixture
def stored(database, org_id):
    """The vectors that Postgres holds: for each interaction those of its pieces, in order."""

    async def stored():
        query = text("select interaction_id, vector from vectors where org_id = :org_id order by interaction_id, chunk")
        found: dict[InteractionId, list[np.ndarray]] = {}
        async with database.autocommit(org_id) as connection:
            for row in await connection.execute(query, {"org_id": org_id}):
                found.setdefault(row.interaction_id, []).append(np.frombuffer(row.vector, "<f2"))
        return found

    return stored


@pytest.fixture
def leased(database, org_id):
    """How many rows of the queue are leased, and how many are free."""
    query = text("select leased_until > now() as leased from embedding_queue where org_id = :org_id")

    async def leased():
        async with database.autocommit(org_id) as connection:
            rows = (await connection.scalars(query, {"org_id": org_id})).all()
        return rows.count(True), rows.count(False)

    return leased


async def test_what_was_handed_over_is_embedded(backlog, hand_over, stored, org_id, embedder):
    ids = await hand_over(backlog, "I like tea", LONG)
    await backlog.wait_for(org_id, ids)
    found = await stored()
    assert [len(found[id_]) for id_ in ids] == [1, 3]
    expected = embedder.encode(["User: I like tea"])[0]
    assert np.allclose(found[ids[0]][0], expected, atol=1e-3)
    assert await backlog.counts(org_id) == (0, 0, None)


async def test_what_nobody_handed_over_is_found_in_postgres(backlog, corpus, user_id, org_id, stored, embedder):
    published = await corpus.publish(user_id, "left behind by a server that was killed", LONG)
    backlog.wake()
    await backlog.wait_for(org_id, published.interaction_ids)
    found = await stored()
    assert found.keys() == set(published.interaction_ids)
    expected = embedder.encode(["User: left behind by a server that was killed"])[0]
    assert np.allclose(found[published.interaction_ids[0]][0], expected, atol=1e-3)


async def test_a_backlog_begins_with_what_is_there(database, embedding, corpus, user_id, org_id, stored):
    published = await corpus.publish(user_id, *(f"text {number}" for number in range(600)))
    backlog = Backlog(database, embedding)
    backlog.start()

    async def all_done():
        return await backlog.counts(org_id) == (0, 0, None)

    await eventually(all_done)
    await backlog.stop()
    assert (await stored()).keys() == set(published.interaction_ids)


async def test_what_was_deleted_meanwhile_does_not_come_back(backlog, hand_over, corpus, user_id, stored, embedder):
    embedder.close()
    ids = await hand_over(backlog, "stays", "goes")
    await embedder.stopped()
    await corpus.delete(user_id, ids[1])
    embedder.open()
    await backlog.wait_for(corpus.org_id, ids)
    assert (await stored()).keys() == {ids[0]}


async def test_two_servers_that_embed_the_same_store_it_once(database, backlog, hand_over, org_id, user_id, stored):
    other_thread = EmbeddingThread(GatedEmbedder())
    await other_thread.start()
    other = Backlog(database, other_thread)
    other.start()
    try:
        for _ in range(10):
            ids = await hand_over(backlog, "one", "two", LONG)
            missing = await asyncio.gather(
                other.catch_up(org_id, user_id, 10), backlog.wait_for(org_id, ids), other.wait_for(org_id, ids)
            )
            assert missing[0] == (0, 0)
        assert {len(pieces) for pieces in (await stored()).values()} == {1, 3}
        assert len(await stored()) == 30
    finally:
        await other.stop()
        await other_thread.stop()


async def test_a_text_that_the_model_fails_on_is_set_aside_and_blocks_nobody(
    backlog, hand_over, embedder, org_id, user_id, stored, database, monkeypatch
):
    monkeypatch.setattr(embedding_queue, "RETRY_SECONDS", 0.01)
    embedder.fails_on = "poison"
    ids = await hand_over(backlog, "good", "poison", "fine")
    async with asyncio.timeout(20):
        await backlog.wait_for(org_id, ids)
    assert (await stored()).keys() == {ids[0], ids[2]}
    assert await backlog.counts(org_id) == (0, 1, None)
    assert await backlog.catch_up(org_id, user_id, 10) == (0, 1)
    async with database.autocommit(org_id) as connection:
        query = text("select attempts, set_aside_reason from embedding_queue where org_id = :org_id")
        row = (await connection.execute(query, {"org_id": org_id})).one()
    assert row.attempts == 3
    assert row.set_aside_reason == "RuntimeError: a text has poison"


async def test_catching_up_does_not_wait_for_anybodys_lease(backlog, corpus, user_id, org_id, stored):
    published = await corpus.publish(user_id, "leased to a server that was killed", lease_seconds=3600)
    assert await backlog.catch_up(org_id, user_id, 10) == (0, 0)
    assert (await stored()).keys() == set(published.interaction_ids)
    assert await backlog.catch_up(org_id, user_id, 10) == (0, 0)


async def test_catching_up_goes_before_everybody_elses_work(backlog, hand_over, org_id, user_id, embedder):
    embedder.close()
    await hand_over(backlog, "first", user=UserId("whoever came first"))
    await embedder.stopped()
    await hand_over(backlog, *(f"other {'x' * 800} {number}" for number in range(20)), user=UserId("somebody else"))
    await hand_over(backlog, "mine")
    catching_up = asyncio.create_task(backlog.catch_up(org_id, user_id, 10))

    async def promoted():
        return all(work.job.priority is Priority.WANTED for work in backlog._held if work.user_id == user_id)

    await eventually(promoted)
    embedder.open()
    assert await catching_up == (0, 0)
    place = next(place for place, batch in enumerate(embedder.batches) if "User: mine" in batch)
    assert place <= 2


async def test_catching_up_ends_in_time_and_says_how_many_are_missing(
    backlog, hand_over, corpus, org_id, user_id, embedder
):
    embedder.close()
    await hand_over(backlog, "one", "two")
    await corpus.publish(user_id, "three", lease_seconds=3600)
    async with asyncio.timeout(5):
        assert await backlog.catch_up(org_id, user_id, 0.05) == (3, 0)
        assert await backlog.catch_up(org_id, user_id, 0) == (3, 0)
    assert await backlog.catch_up(org_id, UserId("nobody"), 10) == (0, 0)
    embedder.open()
    assert await backlog.catch_up(org_id, user_id, 10) == (0, 0)


async def test_catching_up_waits_for_the_newest_of_very_many_only(backlog, corpus, org_id, user_id, stored):
    published = await corpus.publish(user_id, *(f"text {number}" for number in range(700)), lease_seconds=3600)
    assert await backlog.catch_up(org_id, user_id, 20) == (700 - 256, 0)
    assert (await stored()).keys() == set(published.interaction_ids[-256:])


async def test_waiting_ends_at_once_for_what_is_not_queued(backlog, org_id):
    async with asyncio.timeout(5):
        await backlog.wait_for(org_id, [])
        await backlog.wait_for(org_id, [InteractionId(-1), InteractionId(-2)])


async def test_waiting_ends_when_another_server_is_done(backlog, corpus, org_id, user_id):
    published = await corpus.publish(user_id, "elsewhere", lease_seconds=3600)
    waiting = asyncio.create_task(backlog.wait_for(org_id, published.interaction_ids))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await corpus.embed(user_id, published, unit(1))
    async with asyncio.timeout(5):
        await waiting


async def test_memory_is_bounded_and_what_does_not_fit_is_embedded_later(
    backlog, hand_over, org_id, user_id, embedder, monkeypatch, leased
):
    monkeypatch.setattr(held, "_MOST_BYTES", 40_000)
    monkeypatch.setattr(held, "_RESERVED_BYTES", 10_000)
    assert backlog.has_room(org_id, user_id, 1)
    embedder.close()
    ids = await hand_over(backlog, *("x" * 1000 for _ in range(50)))
    # Half of what is not reserved: the rest is for others, of whom one gets half of that.
    assert len(backlog._held) == 14
    ids += await hand_over(backlog, *("x" * 1000 for _ in range(50)), user=UserId("another user"))
    assert len(backlog._held) == 14 + 7

    async def what_does_not_fit_is_free():
        return await leased() == (21, 79)

    await eventually(what_does_not_fit_is_free)
    embedder.open()
    async with asyncio.timeout(20):
        await backlog.wait_for(org_id, ids)
    assert len(backlog._held) == 0
    assert backlog._held.room_bytes(wanted=True) == 40_000


def test_room_is_bounded_by_count(backlog, org_id, user_id):
    assert backlog.has_room(org_id, user_id, 1792)
    assert not backlog.has_room(org_id, user_id, 1793)


async def test_stopping_gives_back_what_was_not_done(database, embedding, embedder, hand_over, org_id, leased, user_id):
    backlog = Backlog(database, embedding)
    backlog.start()
    embedder.close()
    ids = await hand_over(backlog, "one", "two")
    waiting = asyncio.create_task(backlog.wait_for(org_id, ids))
    await embedder.stopped()
    assert await leased() == (2, 0)
    await backlog.stop()
    assert await leased() == (0, 2)
    with pytest.raises(NotReady):
        await waiting
    embedder.open()


async def test_work_goes_on_when_the_database_comes_back(backlog, hand_over, org_id, stored, monkeypatch):
    store, failures = vectors.store, 3

    async def away(*arguments):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise DatabaseUnavailable
        return await store(*arguments)

    monkeypatch.setattr(vectors, "store", away)
    ids = await hand_over(backlog, "patience")
    async with asyncio.timeout(10):
        await backlog.wait_for(org_id, ids)
    assert (await stored()).keys() == set(ids)


async def test_the_sweeper_survives_an_outage(backlog, corpus, user_id, org_id, monkeypatch, stored):
    claim, failures = embedding_queue.claim, 1

    async def away(*arguments):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise DatabaseUnavailable
        return await claim(*arguments)

    monkeypatch.setattr(embedding_queue, "claim", away)
    published = await corpus.publish(user_id, "found later")

    async def found():
        backlog.wake()
        return bool(await stored())

    await eventually(found)
    assert (await stored()).keys() == set(published.interaction_ids)
    assert failures < 0


async def test_leases_of_what_takes_long_are_renewed(backlog, corpus, user_id, org_id, embedder, database):
    embedder.close()
    # Not so short that it ends and somebody claims it, which would lease it too.
    [id_] = (await corpus.publish(user_id, "about to end", lease_seconds=LEASE_SECONDS / 2)).interaction_ids
    backlog.hand_over(org_id, user_id, [(id_, "User: about to end")])
    backlog._held.get(org_id, id_).leased_until = 0.0
    backlog.wake()

    async def renewed():
        async with database.direct(org_id) as connection:
            return await connection.fetchval("select leased_until > now() + interval '20 s' from embedding_queue")

    await eventually(renewed)
