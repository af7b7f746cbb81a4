"""Full-text search: any of the words, the rare ones weighing more."""

import asyncio
import itertools
import string
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reflexio_server.domain.ids import OrgId, UserId, new_request_id
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction
from reflexio_server.store import interactions, text_search
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.text_search import TextMatch

from tests.store.publishing import all_of, publication, publish

ALL = InteractionFilter()
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@pytest.fixture
def matches(database: Database, org_id: OrgId, user_id: UserId):
    """Searches, and returns what was said with the scores."""

    async def search(
        query: str, where: InteractionFilter = ALL, limit: int = 10, config: str = "english"
    ) -> list[tuple[str, float]]:
        async with database.autocommit() as connection:
            not_before = await interactions.oldest_of_most_recent(connection, org_id, user_id, where.most_recent_k)
            found: Sequence[TextMatch] = await text_search.matches(
                connection, org_id, user_id, query, limit, where, not_before, config
            )
            ids = [match.interaction_id for match in found]
            rows = await interactions.fetch(connection, org_id, ids, with_images=False)
        assert [match.created_at for match in found] == [rows[i].created_at for i in ids]
        return [(rows[match.interaction_id].content, match.score) for match in found]

    return search


@pytest.fixture
def say(store: PublicationStore, org_id: OrgId, user_id: UserId):
    """Publishes texts, each newer than the one before."""

    async def publish_texts(*texts: str | NewInteraction, **options: str) -> None:
        await publish(store, org_id, publication(user_id, *texts, **options))

    return publish_texts


def contents(found: list[tuple[str, float]]) -> list[str]:
    return [content for content, _ in found]


async def test_a_question_finds_what_shares_some_of_its_words(matches, say):
    await say("my phone battery dies by noon", "the weather is fine", "I like phones")
    found = await matches("Why is the battery of my phone empty so early?")
    assert contents(found) == ["my phone battery dies by noon", "I like phones"]
    assert all(0 < score <= 1 for _, score in found)


async def test_rare_words_weigh_more(matches, say):
    await say("a zither stands there", *(f"a guitar stands there, number {n}" for n in range(20)))
    found = await matches("guitar zither")
    assert contents(found)[0] == "a zither stands there"
    assert found[0][1] > 2 * found[1][1]


async def test_more_of_the_words_is_better(matches, say):
    await say("red apple pie", "red apple", "red")
    assert contents(await matches("red apple pie")) == ["red apple pie", "red apple", "red"]


async def test_a_word_said_often_counts_more_but_no_score_exceeds_one(matches, say):
    await say("tea", "tea " * 2000)
    found = await matches("tea")
    assert [len(content) for content in contents(found)] == [8000, 3]
    assert found[0][1] <= 1


async def test_words_are_found_in_their_other_forms(matches, say):
    await say("she was running")
    assert contents(await matches("runs")) == ["she was running"]


async def test_the_description_of_an_action_and_the_role_are_searched_too(matches, say):
    await say(
        NewInteraction(content="hm", user_action_description="clicked on the basket"),
        NewInteraction(role="Plumber", content="it leaks"),
        NewInteraction(shadow_content="the secret of the shadow", expert_content="the secret of the expert"),
    )
    assert contents(await matches("basket")) == ["hm"]
    assert contents(await matches("what did the plumber say")) == ["it leaks"]
    assert await matches("secret") == []


@pytest.mark.parametrize("query", ["the of and is", "", "  ", "?!", "🙂", "'", '"', "\\", "& | ! <->", "()", ":*"])
async def test_a_query_without_words_finds_nothing(matches, say, query: str):
    await say("the of and is", "something else")
    assert await matches(query) == []


@pytest.mark.parametrize(
    "query",
    [
        "it's a 'quoted' phrase",
        "back\\slash \\' \\\\",
        "battery & !phone | (x <-> y) :*",
        "battery:A* or not",
        "'; drop table interactions; --",
        '"battery" -phone OR',
        "battery %s $1 :query {x}",
        "battery ''",
        "https://example.com/battery?x=y&z=' battery",
        "foo-battery a@b.c 1.5e10 /usr/lib/battery",
    ],
)
async def test_operators_and_quotes_are_words_like_others(matches, say, query: str):
    await say("battery's quote: it's a 'quoted' back\\slash phrase", query)
    assert query in contents(await matches(query))


