"""Publishing: what waits for what, and what happens when the caller goes away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from reflexio_server.domain.errors import IdempotencyKeyReused
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction, UserAction
from reflexio_server.search.ranking import SearchMode
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import migrate
from sqlalchemy import text

from tests.rpc.embedders import HeldEmbedder
from tests.running import Postgres
from tests.search.flows import Replica, contents
from tests.store.publishing import publication


@pytest.fixture(scope="module")
async def held(postgres: Postgres) -> AsyncIterator[tuple[Replica, HeldEmbedder]]:
    """A server's inside whose model computes only while it may."""
    embedder = HeldEmbedder()
    embedder.may_load.set()
    embedder.may_encode.set()
    database = Database(pool_size=5, statement_cache_size=100)
    database.open(postgres.new_database())
    await migrate(database)
    async with AsyncExitStack() as running:
        running.push_async_callback(database.close)
        yield await Replica.start(database, embedder, running), embedder


@pytest.fixture
def replica(held: tuple[Replica, HeldEmbedder]) -> Replica:
    return held[0]


@pytest.fixture
def model_waits(held: tuple[Replica, HeldEmbedder]):
    """The model computes nothing until the test lets it."""
    held[1].may_encode.clear()
    yield held[1].may_encode.set
    held[1].may_encode.set()


async def until_embedded(replica: Replica, org_id: OrgId, user_id: UserId) -> None:
    """Wait for an empty queue, for less time than a lease lasts: what was not handed over would still be there."""
    async with asyncio.timeout(15):
        while await replica.queued(org_id, user_id):  # noqa: ASYNC110 -- Postgres tells nobody.
            await asyncio.sleep(0.01)


