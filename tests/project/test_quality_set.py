"""The search-quality set is well-formed: its kinds, its evidence, its days, its identifiers."""

import json
import re
from collections import Counter
from datetime import timedelta

import pytest

from benchmarks.quality.__main__ import OWN
from benchmarks.quality.dataset import KINDS, NOTHING, load
from benchmarks.quality.dates import FORMS

LEAST_OF_A_KIND = 24
LEAST_WITHOUT_AN_ANSWER = 60
# In days before the question; exactly a week ago lies in "last week" however weeks are counted.
RELATIVE = {"this morning": 0, "yesterday": 1, "last week": 7, "two weeks ago": 14}

SET = load(OWN)
USERS = pytest.mark.parametrize("user", SET.conversations, ids=lambda user: user.user_id)


def _placeholders(question):
    return re.findall(r"\{(\w+) (\S+)\}", question.text)


def _plain(text):
    return re.sub(r"[\W_]", "", text).casefold()


def _said(turn):
    return _plain(turn.interaction.get("content", "") + turn.interaction.get("user_action_description", ""))


def test_there_is_enough_of_everything():
    kinds = Counter(question.kind for user in SET.conversations for question in user.questions)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= LEAST_OF_A_KIND
    assert kinds[NOTHING] >= LEAST_WITHOUT_AN_ANSWER
    assert len(SET.conversations) >= 12
    assert sum(len(user.turns) for user in SET.conversations) >= 900


def test_every_file_belongs_to_a_user_and_is_short():
    expected = {f"{user.user_id}.{part}.jsonl" for user in SET.conversations for part in ("turns", "questions")}
    assert {file.name for file in OWN.iterdir()} == expected | {"users.jsonl"}
    assert max(file.stat().st_size for file in OWN.iterdir()) < 40_000


def test_no_question_is_asked_twice():
    ids = [question.question_id for user in SET.conversations for question in user.questions]
    texts = [(user.user_id, question.text) for user in SET.conversations for question in user.questions]
    assert len(set(ids)) == len(ids)
    assert len(set(texts)) == len(texts)


@USERS
def test_a_conversation_has_sessions_roles_and_an_order(user):
    assert 40 <= len(user.turns) <= 120
    assert len({turn.session for turn in user.turns}) >= 5
    assert len({turn.interaction["role"] for turn in user.turns}) >= 2
    times = [turn.created_at for turn in user.turns]
    assert times == sorted(times)
    assert times[-1] < user.asked_at
    actions = [turn for turn in user.turns if turn.interaction.get("user_action_description")]
    assert actions
    assert all(turn.interaction.get("content") or turn in actions for turn in user.turns)


@USERS
def test_questions_about_days_have_one_answer(user):
    turns = {turn.turn_id: turn for turn in user.turns}
    for question in user.questions:
        ages = {(user.asked_at.date() - turns[turn_id].created_at.date()).days for turn_id in question.evidence}
        named = [phrase for phrase in RELATIVE if phrase in question.text]
        assert not named or question.kind != "date" or ages == {RELATIVE[named[-1]]}, question
        for form, turn_id in _placeholders(question):
            assert form in FORMS
            assert turn_id in question.evidence
            there = turns[turn_id]
            if form == "weekday":
                assert all(2 <= age <= 6 for age in ages), question
            if form == "month":
                # Wherever the conversation is moved to, no other session lies in that month.
                others = [turn for turn in user.turns if turn.session != there.session]
                apart = min(abs(turn.created_at.date() - there.created_at.date()) for turn in others)
                assert apart >= timedelta(days=31), question


@USERS
def test_the_evidence_of_an_identifier_is_every_turn_that_has_it(user):
    file = OWN / f"{user.user_id}.questions.jsonl"
    for question in map(json.loads, file.read_text("utf-8").splitlines()):
        assert ("identifier" in question) == (question["kind"] == "identifier")
        if "identifier" in question:
            named = _plain(question["identifier"])
            assert named in _plain(question["text"])
            assert question["evidence"] == [turn.turn_id for turn in user.turns if named in _said(turn)], question
