"""The index over partitions: what every index promises, whatever becomes of its partitions, and its memory."""

import asyncio

import pytest
from reflexio_server.domain.ids import UserId
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.index import freshness, partition, partition_cache
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.store import vectors

from tests.contracts.corpus import ChosenVectors, Corpus, unit
from tests.contracts.vector_index import VectorIndexContract, ids_of

MIB = 1024 * 1024
ANY = InteractionFilter()
EAST = unit(1, 0)


class TestCachedPartitions(VectorIndexContract):
    @pytest.fixture
    def index(self, database):
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


class TestPartitionsThatAreNeverKept(VectorIndexContract):
    @pytest.fixture
    def index(self, database):
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=0)
        yield cache
        assert len(cache) == 0
        assert cache.nbytes == 0
        cache.close()


class TestPartitionsReadInSmallPortions(VectorIndexContract):
    @pytest.fixture
    def index(self, database, monkeypatch):
        monkeypatch.setattr(freshness, "_PORTION", 3)
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


class TestPartitionsOfSmallSegments(VectorIndexContract):
    @pytest.fixture
    def index(self, database, monkeypatch):
        monkeypatch.setattr(partition, "_SEGMENT_VECTORS", 16)
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


class TestPartitionsSearchedInThreads(VectorIndexContract):
    @pytest.fixture
    def index(self, database, monkeypatch):
        monkeypatch.setattr(partition_cache, "_INLINE_BYTES", -1)
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


@pytest.fixture
def corpus(database, org_id):
    return Corpus(database, org_id)


async def test_memory_stays_within_the_budget_and_dropped_users_are_found_again(database, org_id, corpus):
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=12_000)
    users = [UserId(f"user {number}") for number in range(8)]
    published = {user: (await corpus.add(user, *[EAST] * 5)).interaction_ids for user in users}
    for user in [*users, *users]:
        found = await cache.nearest(org_id, user, EAST, 10, ANY, None)
        assert sorted(ids_of(found)) == [*published[user]]
        assert 0 < cache.nbytes <= 12_000
    assert 0 < len(cache) < len(users)
    cache.close()


async def test_the_least_recently_used_goes_first(database, org_id, corpus, monkeypatch):
    loads: list[str] = []
    changes = vectors.changes

    async def counted(connection, org, user, *arguments, **options):
        loads.append(user)
        return await changes(connection, org, user, *arguments, **options)

    monkeypatch.setattr(vectors, "changes", counted)
    one, two, three = (UserId(name) for name in ("one", "two", "three"))
    for user in (one, two, three):
        await corpus.add(user, EAST)
    probe = PartitionCache(database, ChosenVectors(), memory_bytes=MIB)
    await probe.nearest(org_id, one, EAST, 1, ANY, None)
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=2 * probe.nbytes)
    loads.clear()
    for user in (one, two, one, three, one, two):
        await cache.nearest(org_id, user, EAST, 1, ANY, None)
    assert loads == [one, two, three, two]
    probe.close()
    cache.close()


async def test_searches_that_come_together_load_a_partition_once(database, org_id, user_id, corpus, monkeypatch):
    loads = 0
    changes = vectors.changes

    async def counted(*arguments, **options):
        nonlocal loads
        loads += 1
        return await changes(*arguments, **options)

    monkeypatch.setattr(vectors, "changes", counted)
    published = await corpus.add(user_id, EAST)
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=MIB)
    answers = await asyncio.gather(*(cache.nearest(org_id, user_id, EAST, 1, ANY, None) for _ in range(20)))
    assert {tuple(ids_of(answer)) for answer in answers} == {published.interaction_ids}
    assert loads == 1
    cache.close()


async def test_a_load_that_was_cancelled_harms_nobody(database, org_id, user_id, corpus, monkeypatch):
    monkeypatch.setattr(freshness, "_PORTION", 1)
    monkeypatch.setattr(partition_cache, "_INLINE_BYTES", -1)
    for _ in range(10):
        await corpus.add(user_id, EAST)
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=MIB)
    for turns in range(1, 40):
        search = asyncio.create_task(cache.nearest(org_id, user_id, EAST, 100, ANY, None))
        for _ in range(turns):
            await asyncio.sleep(0)
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)
        assert cache.nbytes == sum(entry.followed.partition.nbytes for entry in cache._entries.values() if entry.nbytes)
    assert len(await cache.nearest(org_id, user_id, EAST, 100, ANY, None)) == 10
    cache.close()


async def test_a_search_beside_a_reload_that_was_cancelled_sees_everything(
    database, org_id, user_id, corpus, monkeypatch
):
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
    published = (await corpus.add(user_id, *[EAST] * 5)).interaction_ids
    assert len(await cache.nearest(org_id, user_id, EAST, 10, ANY, None)) == 5
    entry = cache._entry((org_id, user_id))
    begun, go_on, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def reload_half(*_: object) -> bool:
        begun.set()
        await go_on.wait()
        entry.followed._start_afresh()
        await never.wait()
        return True

    with monkeypatch.context() as patched:
        patched.setattr(entry.followed, "follow", reload_half)
        reloading = asyncio.create_task(cache._refresh(entry, entry.followed.version + 1))
        await begun.wait()
        searching = asyncio.create_task(cache.nearest(org_id, user_id, EAST, 10, ANY, None))
        while not entry.lock._entrance._waiters:  # noqa: ASYNC110 -- the lock tells nobody who waits.
            await asyncio.sleep(0)
        go_on.set()
        while len(entry.followed.partition):  # noqa: ASYNC110 -- nor does the partition that it is empty.
            await asyncio.sleep(0)
    reloading.cancel()
    assert sorted(ids_of(await searching)) == [*published]
    cache.close()
