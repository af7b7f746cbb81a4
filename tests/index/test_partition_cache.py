"""The index over partitions: what every index promises, whatever becomes of its partitions, and its memory."""

import asyncio

import pytest
from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.domain.ids import UserId
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.index import freshness, partition, partition_cache, stale_sweep
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.store import vectors
from reflexio_server.telemetry import metrics
from sqlalchemy import text

from tests.contracts.asking import nearest
from tests.contracts.corpus import DIMENSION, MODEL, ChosenVectors, Corpus, unit
from tests.contracts.interaction_index import InteractionIndexContract, ids_of

MIB = 1024 * 1024
ANY = InteractionFilter()
EAST, NORTH = unit(1, 0), unit(0, 1)


def counted(kind: str) -> int:
    """What operators are told of loads and evictions."""
    counter = metrics.index_drops if kind == "eviction" else metrics.index_reads
    return counter._counts.get((kind,), 0)


class TestCachedPartitions(InteractionIndexContract):
    @pytest.fixture
    def index(self, database):
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


class TestPartitionsThatAreNeverKept(InteractionIndexContract):
    @pytest.fixture
    def index(self, database):
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=0)
        yield cache
        assert len(cache) == 0
        assert cache.nbytes == 0
        cache.close()


class TestPartitionsReadInSmallPortions(InteractionIndexContract):
    @pytest.fixture
    def index(self, database, monkeypatch):
        monkeypatch.setattr(freshness, "_PORTION", 3)
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


class TestPartitionsOfSmallSegments(InteractionIndexContract):
    @pytest.fixture
    def index(self, database, monkeypatch):
        monkeypatch.setattr(partition, "_SEGMENT_VECTORS", 16)
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


class TestPartitionsSearchedInThreads(InteractionIndexContract):
    @pytest.fixture
    def index(self, database, monkeypatch):
        monkeypatch.setattr(partition_cache, "_INLINE_CHANGE_BYTES", -1)
        monkeypatch.setattr(partition_cache, "_INLINE_BYTES", -1)
        cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
        yield cache
        cache.close()


@pytest.fixture
def corpus(database, org_id):
    return Corpus(database, org_id)


async def test_memory_stays_within_the_budget_and_dropped_users_are_found_again(database, org_id, corpus):
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=12_000)
    before = counted("loaded"), counted("eviction")
    users = [UserId(f"user {number}") for number in range(8)]
    published = {user: (await corpus.add(user, *[EAST] * 5)).interaction_ids for user in users}
    for user in [*users, *users]:
        found = await nearest(cache, database, org_id, user, EAST, 10)
        assert sorted(ids_of(found)) == [*published[user]]
        assert 0 < cache.nbytes <= 12_000
    assert 0 < len(cache) < len(users)
    loaded, evicted = counted("loaded") - before[0], counted("eviction") - before[1]
    assert loaded - evicted == len(cache)
    assert loaded > len(users)
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
    await nearest(probe, database, org_id, one, EAST, 1)
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=2 * probe.nbytes)
    loads.clear()
    for user in (one, two, one, three, one, two):
        await nearest(cache, database, org_id, user, EAST, 1)
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
    answers = await asyncio.gather(*(nearest(cache, database, org_id, user_id, EAST, 1) for _ in range(20)))
    assert {tuple(ids_of(answer)) for answer in answers} == {published.interaction_ids}
    assert loads == 1
    cache.close()


async def test_a_load_that_was_cancelled_harms_nobody(database, org_id, user_id, corpus, monkeypatch):
    monkeypatch.setattr(freshness, "_PORTION", 1)
    monkeypatch.setattr(partition_cache, "_INLINE_CHANGE_BYTES", -1)
    monkeypatch.setattr(partition_cache, "_INLINE_BYTES", -1)
    for _ in range(10):
        await corpus.add(user_id, EAST)
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=MIB)
    for turns in range(1, 40):
        search = asyncio.create_task(nearest(cache, database, org_id, user_id, EAST, 100))
        for _ in range(turns):
            await asyncio.sleep(0)
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)
        assert cache.nbytes == sum(entry.followed.partition.nbytes for entry in cache._entries.values() if entry.nbytes)
    assert len(await nearest(cache, database, org_id, user_id, EAST, 100)) == 10
    cache.close()