async def test_a_publish_that_fails_after_its_caller_hung_up_is_logged(
    replica: Replica, org_id: OrgId, user_id: UserId, caplog: pytest.LogCaptureFixture
):
    publishing = asyncio.create_task(replica.publish(org_id, user_id, "not storable: \0"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    async with asyncio.timeout(10):
        while "whose caller hung up" not in caplog.text:  # noqa: ASYNC110 -- nothing tells.
            await asyncio.sleep(0.01)
    assert "not storable" not in caplog.text


async def test_without_waiting_the_answer_comes_before_the_model(
    replica: Replica, model_waits, org_id: OrgId, user_id: UserId
):
    await replica.publish(org_id, user_id, "tea")
    assert await replica.queued(org_id, user_id) == 1
    assert contents(await replica.search(org_id, user_id, "tea", mode=SearchMode.FTS)) == ["tea"]
    model_waits()
    await until_embedded(replica, org_id, user_id)


async def test_waiting_ends_when_everything_is_embedded(replica: Replica, model_waits, org_id: OrgId, user_id: UserId):
    waiting = asyncio.create_task(replica.publish(org_id, user_id, "tea", "coffee", wait=True))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    model_waits()
    assert len((await waiting).interaction_ids) == 2
    assert await replica.queued(org_id, user_id) == 0


async def test_there_is_nothing_to_wait_for_where_nothing_is_to_be_embedded(
    replica: Replica, model_waits, org_id: OrgId, user_id: UserId
):
    async with asyncio.timeout(5):
        await replica.publish(org_id, user_id, NewInteraction(user_action=UserAction.CLICK), wait=True)


async def test_a_repetition_waits_for_the_work_of_the_first(
    replica: Replica, model_waits, org_id: OrgId, user_id: UserId
):
    what = publication(user_id, "tea", key="key")
    first = await replica.publisher.publish(org_id, what, wait=False)
    again = asyncio.create_task(replica.publisher.publish(org_id, what, wait=True))
    done, _ = await asyncio.wait([again], timeout=0.2)
    assert not done
    model_waits()
    assert (await again).interaction_ids == first.interaction_ids
    assert (await again).repeated


async def test_other_content_under_a_key_is_an_error(replica: Replica, org_id: OrgId, user_id: UserId):
    await replica.publish(org_id, user_id, "tea", key="key")
    with pytest.raises(IdempotencyKeyReused):
        await replica.publish(org_id, user_id, "coffee", key="key")


async def test_interactions_without_a_time_get_the_present_one(replica: Replica, org_id: OrgId, user_id: UserId):
    what = publication(user_id, "one", NewInteraction(content="two", created_at=5), "three")
    undated = tuple(replace(i, created_at=None) if i.created_at != 5 else i for i in what.interactions)
    before = time.time_ns()
    await replica.publisher.publish(org_id, replace(what, interactions=undated), wait=False)
    found = [hit.interaction for hit in (await replica.search(org_id, user_id, "")).hits]
    assert [i.content for i in found] == ["three", "one", "two"]
    assert found[0].created_at == found[1].created_at
    assert before <= found[0].created_at <= time.time_ns()
    assert found[2].created_at == 5


_BLOCKED = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")


@pytest.mark.parametrize("wait", [True, False])
async def test_a_caller_that_hangs_up_in_the_middle_leaves_a_whole_publish(
    replica: Replica, org_id: OrgId, user_id: UserId, wait: bool
):
    async with replica.database.transaction(org_id) as holder:
        await holder.execute(text("lock table requests in share mode"))
        publish = asyncio.create_task(replica.publish(org_id, user_id, "tea", wait=wait))
        async with replica.database.autocommit(org_id) as observer:
            while not (await observer.execute(_BLOCKED)).scalar_one():  # noqa: ASYNC110 -- Postgres tells nobody.
                await asyncio.sleep(0.005)
        publish.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publish
        await holder.rollback()
    async with asyncio.timeout(10):
        while not (await replica.search(org_id, user_id, "")).hits:  # noqa: ASYNC110 -- only a read shows it.
            await asyncio.sleep(0.01)
    await until_embedded(replica, org_id, user_id)
    assert contents(await replica.search(org_id, user_id, "tea", mode=SearchMode.VECTOR)) == ["tea"]


async def test_a_caller_that_hangs_up_while_waiting_takes_nothing_back(
    replica: Replica, model_waits, org_id: OrgId, user_id: UserId
):
    publish = asyncio.create_task(replica.publish(org_id, user_id, "tea", wait=True))
    await asyncio.wait([publish], timeout=0.1)
    publish.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publish
    model_waits()
    await until_embedded(replica, org_id, user_id)
    assert contents(await replica.search(org_id, user_id, "tea", mode=SearchMode.VECTOR)) == ["tea"]


async def test_more_than_memory_holds_is_embedded_all_the_same(
    replica: Replica, model_waits, org_id: OrgId, user_id: UserId
):
    for n in range(5):
        await replica.publish(org_id, user_id, *(f"tea {n} {k}" for k in range(900)))
    assert await replica.queued(org_id, user_id) == 4500
    assert not replica.backlog.has_room(org_id, user_id, 900)
    found = await replica.search(org_id, user_id, "tea 4 899", patience=0, mode=SearchMode.FTS, top_k=1)
    assert contents(found) == ["tea 4 899"]
    model_waits()
    await until_embedded(replica, org_id, user_id)
    where = InteractionFilter(most_recent_k=4500)
    found = await replica.search(org_id, user_id, "tea 0 17", where, mode=SearchMode.VECTOR, top_k=1000)
    assert (len(found.hits), found.not_yet_embedded) == (1000, 0)


async def test_what_is_not_embedded_in_time_is_counted_and_found_by_its_words(
    replica: Replica, model_waits, org_id: OrgId, user_id: UserId
):
    model_waits()
    await replica.publish(org_id, user_id, "coffee", wait=True)
    await replica.search(org_id, user_id, "green tea")  # So that the query is known to the model.
    replica.searcher.embedding.embedder.may_encode.clear()
    await replica.publish(org_id, user_id, "green tea")
    found = await replica.search(org_id, user_id, "green tea", patience=0.1)
    assert contents(found)[0] == "green tea"
    assert found.not_yet_embedded == 1
    replica.searcher.embedding.embedder.may_encode.set()
    assert (await replica.search(org_id, user_id, "green tea")).not_yet_embedded == 0
