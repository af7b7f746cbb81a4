"""With the real model: a few hundred mixed messages of several users, and what must be found among them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import reflexio
from reflexio_server.embed.packaged_embedder import PackagedEmbedder

from tests.running import Postgres, running_server

_DAY = datetime(2024, 3, 1, 9, tzinfo=UTC)

# One fact a line: who says it, and a question that shares no word with it but small ones.
_BY_MEANING = [
    ("ana", "The battery of my phone is empty by noon.", "Why does her mobile run out of power so early?"),
    ("ana", "We adopted a kitten last weekend.", "Does the family own a young cat?"),
    ("ana", "I moved to Lisbon in spring.", "Which city does she live in now?"),
    ("ana", "Peanuts make my throat swell.", "What allergies should a cook be aware of?"),
    ("ben", "I cannot log in although the password is right.", "trouble with signing into an account"),
    ("ben", "My flight to Oslo was cancelled because of snow.", "air travel disrupted by winter weather"),
    ("ben", "I have been learning the violin since January.", "Which musical instrument is he practising?"),
    ("ben", "The invoice was charged twice to my card.", "duplicate payment on a credit statement"),
    ("cleo", "My knee hurts after every run.", "pain in the leg when jogging"),
    ("cleo", "Our daughter starts school in September.", "When will the child begin first grade?"),
    ("cleo", "I would like the meal without meat, please.", "vegetarian food preference"),
    ("cleo", "The heating in the flat makes no warmth.", "radiator broken, cold apartment"),
]
_IDENTIFIERS = [
    ("ana", "The order number is QX-48213-B.", "where is order QX-48213-B"),
    ("ben", "The screen shows error E1047 when exporting.", "what does E1047 mean"),
    ("cleo", "I talked to Mr Zwettler about it.", "Zwettler"),
]
_SUBJECTS = ("the printer", "a table lamp", "the garden hose", "my bicycle", "the coffee machine", "a rain jacket")
_REMARKS = (
    "{} arrived on time and looks fine.",
    "Is {} also available in blue?",
    "I would give {} four stars out of five.",
    "Could you send me the manual for {}?",
    "{} is larger than I thought.",
    "My neighbour wants to borrow {}.",
)
USERS = ("ana", "ben", "cleo")


@dataclass
class Memory:
    """A client of a server that holds the messages."""

    client: reflexio.ReflexioClient

    def found(self, user: str, query: str, **conditions: object) -> list[str]:
        answer = self.client.search_interactions(user_id=user, query=query, **conditions)
        return [hit.content for hit in answer.interactions]


@pytest.fixture(scope="module")
def memory(postgres: Postgres) -> Iterator[Memory]:
    embedder = PackagedEmbedder()
    with (
        running_server(postgres.new_database(), embedder=embedder) as server,
        reflexio.ReflexioClient(url_endpoint=server.url) as client,
    ):
        for user in USERS:
            _publish_small_talk(client, user)
        for number, (user, fact, _) in enumerate(_BY_MEANING + _IDENTIFIERS):
            client.publish_interaction(
                user,
                [
                    {"role": "User", "content": fact, "created_at": _DAY + timedelta(days=number)},
                    {"role": "Agent", "content": "Thank you, noted.", "created_at": _DAY + timedelta(days=number)},
                ],
                session_id=f"fact-{number}",
                source="facts",
                wait_for_response=True,
            )
        yield Memory(client)


def _publish_small_talk(client: reflexio.ReflexioClient, user: str) -> None:
    for number, subject in enumerate(_SUBJECTS):
        client.publish_interaction(
            user,
            [
                {"role": role, "content": remark.format(subject), "created_at": _DAY + timedelta(hours=number)}
                for remark in _REMARKS
                for role in ("User", "Agent", "Reviewer")
            ],
            session_id=f"talk-{number}",
            source="small talk",
        )


@pytest.mark.parametrize("mode", ["vector", "hybrid"])
@pytest.mark.parametrize(("user", "fact", "question"), _BY_MEANING)
def test_a_fact_is_found_by_its_meaning(memory: Memory, user: str, fact: str, question: str, mode: str) -> None:
    assert fact in memory.found(user, question, search_mode=mode, top_k=5)


@pytest.mark.parametrize("mode", ["fts", "hybrid"])
@pytest.mark.parametrize(("user", "fact", "question"), _IDENTIFIERS)
def test_a_rare_word_brings_its_message_first(memory: Memory, user: str, fact: str, question: str, mode: str) -> None:
    assert memory.found(user, question, search_mode=mode)[0] == fact


@pytest.mark.parametrize("mode", ["vector", "fts", "hybrid"])
@pytest.mark.parametrize("user", USERS)
def test_nothing_of_another_user_comes_back(memory: Memory, user: str, mode: str) -> None:
    others = {fact for owner, fact, _ in _BY_MEANING + _IDENTIFIERS if owner != user}
    for _, fact, question in _BY_MEANING + _IDENTIFIERS:
        assert not others & set(memory.found(user, f"{question} {fact}", search_mode=mode, top_k=1000))


@pytest.mark.parametrize("mode", ["vector", "fts", "hybrid"])
def test_filters_narrow_before_the_ranking(memory: Memory, mode: str) -> None:
    # A hundred others fit the query better than what the filter leaves.
    query = "Is the printer also available in blue? Thank you"
    answer = memory.client.search_interactions(
        user_id="ana", query=query, role="Agent", source="facts", search_mode=mode, top_k=5
    )
    assert [hit.content for hit in answer.interactions] == ["Thank you, noted."] * 5
    only = memory.client.search_interactions(
        user_id="ana", query=query, session_id="fact-2", search_mode=mode, top_k=5
    ).interactions
    assert only
    assert {hit.session_id for hit in only} == {"fact-2"}
    early = memory.client.search_interactions(
        user_id="ana", query=query, end_time=_DAY + timedelta(minutes=30), search_mode=mode, top_k=50
    ).interactions
    assert {hit.session_id for hit in early} == {"talk-0", "fact-0"}
    # By words too, because what shares none stands beside what does.
    assert len(early) == 20


def test_the_most_recent_narrow_the_pool(memory: Memory) -> None:
    newest = memory.client.get_interactions("ben", top_k=4).interactions
    answer = memory.client.search_interactions(user_id="ben", query="the printer in blue", most_recent_k=4)
    assert {hit.interaction_id for hit in answer.interactions} == {hit.interaction_id for hit in newest}


def test_an_answer_at_the_end_of_a_long_message_is_found(memory: Memory) -> None:
    filler = " ".join(_REMARKS[n % len(_REMARKS)].format(_SUBJECTS[n % len(_SUBJECTS)]) for n in range(750))
    message = f"{filler} By the way, the spare key lies under the blue flower pot."
    assert len(message.split()) > 5000
    memory.client.publish_interaction("dora", [{"content": message}], wait_for_response=True)
    memory.client.publish_interaction(
        "dora", [{"content": filler[: 1000 + n]} for n in range(5)], wait_for_response=True
    )
    answer = memory.client.search_interactions(
        user_id="dora", query="Where is the extra door opener hidden?", search_mode="vector", top_k=1
    )
    assert answer.interactions[0].content == message


def test_what_was_published_without_waiting_is_found_at_once(memory: Memory) -> None:
    for number in range(10):
        fact = f"I keep {number} hens in the yard."
        memory.client.publish_interaction("emil", [{"content": fact}])
        found = memory.client.search_interactions(
            user_id="emil", query="poultry behind the house", search_mode="vector", top_k=1000
        )
        assert fact in [hit.content for hit in found.interactions]
        assert found.not_yet_embedded_count == 0
