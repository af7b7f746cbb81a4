"""The change of the embedding model: the old answers until the new set is complete, then the new ones."""

import asyncio
import random

import pytest
import reflexio
from reflexio_server.embed import reindexer
from reflexio_server.embed.embedder import ModelUnavailable

from tests.embed.changing import (
    NEW,
    OLD,
    Models,
    ask,
    check_against_brute_force,
    kill,
    serving,
    until_removed,
    until_switched,
)
from tests.fakes.embedder import missing_embedder
from tests.store.consistency import violations_of

WORDS = ["river", "boat", "anchor", "harbour", "storm", "lantern", "ledger", "invoice", "refund", "parcel", "tulip"]


@pytest.fixture
def url(postgres) -> str:
    return postgres.new_database()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(reindexer, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(reindexer, "_REMOVE_PAUSE", 0)


async def publish(running, user_id: str, *said: str, wait: bool = True):
    return await running.client.publish_interaction(user_id, [{"content": s} for s in said], wait_for_response=wait)


def sayings(count: int, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=4)) for _ in range(count)]


async def consistent(url: str) -> None:
    async def count(query: str) -> int:
        return (await ask(url, query, org_id=1))[0][0]

    assert await violations_of(count) == {}


async def test_old_answers_until_it_is_complete_then_the_new_ones(url):
    async with serving(url) as running:
        await publish(running, "ann", *sayings(40))
        running.models.hold(after=3)
        started = await running.client.start_reindex(NEW)
        assert (started.embedding_model, started.state, started.total_count) == (NEW, "building", 40)
        assert await asyncio.to_thread(running.models.held.wait, 10)
        info = await running.client.server_info()
        assert (info.embedding_model, info.embedding_dimension, info.reindex.embedding_model) == (OLD, 64, NEW)
        await publish(running, "ann", "published meanwhile")
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == OLD
        assert (await running.client.start_reindex(NEW)).state == "building", "attaches"
        running.models.let_go()
        await until_switched(running)
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == NEW
        info = await running.client.server_info()
        assert (info.embedding_dimension, info.reindex, info.configured_embedding_model) == (32, None, OLD)
        await publish(running, "ann", "published afterwards")
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == NEW
        assert (await running.client.start_reindex(NEW)).state == "complete", "there is nothing to do"
        await until_removed(url)
        assert await ask(url, "select distinct model from vectors") == [(NEW,)]
        await consistent(url)


async def test_of_an_empty_database_the_setting_is_the_model_and_the_default_of_a_change(url):
    async with serving(url, model=OLD) as running:
        assert (await running.client.start_reindex()).state == "complete"
    async with serving(url, model=NEW) as running:
        assert (await running.client.server_info()).embedding_model == OLD
        assert (await running.client.start_reindex()).embedding_model == NEW
        await until_switched(running)


async def test_a_server_with_another_setting_serves_with_what_is_there_and_says_so(url, caplog):
    async with serving(url, model=OLD) as running:
        await publish(running, "ann", *sayings(5))
    async with serving(url, model=NEW) as running:
        info = await running.client.server_info()
        assert (info.embedding_model, info.configured_embedding_model) == (OLD, NEW)
        assert await check_against_brute_force(url, running.client, "ann", "storm") == OLD
    assert "reflexio reindex" in caplog.text


async def test_a_start_without_the_active_model_fails_with_its_name(url):
    async with serving(url):
        pass
    await ask(url, "update embedding_models set model = 'lost'")
    with pytest.raises(ModelUnavailable, match="lost"):
        async with serving(url):
            pass


async def test_a_setting_that_cannot_be_loaded_does_not_matter_where_another_is_active(url):
    async with serving(url):
        pass
    async with serving(url, model="nowhere") as running:
        assert (await running.client.server_info()).configured_embedding_model == "nowhere"
        with pytest.raises(reflexio.ModelUnavailableError, match="nowhere"):
            await running.client.start_reindex()
        assert (await running.client.server_info()).reindex is None


async def test_another_change_is_refused_and_the_first_can_be_cancelled(url):
    async with serving(url) as running:
        await publish(running, "ann", *sayings(30))
        running.models.hold(after=2)
        await running.client.start_reindex(NEW)
        with pytest.raises(reflexio.ReindexUnderWayError) as refused:
            await running.client.start_reindex("third-16")
        assert refused.value.metadata == {"embedding_model": NEW}
        assert (await running.client.cancel_reindex()).embedding_model == NEW
        assert (await running.client.cancel_reindex()).embedding_model is None
        running.models.let_go()
        await until_removed(url)
        assert await ask(url, "select distinct model from vectors") == [(OLD,)]
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == OLD
        await running.client.start_reindex(NEW)
        await until_switched(running)
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == NEW
        await consistent(url)


async def test_after_a_kill_another_server_goes_on_where_it_was(url, monkeypatch):
    monkeypatch.setattr(reindexer, "LEASE_SECONDS", 1.0)
    async with serving(url) as running:
        for user in range(30):
            await publish(running, f"user {user}", *sayings(5, user))
        running.models.hold(after=8)
        await running.client.start_reindex(NEW)
        assert await asyncio.to_thread(running.models.held.wait, 10)
        await kill(running.app)
        running.models.let_go()
        [(there,)] = await ask(url, "select count(*) from vectors where model = :new", new=NEW)
        async with serving(url) as other:
            await until_switched(other)
            for user in range(0, 30, 7):
                for replica in (running, other):
                    assert await check_against_brute_force(url, replica.client, f"user {user}", "storm") == NEW
        assert there > 0, "it was killed in the middle"
        await consistent(url)


