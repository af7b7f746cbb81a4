"""Searching by words: any of the words, the rare ones weighing more."""

import asyncio
import itertools
import string
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reflexio_server.domain.ids import OrgId, SessionId, UserId, new_request_id
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction
from reflexio_server.publish.publisher import Publisher
from reflexio_server.search.ranking import SearchMode
from reflexio_server.store import deletions
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import PublicationStore

from tests.search.flows import Replica, contents
from tests.store.publishing import publication, publish

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@pytest.fixture
def find(replica: Replica, org_id: OrgId, user_id: UserId):
    """Searches by words, and returns what was said with the scores."""

    async def search(query: str, where: InteractionFilter | None = None, top_k: int = 10) -> list[tuple[str, float]]:
        found = await replica.search(org_id, user_id, query, where, top_k=top_k, mode=SearchMode.FTS)
        assert (found.not_yet_embedded, found.set_aside, found.words_only) == (0, 0, False)
        return [(hit.interaction.content, hit.score) for hit in found.hits]

    return search


@pytest.fixture
def say(replica: Replica, org_id: OrgId, user_id: UserId):
    """Publishes texts, each newer than the one before, and a conversation of its own."""

    async def publish_texts(*texts: str | NewInteraction, **options: str) -> None:
        for text in texts:
            await replica.publish(org_id, user_id, text, **options)

    return publish_texts


@pytest.fixture
async def store_only(replica: Replica, org_id: OrgId, user_id: UserId) -> AsyncIterator:
    """Stores what nobody is to embed, because that would take the time of the tests that follow."""
    store = PublicationStore(replica.database, InteractionIds(replica.database), "english")

    async def publish_it(interaction: NewInteraction) -> None:
        await publish(store, org_id, publication(user_id, interaction))

    yield publish_it
    await deletions.delete_everything(replica.database, org_id)


def said(found: list[tuple[str, float]]) -> list[str]:
    return [content for content, _ in found]


async def test_a_question_finds_what_shares_some_of_its_words(find, say):
    await say("my phone battery dies by noon", "the weather is fine", "I like phones")
    found = await find("Why is the battery of my phone empty so early?")
    assert said(found) == ["my phone battery dies by noon", "I like phones"]
    assert all(0 < score <= 1 for _, score in found)


async def test_rare_words_weigh_more(find, say):
    await say("a zither stands there", *(f"a guitar stands there, number {n}" for n in range(20)))
    found = await find("guitar zither")
    assert said(found)[0] == "a zither stands there"
    assert found[0][1] > 2 * found[1][1]


async def test_more_of_the_words_is_better(find, say):
    await say("red apple pie", "red apple", "red")
    assert said(await find("red apple pie")) == ["red apple pie", "red apple", "red"]


async def test_a_word_said_often_counts_more_but_no_score_exceeds_one(find, say):
    await say("tea", "tea " * 2000)
    found = await find("tea")
    assert [len(content) for content in said(found)] == [8000, 3]
    assert found[1][1] < found[0][1] <= 1


async def test_words_are_found_in_their_other_forms(find, say):
    await say("she was running")
    assert said(await find("runs")) == ["she was running"]


async def test_the_description_of_an_action_and_the_role_are_searched_too(find, say):
    await say(
        NewInteraction(content="hm", user_action_description="clicked on the basket"),
        NewInteraction(role="Plumber", content="it leaks"),
        NewInteraction(shadow_content="the secret of the shadow", expert_content="the secret of the expert"),
    )
    assert said(await find("basket")) == ["hm"]
    assert said(await find("what did the plumber say")) == ["it leaks"]
    assert await find("secret") == []


@pytest.mark.parametrize("query", ["the of and is", "?!", "🙂", "'", '"', "\\", "& | ! <->", "()", ":*"])
async def test_a_query_without_words_finds_nothing(find, say, query: str):
    await say("the of and is", "something else")
    assert await find(query) == []


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
async def test_operators_and_quotes_are_words_like_others(find, say, query: str):
    await say("battery's quote: it's a 'quoted' back\\slash phrase", query)
    assert query in said(await find(query))


