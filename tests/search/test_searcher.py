"""Searches: what they find, in which order, and that conditions hold before anything is ranked."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.domain.ids import InteractionId, OrgId, SessionId, UserId
from reflexio_server.domain.interaction import Image, InteractionFilter, NewInteraction, UserAction
from reflexio_server.index.evidence import Evidence
from reflexio_server.index.interaction_index import InteractionIndex
from reflexio_server.search.ranking import SearchMode
from reflexio_server.store import deletions

from tests.search.flows import MODES, Replica, contents

EACH_MODE = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower())


@EACH_MODE
async def test_what_was_just_published_is_found_at_once_again_and_again(
    replicas: list[Replica], org_id: OrgId, user_id: UserId, mode: SearchMode
):
    for n in range(25):
        await replicas[n % 2].publish(org_id, user_id, f"note number{n} about tea")
        found = await replicas[n // 2 % 2].search(org_id, user_id, f"number{n}", mode=mode, top_k=1)
        assert contents(found) == [f"note number{n} about tea"]
        assert found.not_yet_embedded == 0


async def test_many_writers_and_readers_at_once_each_find_their_own(
    replicas: list[Replica], org_id: OrgId, user_id: UserId
):
    async def write_and_read(n: int) -> None:
        user = UserId(f"{user_id} {n % 4}")
        await replicas[n % 2].publish(org_id, user, f"word{n} here")
        found = await replicas[(n + 1) % 2].search(org_id, user, f"word{n}", mode=SearchMode.VECTOR)
        assert contents(found)[0] == f"word{n} here"

    await asyncio.gather(*(write_and_read(n) for n in range(40)))


@EACH_MODE
async def test_what_was_deleted_is_found_by_nobody_any_more(
    replicas: list[Replica], org_id: OrgId, user_id: UserId, mode: SearchMode
):
    done = [await replicas[0].publish(org_id, user_id, "tea", session_id=f"s{n}") for n in range(4)]
    newest_first = [i for publish in reversed(done) for i in publish.interaction_ids]
    database = replicas[0].database
    deletes = [
        lambda: deletions.delete_interaction(database, org_id, user_id, newest_first[0]),
        lambda: deletions.delete_requests(database, org_id, [done[2].request_id]),
        lambda: deletions.delete_session(database, org_id, SessionId("s1"), None),
        lambda: deletions.delete_everything(database, org_id),
    ]
    for n in range(5):
        for replica in replicas:
            # Only so many as there are: a cache that still held the best would give fewer.
            found = await replica.search(org_id, user_id, "tea", mode=mode, top_k=max(1, 4 - n))
            assert [hit.interaction.interaction_id for hit in found.hits] == newest_first[n:]
        if n < 4:
            await deletes[n]()


@EACH_MODE
async def test_other_users_and_organisations_are_never_found(
    replica: Replica, org_id: OrgId, user_id: UserId, mode: SearchMode
):
    await replica.publish(org_id, UserId(user_id + "2"), "the secret tea")
    await replica.publish(OrgId(org_id + 1_000_000), user_id, "the secret tea")
    assert contents(await replica.search(org_id, user_id, "secret tea", mode=mode)) == []
    await replica.publish(org_id, user_id, "my tea")
    assert contents(await replica.search(org_id, user_id, "secret tea", mode=mode)) == ["my tea"]


@pytest.fixture
async def crowd(replica: Replica, org_id: OrgId, user_id: UserId) -> UserId:
    """Sixty interactions of an Agent that fit "green tea" best, older and newer than twelve of a User that fit less.

    Those of the Agent were each said apart, so that they fit equally well.
    """
    for n in range(30):
        best = NewInteraction(role="Agent", content="green tea", created_at=100 + n)
        await replica.publish(org_id, user_id, best, source="bot")
    second = [NewInteraction(role="User", content=f"some tea among words {n}", created_at=200 + n) for n in range(12)]
    await replica.publish(org_id, user_id, *second, session_id="users", source="web")
    for n in range(30):
        later = NewInteraction(role="Agent", content="green tea", created_at=300 + n)
        await replica.publish(org_id, user_id, later, source="bot")
    return user_id


@EACH_MODE
@pytest.mark.parametrize(
    "where",
    [
        InteractionFilter(role="User"),
        InteractionFilter(session_id=SessionId("users")),
        InteractionFilter(source="web"),
        InteractionFilter(start_time=200, end_time=211),
        InteractionFilter(role="User", most_recent_k=42),
        InteractionFilter(most_recent_k=42, end_time=299),
    ],
    ids=str,
)
async def test_who_asks_for_ten_gets_ten_where_ten_fulfil_the_conditions(
    replica: Replica, org_id: OrgId, crowd: UserId, mode: SearchMode, where: InteractionFilter
):
    found = await replica.search(org_id, crowd, "green tea", where, mode=mode, top_k=10)
    assert len(found.hits) == 10
    assert {hit.interaction.role for hit in found.hits} == {"User"}


@EACH_MODE
async def test_most_recent_k_counts_before_the_other_conditions(
    replica: Replica, org_id: OrgId, crowd: UserId, mode: SearchMode
):
    for k, of_user in ((30, 0), (33, 3), (42, 12), (1000, 12)):
        where = InteractionFilter(role="User", most_recent_k=k)
        found = await replica.search(org_id, crowd, "tea", where, mode=mode, top_k=50)
        assert len(found.hits) == of_user


@EACH_MODE
@pytest.mark.parametrize("top_k", [1, 5, 60, 1000])
async def test_the_best_come_first_and_of_equals_the_newer(
    replica: Replica, org_id: OrgId, crowd: UserId, mode: SearchMode, top_k: int
):
    found = await replica.search(org_id, crowd, "green tea", mode=mode, top_k=top_k)
    assert len(found.hits) == min(top_k, 72)
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    moments = [hit.interaction.created_at for hit in found.hits[:60]]
    assert moments == sorted(moments, reverse=True)
    assert {hit.interaction.role for hit in found.hits[:60]} == {"Agent"}


async def test_scores_mean_what_the_contract_says(replica: Replica, org_id: OrgId, user_id: UserId):
    await replica.publish(org_id, user_id, NewInteraction(role="lemon", content="tea"))
    await replica.publish(org_id, user_id, "quite another thing")
    [best, other] = (await replica.search(org_id, user_id, "tea lemon:", mode=SearchMode.VECTOR)).hits
    assert 0.5 < best.score <= 1
    assert 0 <= other.score < best.score
    [only] = (await replica.search(org_id, user_id, "green tea", mode=SearchMode.FTS)).hits
    assert 0 < only.score <= 1
    [best, other] = (await replica.search(org_id, user_id, "green tea", mode=SearchMode.HYBRID)).hits
    assert other.score < 0.3 < best.score <= 1
    for mode in MODES:
        for hit in (await replica.search(org_id, user_id, "what about green tea in May, lemon?", mode=mode)).hits:
            assert hit.parts.total == pytest.approx(hit.score, abs=1e-5)


@EACH_MODE
@pytest.mark.parametrize("text", ["", " \n"])
async def test_without_a_query_the_newest_come(
    replica: Replica, org_id: OrgId, user_id: UserId, mode: SearchMode, text: str
):
    silent = NewInteraction(user_action=UserAction.CLICK, content="")
    await replica.publish(org_id, user_id, "one", "two", silent, "three")
    found = await replica.search(org_id, user_id, text, mode=mode, top_k=3)
    assert contents(found) == ["three", "", "two"]
    assert [hit.score for hit in found.hits] == [0, 0, 0]
    assert not found.truncated
    assert contents(await replica.search(org_id, user_id, text, InteractionFilter(most_recent_k=1))) == ["three"]


@dataclass
class InterruptedIndex:
    """An index behind whose back something happens as soon as it has answered, the first few times."""

    index: InteractionIndex
    happens: list[Any] = field(default_factory=list)

    def kept(self, *arguments: Any) -> Any:
        return self.index.kept(*arguments)

    async def roles(self, *arguments: Any) -> Collection[str]:
        return await self.index.roles(*arguments)

    async def evidence(self, *arguments: Any) -> Evidence:
        found = await self.index.evidence(*arguments)
        if self.happens:
            await self.happens.pop(0)(found)
        return found


@pytest.mark.parametrize("mode", [SearchMode.VECTOR, SearchMode.HYBRID], ids=["vector", "hybrid"])
async def test_what_is_deleted_between_ranking_and_reading_is_replaced(
    replica: Replica, org_id: OrgId, user_id: UserId, mode: SearchMode
):
    await replica.publish(org_id, user_id, *(f"tea {n}" for n in range(20)))
    deleted: set[int] = set()

    async def delete_the_best(found: Evidence) -> None:
        for place in np.argsort(found.own_similarity)[-3:]:
            best = int(found.interaction_ids[place])
            await deletions.delete_interaction(replica.database, org_id, user_id, InteractionId(best))
            deleted.add(best)

    index = InterruptedIndex(replica.searcher.index, [delete_the_best, delete_the_best])
    found = await replica.with_searcher(index=index).search(org_id, user_id, "tea", mode=mode, top_k=10)
    assert len(deleted) == 6
    assert len(found.hits) == 10
    assert not deleted & {hit.interaction.interaction_id for hit in found.hits}


async def test_a_failure_of_one_half_is_told_as_it_is(replica: Replica, org_id: OrgId, user_id: UserId):
    await replica.publish(org_id, user_id, "tea")

    async def fail(_: object) -> None:
        raise DatabaseUnavailable

    broken = replica.with_searcher(index=InterruptedIndex(replica.searcher.index, [fail, fail]))
    for mode in (SearchMode.VECTOR, SearchMode.HYBRID):
        with pytest.raises(DatabaseUnavailable):
            await broken.search(org_id, user_id, "tea", mode=mode)


@EACH_MODE
async def test_an_answer_that_would_be_too_large_is_cut_from_the_end(
    replica: Replica, org_id: OrgId, user_id: UserId, mode: SearchMode
):
    picture = Image(b"x" * 1000, "image/png")
    said = [NewInteraction(content=f"tea {n}", image=picture) for n in range(20)]
    await replica.publish(org_id, user_id, *said)
    small = replica.with_searcher(most_bytes=3500)
    for query in ("tea", ""):
        everything = await replica.search(org_id, user_id, query, mode=mode, top_k=20, with_images=True)
        assert (len(everything.hits), everything.truncated) == (20, False)
        found = await small.search(org_id, user_id, query, mode=mode, top_k=20, with_images=True)
        assert found.truncated
        assert contents(found) == contents(everything)[:3]
        assert all(hit.interaction.image == picture for hit in found.hits)
        plain = await small.search(org_id, user_id, query, mode=mode, top_k=20)
        assert (len(plain.hits), plain.truncated) == (20, False)
        tiny = await replica.with_searcher(most_bytes=10).search(
            org_id, user_id, query, mode=mode, top_k=20, with_images=True
        )
        assert (len(tiny.hits), tiny.truncated) == (1, True), "one at least"


async def test_the_end_of_a_long_message_is_found_and_the_message_comes_once(
    replica: Replica, org_id: OrgId, user_id: UserId
):
    beginning = " ".join(f"filler{n % 90}" for n in range(3000))
    long = f"{beginning} {'lisbon harbour ' * 300}"
    await replica.publish(org_id, user_id, long, *(f"filler{n} harbour" for n in range(20)))
    found = await replica.search(org_id, user_id, "lisbon harbour", mode=SearchMode.VECTOR, top_k=3)
    assert contents(found)[0] == long
    assert len({hit.interaction.interaction_id for hit in found.hits}) == 3