async def test_a_server_that_stops_gives_the_work_back_and_goes_on_when_it_is_back(url):
    async with serving(url) as running:
        await publish(running, "ann", *sayings(300))
        running.models.hold(after=10)
        await running.client.start_reindex(NEW)
        assert await asyncio.to_thread(running.models.held.wait, 10)
        running.models.let_go()
    [(lease,)] = await ask(
        url, "select count(*) from embedding_models where state = 'building' and leased_until > now()"
    )
    assert lease == 0
    async with serving(url) as running:
        await until_switched(running)
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == NEW


async def test_what_either_model_fails_on_is_told_and_gets_its_chance_with_the_other(url):
    models = Models(fails_on="poison")
    async with serving(url, models) as running:
        await publish(running, "ann", *sayings(10), "poison of the new")
        [(gone,)] = await ask(url, "select min(interaction_id) from interactions")
        # As if the old model had failed on one.
        await ask(url, "delete from vectors where interaction_id = :gone", gone=gone)
        await ask(
            url,
            """insert into embedding_queue (org_id, interaction_id, user_id, leased_until, attempts, set_aside_reason)
               values (1, :gone, 'ann', now(), 3, 'the old one failed')""",
            gone=gone,
        )
        info = await running.client.server_info()
        assert info.embedding_set_aside_count == 1
        [shown] = info.newest_set_aside
        assert (shown.user_id, shown.interaction_id, shown.reason) == ("ann", gone, "the old one failed")
        found = await running.client.search_interactions(user_id="ann", query="poison")
        assert (found.set_aside_count, found.not_yet_embedded_count) == (1, 0)
        await running.client.start_reindex(NEW)
        await until_switched(running)
        found = await running.client.search_interactions(user_id="ann", query="storm", search_mode="vector", top_k=99)
        assert gone in {hit.interaction_id for hit in found.interactions}, "the new one does not fail on it"
        assert (len(found.interactions), found.set_aside_count) == (10, 1)
        [shown] = (await running.client.server_info()).newest_set_aside
        assert shown.reason == "RuntimeError: a text has poison"
        await running.client.start_reindex(OLD)
        await until_switched(running, OLD)
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == OLD
        await consistent(url)


async def test_a_model_that_fails_at_every_turn_is_given_up(url, monkeypatch):
    monkeypatch.setattr(reindexer, "_MOST_FAILED", 3)
    async with serving(url, Models(fails_on="")) as running:
        await publish(running, "ann", *sayings(20))
        await running.client.start_reindex(NEW)
        await until_removed(url)
        info = await running.client.server_info()
        assert (info.embedding_model, info.embedding_set_aside_count) == (OLD, 0)
        assert await check_against_brute_force(url, running.client, "ann", "storm lantern") == OLD
        await consistent(url)


async def test_a_switch_under_load_loses_nothing_and_mixes_nothing(url):
    """Writers, deleters and readers on two replicas while it changes there and back."""
    async with serving(url) as one, serving(url) as other:
        replicas = (one, other)
        for user in range(4):
            await publish(one, f"user {user}", *sayings(50, user))
        running = True

        async def work(number: int) -> int:
            chance, user, rounds = random.Random(number), f"user {number}", 0
            while running:
                rounds += 1
                await publish(chance.choice(replicas), user, *sayings(chance.randint(1, 3), rounds), wait=False)
                await check_against_brute_force(url, chance.choice(replicas).client, user, "storm parcel")
                there = (await chance.choice(replicas).client.get_interactions(user)).interactions
                gone = chance.choice(there)
                await chance.choice(replicas).client.delete_interaction(user, gone.interaction_id)
                await check_against_brute_force(url, chance.choice(replicas).client, user, "tulip river")
            return rounds

        workers = [asyncio.create_task(work(number)) for number in range(4)]
        for model in (NEW, OLD, NEW):
            await one.client.start_reindex(model)
            await until_switched(other, model)
        running = False
        assert min(await asyncio.gather(*workers)) > 0
        await until_removed(url)
        for user in range(4):
            for replica in replicas:
                assert await check_against_brute_force(url, replica.client, f"user {user}", "storm parcel") == NEW
        await consistent(url)


async def test_a_replica_without_the_new_model_answers_by_words_and_leaves_the_work_to_others(url):
    class Without(Models):
        def __call__(self, name):
            return missing_embedder(name) if name == NEW else super().__call__(name)

    async with serving(url) as running, serving(url, Without()) as poor:
        await publish(running, "ann", *sayings(20))
        with pytest.raises(reflexio.ModelUnavailableError):
            await poor.client.start_reindex(NEW)
        await running.client.start_reindex(NEW)
        await until_switched(running)
        assert await check_against_brute_force(url, running.client, "ann", "storm") == NEW
        with pytest.raises(reflexio.ModelUnavailableError):
            await poor.client.search_interactions(user_id="ann", query="storm", search_mode="vector")
        by_words = await running.client.search_interactions(user_id="ann", query="storm", search_mode="fts")
        assert by_words.interactions
        for mode, words_only in (("hybrid", True), ("fts", False)):
            found = await poor.client.search_interactions(user_id="ann", query="storm", search_mode=mode)
            assert (found.interactions, found.words_only) == (by_words.interactions, words_only)