@given(TEXTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_query_is_too_strange(find, query: str):
    assert await find(query) == []


@given(TEXTS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_was_said_is_found_by_itself(replica: Replica, org_id: OrgId, text: str):
    user_id = UserId(str(new_request_id()))
    await replica.publish(org_id, user_id, NewInteraction(role="", content=text))
    await replica.publish(org_id, user_id, NewInteraction(role="", content=f"zebra {text}"))
    both = await replica.search(org_id, user_id, f"zebra {text}", mode=SearchMode.FTS)
    assert contents(both)[0] == f"zebra {text}"
    assert all(0 < hit.score <= 1 for hit in both.hits)
    if text.strip():
        alone = await replica.search(org_id, user_id, text, mode=SearchMode.FTS)
        assert len(alone.hits) in {0, 2}, "both have all of its words, if there are any"


async def test_with_the_same_score_the_newer_comes_first(find, say):
    await say(*["tea with milk"] * 3, "tea with lemon", "tea with milk")
    assert said(await find("lemon milk tea"))[0] == "tea with lemon"
    await say(*(NewInteraction(content=f"coffee {word}", created_at=5) for word in ("a1", "b2", "c3")))
    assert said(await find("coffee")) == ["coffee c3", "coffee b2", "coffee a1"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (InteractionFilter(role="Agent"), ["tea 0", "tea 2"]),
        (InteractionFilter(start_time=2), ["tea 2", "tea 3"]),
        (InteractionFilter(end_time=1), ["tea 0", "tea 1"]),
        (InteractionFilter(most_recent_k=3), ["tea 1", "tea 2", "tea 3"]),
        (InteractionFilter(most_recent_k=3, role="Agent"), ["tea 2"]),
        (InteractionFilter(session_id=SessionId("other")), []),
        (InteractionFilter(source="chat", session_id=SessionId("s")), ["tea 0", "tea 1", "tea 2", "tea 3"]),
    ],
    ids=str,
)
async def test_conditions_hold(find, say, where: InteractionFilter, expected: list[str]):
    four = (NewInteraction(role="User" if n % 2 else "Agent", content=f"tea {n}", created_at=n) for n in range(4))
    await say(*four, session_id="s", source="chat")
    assert sorted(said(await find("tea", where))) == expected


async def test_conditions_hold_before_the_best_are_chosen(find, say, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reflexio_server.search.searcher._CANDIDATES", 1)
    await say(NewInteraction(content="tea", created_at=1), *["tea tea tea"] * 3)
    assert said(await find("tea", InteractionFilter(end_time=1), 1)) == ["tea"]


async def test_asking_for_ten_gives_the_ten_best(find, say, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reflexio_server.search.searcher._CANDIDATES", 1)
    await say(*(f"tea {'tea ' * n}" for n in range(15)))
    found = await find("tea")
    assert len(found) == 10
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert found == (await find("tea", top_k=100))[:10]


async def test_of_a_very_long_query_the_first_words_count(find, say):
    await say("zebra is the word")
    others = [f"word{n}" for n in range(70)]
    assert said(await find(" ".join(["zebra", *others]))) == ["zebra is the word"]
    assert said(await find(" ".join([*others[:63], "zebra"]))) == ["zebra is the word"]
    assert said(await find(" ".join([*others[:64], "zebra"]))) == []


@pytest.mark.parametrize("query", ["KP-2801", "kp 2801", "kp2801", "KP_2801", "where is my order KP2801?", "(kp/2801)"])
@pytest.mark.parametrize("written", ["KP-2801", "kp2801", "KP.2801"])
async def test_an_identifier_is_found_first_however_it_is_written(find, say, written: str, query: str):
    others = [f"where is my order KP-{n}, and where is my other order" for n in (2802, 280, 28010)]
    await say(f"{written} has not come", *others, "my order has not come", session_id="s")
    found = await find(query)
    assert said(found)[0] == f"{written} has not come"
    assert found[0][1] > found[1][1] if len(found) > 1 else found


async def test_an_error_code_is_found_first_however_much_was_said_around_it(find, say):
    await say(*["the build fails with some error again and again"] * 3, "E0-4711x", session_id="s")
    await say(*["error error error code"] * 3)
    assert said(await find("what about the error code E0-4711x in the build"))[0] == "E0-4711x"


@pytest.mark.parametrize("pattern", ["a_", "a1@", "1-", "1 ", "./", "<!--a", "-", "x.y/", "&a", "'"])
async def test_no_text_takes_long(find, store_only, pattern: str):
    async with asyncio.timeout(10):
        await store_only(
            NewInteraction(content=f"whale {pattern * 87_000}"[:262_144], user_action_description=pattern * 50_000)
        )
        assert len(await find(f"whale {pattern * 5_000}")) == 1


async def test_texts_of_very_many_words_can_be_stored(find, store_only):
    letters = string.ascii_lowercase
    words = ("".join(letters) for letters in itertools.product(letters, repeat=5))
    pairs = " ".join(f"{next(words)}-{next(words)}{'1' * (n < 5000)}" for n in range(21_000))
    others = " ".join(f"{next(words)}.{next(words)}/x" for _ in range(18_000))
    await store_only(NewInteraction(content=pairs, user_action_description=others))
    for word in ("aaaaa", "aaaab1", "aaaaaaaaab1"):
        assert len(await find(word)) == 1


async def test_another_language(replica: Replica, org_id: OrgId, user_id: UserId):
    store = PublicationStore(replica.database, InteractionIds(replica.database), "german")
    german = replace(replica.with_searcher(text_search_config="german"), publisher=Publisher(store, replica.backlog))
    await german.publish(org_id, user_id, "Die Häuser waren alt")
    await german.publish(org_id, user_id, "und die Katzen auch")
    for _ in range(2):
        # The words of what is not embedded and of what is come from different places.
        found = await german.search(org_id, user_id, "altes Haus", mode=SearchMode.FTS)
        assert contents(found) == ["Die Häuser waren alt"]
        assert contents(await german.search(org_id, user_id, "und die", mode=SearchMode.FTS)) == []
        await german.search(org_id, user_id, "Haus", mode=SearchMode.VECTOR)
        assert await german.queued(org_id, user_id) == 0


async def test_another_user_finds_nothing_of_it(replica: Replica, org_id: OrgId, user_id: UserId, say, find):
    await say("a secret")
    for org, user in ((org_id, UserId(user_id + "2")), (OrgId(org_id + 1_000_000), user_id)):
        assert contents(await replica.search(org, user, "secret", mode=SearchMode.FTS)) == []
    assert said(await find("secret")) == ["a secret"]
