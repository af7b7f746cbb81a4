"""What any index of interactions promises."""

import asyncio
import random
from collections.abc import Sequence

import numpy as np
import pytest
from reflexio_server.domain.ids import InteractionId, OrgId, SessionId, UserId, new_request_id
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.index.interaction_index import InteractionIndex
from reflexio_server.store import deletions, user_versions
from reflexio_server.store.database import Database
from sqlalchemy import text

from tests.contracts import asking
from tests.contracts.corpus import DIMENSION, Corpus, Neighbour, unit

ANY = InteractionFilter()
EAST, NORTH_EAST, NORTH, WEST = unit(1, 0), unit(1, 1), unit(0, 1), unit(-1, 0)


class InteractionIndexContract:
    """To be inherited by tests that have a fixture `index`, over the fixture `database`."""

    @pytest.fixture
    def corpus(self, database: Database, org_id: OrgId) -> Corpus:
        return Corpus(database, org_id)

    @pytest.fixture
    def nearest(self, index: InteractionIndex, database: Database, org_id: OrgId, user_id: UserId):
        async def nearest(
            query: np.ndarray = EAST,
            limit: int = 10,
            where: InteractionFilter = ANY,
            not_before: Position | None = None,
            of: UserId = user_id,
        ) -> Sequence[Neighbour]:
            return await asking.nearest(index, database, org_id, of, query, limit, where, not_before)

        return nearest

    async def test_a_user_of_whom_nothing_is_known_has_no_neighbours(self, nearest):
        assert list(await nearest()) == []

    async def test_the_best_come_first_and_no_more_than_asked_for(self, corpus, user_id, nearest):
        published = await corpus.add(user_id, NORTH, EAST, WEST, NORTH_EAST)
        north, east, west, north_east = published.interaction_ids
        found = await nearest()
        assert [n.interaction_id for n in found] == [east, north_east, north, west]
        assert [n.score for n in found] == pytest.approx([1.0, 0.5**0.5, 0.0, -1.0], abs=1e-3)
        assert [n.interaction_id for n in await nearest(limit=2)] == [east, north_east]
        assert list(await nearest(limit=0)) == []

    async def test_another_user_or_organisation_is_never_seen(self, corpus, user_id, index, database, org_id, nearest):
        mine = await corpus.add(user_id, NORTH)
        await corpus.add(UserId(f"not {user_id}"), EAST)
        assert ids_of(await nearest()) == [*mine.interaction_ids]
        elsewhere = OrgId(org_id + 1_000_000)
        assert list(await asking.nearest(index, database, elsewhere, user_id, EAST)) == []

    async def test_of_an_interaction_with_several_pieces_the_best_counts(self, corpus, user_id, nearest):
        published = await corpus.add(user_id, [WEST, EAST, WEST], NORTH_EAST, [NORTH, WEST])
        assert ids_of(await nearest()) == [*published.interaction_ids]

    async def test_pieces_do_not_crowd_out_interactions(self, corpus, user_id, nearest):
        await corpus.add(user_id, [EAST] * 120)
        others = await corpus.add(user_id, NORTH_EAST, NORTH)
        assert ids_of(await nearest(limit=3))[1:] == [*others.interaction_ids]

    async def test_of_equals_the_newer_come_first_also_where_the_limit_cuts(self, corpus, user_id, nearest):
        old = await corpus.add(user_id, *[EAST] * 30, created_at=1_000)
        new = await corpus.add(user_id, *[EAST] * 30, created_at=3_000)
        middle = await corpus.add(user_id, *[EAST] * 30, created_at=2_000)
        by_age = [id_ for published in (new, middle, old) for id_ in reversed(published.interaction_ids)]
        for limit in (1, 7, 31, 89, 100):
            assert ids_of(await nearest(limit=limit)) == by_age[:limit]

    async def test_filters_come_before_ranking(self, corpus, user_id, nearest):
        for number in range(4):
            await corpus.add(user_id, *[EAST] * 50, session_id=f"s{number}", source="web", role="Agent")
        wanted = await corpus.add(user_id, *[WEST] * 5, session_id="wanted", source="phone", role="User")
        for where in (
            InteractionFilter(session_id=SessionId("wanted")),
            InteractionFilter(source="phone"),
            InteractionFilter(role="User"),
            InteractionFilter(request_id=wanted.request_id),
            InteractionFilter(role="User", source="phone", session_id=SessionId("wanted")),
        ):
            assert set(ids_of(await nearest(where=where, limit=5))) == set(wanted.interaction_ids)
        for where in (
            InteractionFilter(session_id=SessionId("want")),
            InteractionFilter(source=""),
            InteractionFilter(role="user"),
            InteractionFilter(request_id=new_request_id()),
            InteractionFilter(role="Agent", source="phone"),
        ):
            assert list(await nearest(where=where)) == []

    async def test_times_are_inclusive_to_the_nanosecond(self, corpus, user_id, nearest):
        moments = [1_700_000_000_000_000_000 + n for n in range(4)]
        ids = [(await corpus.add(user_id, EAST, created_at=moment)).interaction_ids[0] for moment in moments]
        found = await nearest(where=InteractionFilter(start_time=moments[1], end_time=moments[2]))
        assert ids_of(found) == [ids[2], ids[1]]
        assert list(await nearest(where=InteractionFilter(start_time=moments[3] + 1))) == []

    async def test_a_position_is_inclusive_and_tells_equal_moments_apart(self, corpus, user_id, nearest):
        first, second, third = (await corpus.add(user_id, EAST, EAST, EAST, created_at=5_000)).interaction_ids
        later = (await corpus.add(user_id, EAST, created_at=6_000)).interaction_ids[0]
        await corpus.add(user_id, EAST, created_at=4_000)
        assert ids_of(await nearest(not_before=(5_000, second))) == [later, third, second]
        assert ids_of(await nearest(not_before=(5_000, first))) == [later, third, second, first]
        assert ids_of(await nearest(not_before=(5_001, InteractionId(0)))) == [later]

    async def test_what_is_added_is_found_at_once(self, corpus, user_id, nearest):
        expected = []
        for _ in range(5):
            expected += (await corpus.add(user_id, EAST)).interaction_ids
            assert sorted(ids_of(await nearest())) == expected

    async def test_what_is_deleted_is_gone_at_once(self, corpus, user_id, nearest):
        ids = (await corpus.add(user_id, EAST, [NORTH, EAST], NORTH_EAST)).interaction_ids
        assert set(ids_of(await nearest())) == set(ids)
        await corpus.delete(user_id, ids[1])
        assert ids_of(await nearest()) == [ids[0], ids[2]]
        await corpus.delete(user_id, ids[0], ids[2])
        assert list(await nearest()) == []

    async def test_a_deletion_too_large_to_be_listed_counts(self, corpus, user_id, org_id, database, nearest):
        kept = await corpus.add(user_id, EAST)
        gone = [await corpus.add(user_id, *[EAST] * 600) for _ in range(2)]
        assert len(await nearest(limit=2000)) == 1201
        await deletions.delete_requests(database, org_id, [published.request_id for published in gone])
        assert ids_of(await nearest(limit=2000)) == [*kept.interaction_ids]

    async def test_deletions_that_were_forgotten_count(self, corpus, user_id, org_id, database, nearest):
        ids = (await corpus.add(user_id, EAST, NORTH)).interaction_ids
        assert len(await nearest()) == 2
        await corpus.delete(user_id, ids[0])
        async with database.autocommit(org_id) as connection:
            old = text("update vector_deletions set created_at = now() - interval '1 day' where org_id = :org_id")
            await connection.execute(old, {"org_id": org_id})
        await user_versions.forget_old_deletions(database)
        assert ids_of(await nearest()) == [ids[1]]

    async def test_after_everything_was_deleted_there_is_only_what_came_since(
        self, corpus, user_id, org_id, database, nearest
    ):
        await corpus.add(user_id, EAST, NORTH)
        assert len(await nearest()) == 2
        await deletions.delete_everything(database, org_id)
        assert list(await nearest()) == []
        since = await corpus.add(user_id, WEST)
        assert ids_of(await nearest()) == [*since.interaction_ids]

    async def test_a_text_deleted_before_its_vectors_came_stays_away(self, corpus, user_id, nearest):
        published = await corpus.publish(user_id, "one", "two")
        await corpus.delete(user_id, published.interaction_ids[0])
        await corpus.embed(user_id, published, EAST, EAST)
        assert ids_of(await nearest()) == [published.interaction_ids[1]]

    async def test_every_answer_of_a_random_history_is_that_of_brute_force(self, corpus, user_id, nearest):
        chance = random.Random(7)
        numbers = np.random.default_rng(7)
        live: list[InteractionId] = []
        for step in range(40):
            if live and chance.random() < 0.3:
                gone = chance.sample(live, min(len(live), chance.randint(1, 5)))
                await corpus.delete(user_id, *gone)
                live = [id_ for id_ in live if id_ not in gone]
            else:
                pieces = [random_units(numbers, chance.choice((1, 1, 1, 3))) for _ in range(chance.randint(1, 6))]
                published = await corpus.add(
                    user_id,
                    *pieces,
                    created_at=chance.randint(1, 20),
                    session_id=chance.choice("ab"),
                    role=chance.choice(("User", "Agent")),
                    source=chance.choice(("", "web")),
                )
                live += published.interaction_ids
            if step % 3 == 0:
                await self._compare_with_brute_force(corpus, user_id, nearest, chance, numbers)

    async def _compare_with_brute_force(self, corpus, user_id, nearest, chance, numbers):
        where = InteractionFilter(
            session_id=chance.choice((None, None, SessionId("a"))),
            role=chance.choice((None, None, "Agent")),
            start_time=chance.choice((None, 5)),
            end_time=chance.choice((None, 15)),
        )
        not_before = chance.choice((None, (8, InteractionId(0))))
        query, limit = random_units(numbers, 1)[0], chance.choice((1, 10, 1000))
        found = await nearest(query, limit, where, not_before)
        expected = await corpus.brute_force(user_id, query, limit, where, not_before)
        assert ids_of(found) == ids_of(expected)
        assert [n.score for n in found] == pytest.approx([n.score for n in expected], abs=1e-5)
        assert [n.created_at for n in found] == [n.created_at for n in expected]

    async def test_searches_beside_changes_see_everything_committed_before_them(self, corpus, user_id, nearest):
        """Several writers and readers at once: what was acknowledged before a search began is in its answer."""
        added: set[InteractionId] = set()
        deleted: set[InteractionId] = set()
        being_deleted: set[InteractionId] = set()
        writing = True

        async def write(number: int) -> None:
            chance = random.Random(number)
            mine: list[InteractionId] = []
            for _ in range(12):
                if mine and chance.random() < 0.4:
                    gone = mine.pop()
                    # Before: a search may see the commit before this task hears of it.
                    being_deleted.add(gone)
                    await corpus.delete(user_id, gone)
                    deleted.add(gone)
                else:
                    ids = (await corpus.add(user_id, EAST, NORTH)).interaction_ids
                    mine += ids
                    added.update(ids)

        async def read() -> int:
            searches = 0
            while writing:
                certain, gone = added - deleted, set(deleted)
                found = set(ids_of(await nearest(limit=1000)))
                assert certain - being_deleted <= found
                assert not found & gone
                searches += 1
            return searches

        readers = [asyncio.create_task(read()) for _ in range(3)]
        await asyncio.gather(*(write(number) for number in range(3)))
        writing = False
        assert min(await asyncio.gather(*readers)) > 0
        assert set(ids_of(await nearest(limit=1000))) == added - deleted


def ids_of(found: Sequence[Neighbour]) -> list[InteractionId]:
    return [neighbour.interaction_id for neighbour in found]


def random_units(numbers: np.random.Generator, count: int) -> np.ndarray:
    vectors = numbers.standard_normal((count, DIMENSION), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