@given(TEXTS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_query_is_too_strange(matches, query: str):
    assert isinstance(await matches(query), list)


@given(TEXTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_was_said_is_found_by_itself(database: Database, store: PublicationStore, org_id: OrgId, said: str):
    user_id = UserId(str(new_request_id()))
    await publish(store, org_id, publication(user_id, NewInteraction(role="", content=said), "zebra"))
    async with database.autocommit() as connection:
        for config in ("simple", "english"):
            found = await text_search.matches(connection, org_id, user_id, f"zebra {said}", 10, ALL, None, config)
            assert found, "the other one at least"
            assert all(0 < match.score <= 1 for match in found)


async def test_with_the_same_score_the_newer_comes_first(matches, say):
    await say(*["tea with milk"] * 3, "tea with lemon", "tea with milk")
    assert contents(await matches("lemon milk tea"))[0] == "tea with lemon"
    at_one_moment = [NewInteraction(content=f"coffee {word}", created_at=5) for word in ("a1", "b2", "c3")]
    await say(*at_one_moment)
    assert contents(await matches("coffee")) == ["coffee c3", "coffee b2", "coffee a1"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (InteractionFilter(role="Agent"), ["tea 2", "tea 0"]),
        (InteractionFilter(start_time=2), ["tea 3", "tea 2"]),
        (InteractionFilter(end_time=1), ["tea 1", "tea 0"]),
        (InteractionFilter(most_recent_k=3), ["tea 3", "tea 2", "tea 1"]),
        (InteractionFilter(most_recent_k=3, role="Agent"), ["tea 2"]),
        (InteractionFilter(session_id="other"), []),
        (InteractionFilter(source="chat", session_id="s"), ["tea 3", "tea 2", "tea 1", "tea 0"]),
    ],
    ids=str,
)
async def test_conditions_hold(matches, say, where: InteractionFilter, found: list[str]):
    said = [NewInteraction(role="User" if n % 2 else "Agent", content=f"tea {n}", created_at=n) for n in range(4)]
    await say(*said, session_id="s", source="chat")
    assert contents(await matches("tea", where)) == found


async def test_rarity_is_measured_among_what_is_considered(matches, say):
    await say(*["tea"] * 3, session_id="s")
    await say("coffee", *["tea"] * 20, *["coffee"] * 30, session_id="t")
    among_s = dict(await matches("tea coffee", InteractionFilter(session_id="s")))
    among_all = dict(await matches("tea coffee", limit=100))
    assert among_s["tea"] < among_all["tea"], "in the session everybody says tea, so that it tells little"


async def test_asking_for_ten_gives_the_ten_best(matches, say):
    await say(*(f"tea {'tea ' * n}" for n in range(15)))
    found = await matches("tea", limit=10)
    assert len(found) == 10
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert contents(found) == contents(await matches("tea", limit=100))[:10]


async def test_of_a_very_long_query_the_first_words_count(matches, say):
    await say("zzz is the word")
    others = [a + b for a in string.ascii_lowercase for b in "xyz"]
    assert contents(await matches(" ".join(["zzz", *others[:70]]))) == ["zzz is the word"]


@pytest.mark.parametrize("pattern", ["a_", "a1@", "./", "<!--a", "-", "x.y/", "&a", "'"])
async def test_no_text_takes_long(matches, say, pattern: str):
    async with asyncio.timeout(10):
        await say(
            NewInteraction(content=f"whale {pattern * 87_000}"[:262_144], user_action_description=pattern * 50_000)
        )
        assert len(await matches(f"whale {pattern * 5_000}")) == 1


async def test_texts_of_very_many_words_can_be_stored(matches, say):
    letters = string.ascii_lowercase
    words = ("".join(letters) for letters in itertools.product(letters, repeat=5))
    pairs = " ".join(f"{next(words)}-{next(words)}" for _ in range(21_000))
    others = " ".join(f"{next(words)}.{next(words)}/x" for _ in range(18_000))
    await say(NewInteraction(content=pairs, user_action_description=others))
    assert len(await matches("aaaab")) == 1


async def test_another_language(database: Database, org_id: OrgId, user_id: UserId, matches):
    german = PublicationStore(database, InteractionIds(database), "german")
    await publish(german, org_id, publication(user_id, "Die Häuser waren alt", "und die Katzen auch"))
    assert contents(await matches("altes Haus", config="german")) == ["Die Häuser waren alt"]
    assert await matches("und die", config="german") == []


async def test_another_user_finds_nothing_of_it(database: Database, org_id: OrgId, user_id: UserId, say):
    await say("a secret")
    async with database.autocommit() as connection:
        for org, user in ((org_id, UserId(user_id + "2")), (OrgId(org_id + 1_000_000), user_id)):
            found = await text_search.matches(connection, org, user, "secret", 10, ALL, None, "english")
            assert list(found) == []
    assert len(await all_of(database, org_id, user_id)) == 1
