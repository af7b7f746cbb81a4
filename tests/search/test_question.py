"""Reading a question: the roles that it names, and how it reads in the first person."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reflexio_server.search.dates import spans_in
from reflexio_server.search.question import Reading, read

CURLY = "\N{RIGHT SINGLE QUOTATION MARK}"
LONG_S = "\N{LATIN SMALL LETTER LONG S}"
NOW = int(datetime(2024, 6, 12, 15, tzinfo=UTC).timestamp()) * 10**9
ROLES = ["Caroline", "Ann", "Ann Lee", "User", "Agent", "assistant", "Dr. Jean-Luc Neil", "Ünal", "Mary Ann"]


def roles(text: str, among: list[str] | None = None) -> list[str]:
    return list(read(text, among or ROLES, NOW).roles)


def first_person(text: str) -> str:
    return read(text, ROLES, NOW).first_person


@pytest.mark.parametrize(
    "text",
    ["what did Caroline say", "WHAT DID CAROLINE SAY", "caroline?", "(Caroline)", f"tell me of caroline{CURLY}s day"],
)
def test_a_role_is_named_in_any_case(text: str):
    assert roles(text) == ["Caroline"]


@pytest.mark.parametrize(
    "text", ["carolines", "Carol", "a carolinean", "Caroline_2", "xCaroline", "anniversary", "Lee", "Jean"]
)
def test_a_part_of_a_name_or_a_longer_word_names_nobody(text: str):
    assert read(text, ROLES, NOW) == Reading((), (), text)


def test_several_roles_are_in_the_order_of_their_names_each_once():
    assert roles("did Ünal meet Caroline, or did Ann meet Caroline?") == ["Ann", "Caroline", "Ünal"]


def test_the_longest_name_wins():
    assert roles("where does Ann Lee live") == ["Ann Lee"]
    assert roles("where does Ann live") == ["Ann"]
    assert roles("where does Mary Ann Lee live") == ["Mary Ann"], "names are read from left to right"


def test_names_of_several_words_and_letters_are_found_however_they_are_joined():
    assert roles("what did dr jean luc neil say") == ["Dr. Jean-Luc Neil"]
    assert roles("what did ÜNAL say") == ["Ünal"]
    assert roles("did ann  lee call") == ["Ann Lee"]


def test_roles_that_differ_in_case_only_are_all_meant():
    assert roles("what did bob say", ["Bob", "bob", "BOB", "Rob"]) == ["BOB", "Bob", "bob"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what did the agent say", ["Agent"]),
        ("What did the Assistant recommend?", ["assistant"]),
        ("what was said by the user", ["User"]),
        ("did agent agree", ["Agent"]),
        ("my assistant's advice", ["assistant"]),
        ("which agent framework do I use", []),
        ("user interface colours", []),
        ("an assistant professor", []),
        ("AGENT", []),
    ],
)
def test_common_nouns_are_roles_only_where_they_speak(text: str, expected: list[str]):
    assert roles(text) == expected


def test_the_agent_is_the_assistant_where_nobody_is_called_agent():
    among = ["User", "assistant"]
    assert roles("What did the agent recommend?", among) == ["assistant"]
    assert roles("What did the customer want?", among) == ["User"]
    assert roles("What did the agent recommend?") == ["Agent"]
    assert read("What did the bot say?", ["Ann"], NOW) == Reading((), (), "What did the bot say?")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is Caroline's favourite colour?", "What is my favourite colour?"),
        (f"What is Caroline{CURLY}s favourite colour?", "What is my favourite colour?"),
        ("Where did caroline go with Ann Lee?", "Where did I go with I?"),
        ("What did the user say?", "What did I say?"),
        ("Caroline", "I"),
        ("Ann's and Caroline's house", "my and my house"),
        ("Does Caroline like an agent framework?", "Does I like an agent framework?"),
        ("what is the time?", "what is the time?"),
    ],
)
def test_in_the_first_person_roles_are_i_and_my(text: str, expected: str):
    assert first_person(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "what did I say about tea?",
        "WHAT DID I ASK FOR",
        "had i actually complained of it? did I complain?",
        "the order that I mentioned",
        "which number have I given",
    ],
)
def test_who_asks_for_their_own_words_asks_for_the_user(text: str):
    assert roles(text) == ["User"]
    assert roles(text, ["Ann", "user"]) == [], "only where there is such a role"
    assert first_person(text) == text


@pytest.mark.parametrize("text", ["what do I like", "did Igor say so", "did you tell me", "what I"])
def test_other_questions_in_the_first_person_ask_for_nobody(text: str):
    assert roles(text) == []


def test_one_may_ask_for_oneself_and_another():
    assert roles("what did I tell Caroline") == ["Caroline", "User"]


def test_days_are_read_too():
    text = "What did Caroline do yesterday?"
    assert read(text, ROLES, NOW) == Reading(("Caroline",), tuple(spans_in(text, NOW)), "What did I do yesterday?")
    assert len(read(text, [], NOW).spans) == 1


def test_each_day_is_named_once_and_not_more_than_can_be_ranked():
    assert len(read("yesterday, I mean yesterday", [], NOW).spans) == 1
    assert len(read(" ".join(f"{days} days ago" for days in range(500)), [], NOW).spans) == 100


def test_a_role_without_words_or_with_very_many_is_never_named():
    for role in ("", "!!", "a b c d e"):
        assert read(f"what did {role} say", [role], NOW).roles == ()


TEXTS = st.text(max_size=40) | st.lists(
    st.sampled_from(["ann", "Lee", "the", "agent", "did", "'s", f"{CURLY}s", LONG_S, "İ", "Mary", " ", "?", "ŉ"]),
    max_size=10,
).map(" ".join)


@settings(max_examples=80)
@given(TEXTS, st.lists(TEXTS | st.sampled_from(ROLES), max_size=4))
def test_no_text_and_no_role_is_too_strange(text: str, among: list[str]):
    reading = read(text, among, NOW)
    assert set(reading.roles) <= set(among)
    assert read(text, [], NOW).first_person == text
    if not reading.roles:
        assert reading.first_person == text


@pytest.mark.parametrize(
    "pattern",
    ["may ", "in may ", "may    ", "the agent ", "agent ", "user's ", "ann ", "1 of ", "in - ", "the  ", "did I ", "1"],
)
async def test_no_question_takes_long(pattern: str):
    text = pattern * (100_000 // len(pattern))
    # Far larger than a query may be: what takes time by the square of the length takes minutes here.
    async with asyncio.timeout(20):
        await asyncio.to_thread(read, text, ROLES, NOW)