async def test_a_search_beside_a_reload_that_was_cancelled_sees_everything(
    database, org_id, user_id, corpus, monkeypatch
):
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=64 * MIB)
    published = (await corpus.add(user_id, *[EAST] * 5)).interaction_ids
    assert len(await nearest(cache, database, org_id, user_id, EAST, 10)) == 5
    entry = cache._entry((org_id, user_id, MODEL), DIMENSION)
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
        searching = asyncio.create_task(nearest(cache, database, org_id, user_id, EAST, 10))
        while not entry.lock._entrance._waiters:  # noqa: ASYNC110 -- the lock tells nobody who waits.
            await asyncio.sleep(0)
        go_on.set()
        while len(entry.followed.partition):  # noqa: ASYNC110 -- nor does the partition that it is empty.
            await asyncio.sleep(0)
    reloading.cancel()
    assert sorted(ids_of(await searching)) == [*published]
    cache.close()


async def test_a_partition_larger_than_the_budget_is_searched_and_drives_out_nobody(
    database, org_id, corpus, monkeypatch
):
    monkeypatch.setattr(freshness, "_PORTION", 50)
    small = [UserId(f"small {number}") for number in range(3)]
    large = [UserId(f"large {number}") for number in range(2)]
    published = {user: (await corpus.add(user, EAST)).interaction_ids for user in small}
    for user in large:
        for _ in range(5):
            await corpus.add(user, *[EAST] * 50)
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=16_000)
    for user in small:
        await nearest(cache, database, org_id, user, EAST, 10)
    kept = cache.nbytes
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, cache.nbytes)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(nearest(cache, database, org_id, user, EAST, 300) for user in large * 3))
    watching.cancel()
    assert [len(answer) for answer in answers] == [250] * 6
    assert (cache.nbytes, len(cache)) == (kept, len(small))
    one = 250 * (2 * EAST.size + 56)
    assert one < most < kept + 2.5 * one, "never two of them whole"
    for user in small:
        assert ids_of(await nearest(cache, database, org_id, user, EAST, 10)) == [*published[user]]
    cache.close()


async def test_what_nobody_searches_leaves_memory_after_a_deletion(database, org_id, corpus):
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=MIB)
    deleted, erased, reloaded, grown, same = users = [UserId(f"{n}") for n in ("d", "e", "r", "g", "s")]
    published = {user: await corpus.add(user, EAST, NORTH) for user in users}
    for user in users:
        await nearest(cache, database, org_id, user, EAST, 10)
    await cache.drop_stale()
    assert len(cache) == len(users)
    await corpus.delete(deleted, published[deleted].interaction_ids[0])
    await corpus.add(grown, EAST)
    async with database.autocommit(org_id) as connection:
        where = {"org_id": org_id, "user_id": erased}
        await connection.execute(text("delete from user_versions where org_id = :org_id and user_id = :user_id"), where)
        where["user_id"] = reloaded
        await connection.execute(
            text(
                "update user_versions set version = nextval('user_versions_sequence'),"
                " reload_before = currval('user_versions_sequence') where org_id = :org_id and user_id = :user_id"
            ),
            where,
        )
    await cache.drop_stale()
    assert {user for _, user, _ in cache._entries} == {grown, same}
    assert cache.nbytes == sum(entry.nbytes for entry in cache._entries.values())
    cache.close()


async def test_a_user_who_was_erased_leaves_memory_with_the_next_search(database, org_id, user_id, corpus):
    cache = PartitionCache(database, ChosenVectors(), memory_bytes=MIB)
    await corpus.add(user_id, EAST)
    await nearest(cache, database, org_id, user_id, EAST, 10)
    async with database.autocommit(org_id) as connection:
        await connection.execute(text("delete from user_versions where org_id = :org_id"), {"org_id": org_id})
    assert list(await nearest(cache, database, org_id, user_id, EAST, 10)) == []
    assert (len(cache), cache.nbytes) == (0, 0)
    cache.close()


async def test_the_sweep_goes_on_after_a_failure(monkeypatch):
    looks = asyncio.Queue()

    class Failing:
        async def drop_stale(self):
            looks.put_nowait(None)
            raise DatabaseUnavailable if looks.qsize() % 2 else RuntimeError

    monkeypatch.setattr(stale_sweep, "_SECONDS_BETWEEN", 0.0)
    sweep = stale_sweep.StaleSweep(Failing())
    sweep.start()
    async with asyncio.timeout(10):
        for _ in range(4):
            await looks.get()
    await sweep.stop()
