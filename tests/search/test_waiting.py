"""What has no vectors, yet or for good, is found by its words, once, and by the same measure as all others."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction
from reflexio_server.index.evidence import Evidence
from reflexio_server.search.query import SearchResult
from reflexio_server.search.ranking import SearchMode
from reflexio_server.store import embedding_queue
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.migrate import migrate
from reflexio_server.store.publications import PublicationStore

from tests.embed.eventually import eventually
from tests.embed.gate import GatedEmbedder
from tests.running import Postgres
from tests.search.flows import Replica, contents
from tests.store.publishing import publication, publish

FTS, HYBRID, VECTOR = SearchMode.FTS, SearchMode.HYBRID, SearchMode.VECTOR


@pytest.fixture(scope="module")
def gate() -> GatedEmbedder:
    """A model that stops while it is closed, and fails on poison."""
    return GatedEmbedder(fails_on="poison")


@pytest.fixture(scope="module")
async def held(postgres: Postgres, gate: GatedEmbedder) -> AsyncIterator[Replica]:
    """A server with this model on a database of its own."""
    async with AsyncExitStack() as running:
        database = Database(pool_size=5, statement_cache_size=100)
        database.open(postgres.new_database())
        running.push_async_callback(database.close)
        await migrate(database)
        yield await Replica.start(database, gate, running)
        gate.open()


@pytest.fixture(autouse=True)
def _open_at_the_end(gate: GatedEmbedder) -> Iterator[None]:
    yield
    gate.open()


@pytest.fixture
async def stalled(held: Replica, gate: GatedEmbedder, org_id: OrgId, user_id: UserId) -> Replica:
    """The server with two texts that are embedded and two that are not, each with "tea"."""
    for text in ("green tea", "tea with milk and sugar"):
        await held.publish(org_id, user_id, text, wait=True)
    gate.close()
    for text in ("black tea", "tea tea tea"):
        await held.publish(org_id, user_id, NewInteraction(role="Ann", content=text))
    await gate.stopped()
    return held


def scores(result: SearchResult) -> dict[str, float]:
    return {hit.interaction.content: hit.score for hit in result.hits}


async def everything_embedded(replica: Replica, gate: GatedEmbedder, org_id: OrgId, user_id: UserId) -> None:
    async def nothing_is_queued() -> bool:
        return await replica.queued(org_id, user_id) == 0

    gate.open()
    await eventually(nothing_is_queued)


async def test_words_score_the_same_before_and_after_the_embedding(
    stalled: Replica, gate: GatedEmbedder, org_id: OrgId, user_id: UserId
):
    queries = ("tea", "black tea", "milk or sugar in green tea", "does Ann like tea")
    before = [await stalled.search(org_id, user_id, query, mode=FTS) for query in queries]
    assert await stalled.queued(org_id, user_id) == 2
    await everything_embedded(stalled, gate, org_id, user_id)
    for found, query in zip(before, queries, strict=True):
        again = await stalled.search(org_id, user_id, query, mode=FTS)
        assert len(found.hits) == len(again.hits) == 4, "each once"
        assert scores(found) == pytest.approx(scores(again), abs=2e-6)
        assert found.reading == again.reading


async def test_what_is_embedded_between_the_look_and_the_ranking_counts_once(
    stalled: Replica, gate: GatedEmbedder, org_id: OrgId, user_id: UserId
):
    class Late:
        """An index that answers only when everything has been embedded."""

        def kept(self, *arguments: Any) -> Any:
            return stalled.searcher.index.kept(*arguments)

        async def roles(self, *arguments: Any) -> Any:
            return await stalled.searcher.index.roles(*arguments)

        async def evidence(self, indexed: Any, question: Any, waiting: Any) -> Evidence:
            assert len(waiting.interaction_ids) == 2
            await everything_embedded(stalled, gate, org_id, user_id)
            await stalled.search(org_id, user_id, "x", mode=VECTOR)
            return await stalled.searcher.index.evidence(indexed, question, waiting)

    query = "black tea with sugar"
    found = await stalled.with_searcher(index=Late()).search(org_id, user_id, query, mode=FTS)
    assert len(found.hits) == 4
    assert scores(found) == pytest.approx(scores(await stalled.search(org_id, user_id, query, mode=FTS)), abs=2e-6)


async def test_a_search_by_both_finds_by_words_what_it_does_not_wait_for(
    replica: Replica, org_id: OrgId, user_id: UserId
):
    await replica.publish(org_id, user_id, "green tea", "nothing of it", wait=True)
    store = PublicationStore(replica.database, InteractionIds(replica.database), "english")
    # Under a lease that some other server seems to have: nobody embeds it now.
    await publish(store, org_id, publication(user_id, "black tea"))
    for mode, expected in (
        (HYBRID, ["black tea", "green tea", "nothing of it"]),
        (VECTOR, ["green tea", "nothing of it"]),
    ):
        found = await replica.search(org_id, user_id, "black tea", mode=mode, patience=0)
        assert (contents(found), found.not_yet_embedded) == (expected, 1)
    found = await replica.search(org_id, user_id, "black tea", mode=HYBRID)
    assert (contents(found)[0], found.not_yet_embedded, len(found.hits)) == ("black tea", 0, 3)


async def test_roles_of_what_waits_are_read_and_conditions_hold_for_it(
    stalled: Replica, org_id: OrgId, user_id: UserId
):
    found = await stalled.search(org_id, user_id, "what did Ann say of tea", mode=FTS)
    assert found.reading.roles == ("Ann",)
    assert {hit.interaction.role for hit in found.hits[:2]} == {"Ann"}
    only = await stalled.search(org_id, user_id, "tea", InteractionFilter(role="User"), mode=FTS)
    assert set(contents(only)) == {"green tea", "tea with milk and sugar"}
    newest = await stalled.search(org_id, user_id, "tea", InteractionFilter(most_recent_k=3), mode=FTS)
    assert set(contents(newest)) == {"tea with milk and sugar", "black tea", "tea tea tea"}


async def test_what_the_model_fails_on_is_found_by_its_words_for_good(
    held: Replica, org_id: OrgId, user_id: UserId, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embedding_queue, "MOST_ATTEMPTS", 1)
    await held.publish(org_id, user_id, "green tea", "a poison for rats", wait=True)

    async def set_aside() -> bool:
        async with held.database.autocommit(org_id) as connection:
            return (await embedding_queue.of_user(connection, org_id, user_id, 1)).set_aside == 1

    await eventually(set_aside)
    for mode in (FTS, HYBRID):
        found = await held.search(org_id, user_id, "rats", mode=mode)
        assert contents(found)[0] == "a poison for rats"
        assert (found.not_yet_embedded, found.set_aside) == (0, int(mode is HYBRID))
        assert len(found.hits) == len({hit.interaction.interaction_id for hit in found.hits})
    assert contents(await held.search(org_id, user_id, "rats", mode=VECTOR)) == ["green tea"]
