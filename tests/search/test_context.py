"""Context: what was said just before and after helps to find an interaction, whatever order it was published in."""

from dataclasses import replace

import pytest
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction
from reflexio_server.search.ranking import SearchMode
from reflexio_server.store import deletions

from tests.search.flows import Replica, contents

TURN = NewInteraction(role="Ann", content="where did you spend your vacation", created_at=100)
ANSWER = NewInteraction(role="Ben", content="at the lake", created_at=101)
FAR = [NewInteraction(role="Ben", content=f"blue number{n}", created_at=200 + n) for n in range(12)]


@pytest.fixture
def ask(replica: Replica, org_id: OrgId, user_id: UserId):
    async def ask(text: str = "vacation", mode: SearchMode = SearchMode.FTS) -> list[str]:
        return contents(await replica.search(org_id, user_id, text, mode=mode, top_k=50))

    return ask


@pytest.fixture
def publish(replica: Replica, org_id: OrgId, user_id: UserId):
    async def publish(*interactions: NewInteraction, session_id: str = "s", embedded: bool = True):
        published = await replica.publish(org_id, user_id, *interactions, session_id=session_id)
        if embedded:
            await replica.search(org_id, user_id, "anything", mode=SearchMode.VECTOR)
            assert await replica.queued(org_id, user_id) == 0
        return published.interaction_ids

    return publish


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "at once"])
async def test_an_answer_is_found_by_the_words_of_what_it_answers(publish, ask, embedded: bool):
    await publish(*FAR, session_id="other")
    await publish(TURN, ANSWER, embedded=embedded)
    assert await ask() == [TURN.content, ANSWER.content]


async def test_so_it_is_where_each_was_published_apart(publish, ask):
    await publish(TURN)
    await publish(ANSWER)
    assert await ask() == [TURN.content, ANSWER.content]


async def test_so_it_is_where_the_earlier_turn_comes_late(publish, ask):
    await publish(ANSWER, *FAR)
    assert await ask() == []
    await publish(TURN)
    assert await ask() == [TURN.content, *(content for content in (ANSWER.content, "blue number0", "blue number1"))]


async def test_what_is_deleted_helps_nobody_any_more(replica: Replica, org_id: OrgId, user_id: UserId, publish, ask):
    [turn, _] = await publish(TURN, ANSWER)
    assert await ask() == [TURN.content, ANSWER.content]
    await deletions.delete_interaction(replica.database, org_id, user_id, turn)
    assert await ask() == []
    assert await ask("lake") == [ANSWER.content]


async def test_what_is_deleted_between_two_turns_brings_them_together(
    replica: Replica, org_id: OrgId, user_id: UserId, publish, ask
):
    between = [NewInteraction(role="Ben", content="hm", created_at=100) for _ in range(3)]
    ids = await publish(TURN, *between, ANSWER)
    assert ANSWER.content not in await ask()
    await deletions.delete_interaction(replica.database, org_id, user_id, ids[2])
    assert ANSWER.content in await ask()


async def test_another_session_is_no_context(publish, ask):
    await publish(TURN, session_id="one")
    await publish(ANSWER, session_id="two")
    assert await ask() == [TURN.content]


async def test_without_a_session_what_was_published_together_is_context(publish, ask):
    await publish(TURN, ANSWER, session_id="")
    await publish(replace(ANSWER, content="not this", created_at=102), session_id="")
    assert await ask() == [TURN.content, ANSWER.content]


async def test_a_turn_that_does_not_fulfil_the_conditions_is_context_all_the_same(
    replica: Replica, org_id: OrgId, user_id: UserId, publish
):
    await publish(TURN, ANSWER)
    for where in (InteractionFilter(role="Ben"), InteractionFilter(most_recent_k=1), InteractionFilter(start_time=101)):
        found = await replica.search(org_id, user_id, "vacation", where, mode=SearchMode.FTS)
        assert contents(found) == [ANSWER.content]


async def test_context_counts_for_meaning_too(replica: Replica, org_id: OrgId, user_id: UserId, publish):
    await publish(TURN, ANSWER)
    await publish(replace(ANSWER, created_at=1), session_id="alone")
    found = await replica.search(org_id, user_id, TURN.content, mode=SearchMode.VECTOR)
    assert contents(found) == [TURN.content, ANSWER.content, ANSWER.content]
    [_, beside, alone] = found.hits
    assert (beside.interaction.session_id, alone.interaction.session_id) == ("s", "alone")
    assert beside.score > alone.score


async def test_every_replica_sees_the_same_context(replicas: list[Replica], org_id: OrgId, user_id: UserId, publish):
    async def ask_all() -> list[list[tuple[str, float]]]:
        answers = [await r.search(org_id, user_id, "vacation lake", mode=SearchMode.HYBRID) for r in replicas]
        return [[(hit.interaction.content, hit.score) for hit in answer.hits] for answer in answers]

    await publish(ANSWER, *FAR)
    first = await ask_all()
    assert first[0] == first[1]
    await publish(TURN)
    second = await ask_all()
    assert second[0] == second[1] != first[0]
