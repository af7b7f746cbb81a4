"""What a question asks for beside its words: who said it, when, and how good an answer must be."""

from datetime import UTC, datetime

import pytest
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction
from reflexio_server.search.ranking import SearchMode

from tests.search.flows import MODES, Replica, contents

EACH_MODE = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower())


def on(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def say(replica: Replica, org_id: OrgId, user_id: UserId):
    async def say(*interactions: NewInteraction) -> None:
        for interaction in interactions:
            await replica.publish(org_id, user_id, interaction)

    return say


@EACH_MODE
async def test_who_is_asked_about_comes_first(replica: Replica, org_id: OrgId, user_id: UserId, say, mode: SearchMode):
    # Both names stand in both texts, so that only the speakers differ.
    said = [NewInteraction(role=role, content="Ann and Ben like tea", created_at=5) for role in ("Ann", "Ben", "Ann")]
    await say(*said)
    for name, others in (("Ann", "Ben"), ("Ben", "Ann")):
        found = await replica.search(org_id, user_id, f"does {name.upper()} like tea", mode=mode)
        assert found.hits[0].interaction.role == name
        assert found.reading.roles == (name,)
        assert {hit.interaction.role for hit in found.hits if hit.parts.role == 0} == {others}
    found = await replica.search(org_id, user_id, "who likes tea", mode=mode)
    assert found.reading.roles == ()
    assert {hit.parts.role for hit in found.hits} == {0}


async def test_only_roles_that_the_user_has_are_read(replica: Replica, org_id: OrgId, user_id: UserId, say):
    await say(NewInteraction(role="Ann", content="tea"))
    await replica.publish(org_id, UserId(user_id + "2"), NewInteraction(role="Ben", content="tea"))
    for patience in (20.0, 0.0):
        found = await replica.search(org_id, user_id, "what do Ann and Ben drink", patience=patience)
        assert found.reading.roles == ("Ann",)


@EACH_MODE
async def test_a_question_for_a_day_prefers_what_was_said_then(
    replica: Replica, org_id: OrgId, user_id: UserId, say, mode: SearchMode
):
    days = [on(2023, 6, 3), on(2023, 5, 20), on(2022, 12, 24)]
    await say(*(NewInteraction(content="we went for a walk", created_at=day) for day in days))

    async def first(question: str) -> int:
        return (await replica.search(org_id, user_id, question, mode=mode)).hits[0].interaction.created_at

    assert await first("when was our walk on 3 June 2023") == days[0]
    assert await first("our walk in May 2023") == days[1]
    assert await first("our walk in May") == days[1]
    assert await first("our walk of 2022") == days[2]
    assert await first("our walk") == days[0], "no day: the newest"


async def test_yesterday_is_the_day_before_the_question(replica: Replica, org_id: OrgId, user_id: UserId, say):
    day = 24 * 3600
    # Near midnight the question may be asked a day later than this is written: then it is asked again.
    while True:
        today = int(datetime.now(UTC).timestamp()) // day
        user = UserId(f"{user_id} {today}")
        for ago in (1, 0, 3):
            noon = ((today - ago) * day + day // 2) * 10**9
            await replica.publish(org_id, user, NewInteraction(content="a walk", created_at=noon))
        found = await replica.search(org_id, user, "a walk yesterday", mode=SearchMode.FTS)
        if int(datetime.now(UTC).timestamp()) // day == today:
            break
    best = found.hits[0]
    assert best.interaction.created_at // 10**9 // day == today - 1
    [span] = found.reading.spans
    assert (span.start, span.end) == ((today - 1) * day * 10**9, today * day * 10**9)


async def test_what_nothing_fits_finds_nothing_where_a_score_is_asked_for(
    replica: Replica, org_id: OrgId, user_id: UserId, say
):
    await say(*(NewInteraction(content=f"my parcel number{n} is late again") for n in range(5)))
    nonsense = "xylophone quantum zebra"
    assert len((await replica.search(org_id, user_id, nonsense)).hits) == 5
    found = await replica.search(org_id, user_id, nonsense, min_score=0.3)
    assert (found.hits, found.truncated) == ([], False)
    found = await replica.search(org_id, user_id, "is parcel number3 late", min_score=0.3)
    assert contents(found)[0] == "my parcel number3 is late again"


@EACH_MODE
async def test_a_score_keeps_all_that_reach_it(replica: Replica, org_id: OrgId, user_id: UserId, say, mode: SearchMode):
    await say(*(NewInteraction(content=f"tea {'and something else ' * n}") for n in range(6)))
    everything = (await replica.search(org_id, user_id, "tea", mode=mode)).hits
    assert len(everything) == 6
    least = everything[2].score
    found = (await replica.search(org_id, user_id, "tea", mode=mode, min_score=least)).hits
    assert found == [hit for hit in everything if hit.score >= least]
    assert contents(await replica.search(org_id, user_id, " ", mode=mode, min_score=1.0)), (
        "has no effect without a query"
    )


@EACH_MODE
async def test_a_role_that_is_asked_about_is_looked_for_among_the_newest_only(
    replica: Replica, org_id: OrgId, user_id: UserId, say, mode: SearchMode
):
    await say(
        *(
            NewInteraction(role="Ann" if n < 3 else "Ben", content="tea for Ann and Ben", created_at=n + 1)
            for n in range(6)
        )
    )
    for k, roles in ((3, ["Ben"] * 3), (4, ["Ann", *["Ben"] * 3]), (100, [*["Ann"] * 3, *["Ben"] * 3])):
        where = InteractionFilter(most_recent_k=k)
        found = await replica.search(org_id, user_id, "did Ann want tea", where, mode=mode)
        assert [hit.interaction.role for hit in found.hits] == roles


@pytest.mark.parametrize("when", ["on 15 November 2023", "on 2023-11-15", "on 15.11.2023", "on November 15, 2023"])
async def test_the_numbers_of_a_day_find_nothing_that_happens_to_have_them(
    replica: Replica, org_id: OrgId, user_id: UserId, say, when: str
):
    await say(
        NewInteraction(content="the plumber came", created_at=on(2023, 11, 15)),
        NewInteraction(content="invoice INV-2023-0045 came at 15:30", created_at=on(2023, 2, 2)),
        NewInteraction(content="room 15 on floor 11 came free", created_at=on(2023, 4, 2)),
        NewInteraction(content="the deadline of 2023-11-15 came", created_at=on(2023, 3, 3)),
    )
    found = await replica.search(org_id, user_id, f"what came {when}", mode=SearchMode.FTS)
    # What names the same day in the same way may come before it.
    assert (
        contents(found)[1 if found.hits[0].interaction.content.startswith("the deadline") else 0] == "the plumber came"
    )
    found = await replica.search(org_id, user_id, "INV-2023-0045", mode=SearchMode.FTS)
    assert contents(found)[0] == "invoice INV-2023-0045 came at 15:30"
