"""Annotated conversations, read from a folder.

Two layouts are understood. One is that of `data/` beside this file: `users.jsonl` with a line for each user, and
`USER.turns.jsonl` and `USER.questions.jsonl` for each. The other has everything in `interactions.jsonl` and
`queries.jsonl`, with the questions in the categories of LoCoMo (Maharana and others, "Evaluating very long-term
conversational memory of LLM agents", 2024).
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

NOTHING = "nothing"
"""The kind of questions to which the user's history has no answer."""

KINDS = (
    "identifier",
    "first person",
    "paraphrase",
    "typo",
    "role",
    "date",
    "context",
    "action",
    "other language",
    NOTHING,
)
"""The kinds of questions in a folder of our own layout."""

_CATEGORIES = (
    ("1 to 4", ("1", "2", "3", "4")),
    ("1 multi-hop", ("1",)),
    ("2 temporal", ("2",)),
    ("3 open-domain", ("3",)),
    ("4 single-hop", ("4",)),
    ("5 adversarial", ("5",)),
)

_FOREIGN = 20
"""How many questions of another conversation each user is asked, where the layout has none without an answer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One interaction of a conversation."""

    turn_id: str
    """Unique among the user's."""
    session: str
    created_at: datetime
    """To the second; no two turns of a session share one."""
    interaction: Mapping[str, Any]
    """What the client publishes, without the time."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what ought to be found."""

    question_id: str
    kind: str
    text: str
    """May name dates of turns, see `dates.filled`."""
    evidence: frozenset[str]
    """The ids of the turns that answer it; empty where nothing does."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything of one user."""

    user_id: str
    turns: Sequence[Turn]
    questions: Sequence[Question]
    asked_at: datetime | None = None
    """When the questions are asked; None where it does not matter."""
    text_search_config: str = "english"


@dataclass(frozen=True, slots=True)
class DataSet:
    """All conversations of a folder."""

    name: str
    conversations: Sequence[Conversation]
    groups: Sequence[tuple[str, Sequence[str]]]
    """The rows of the report: what they are called, and the kinds of questions in each."""


def load(folder: Path) -> DataSet:
    """Read a folder in either layout.

    Raises:
        FileNotFoundError: It has neither.
        ValueError: A user's turns or questions contradict themselves; the message says where.
    """
    found = _own(folder) if (folder / "users.jsonl").exists() else _by_category(folder)
    for conversation in found.conversations:
        _check(conversation)
    return found


def _own(folder: Path) -> DataSet:
    conversations = []
    for user in _lines(folder / "users.jsonl"):
        name = user["user_id"]
        turns = [
            Turn(line.pop("id"), line.pop("session"), datetime.fromisoformat(line.pop("created_at")), line)
            for line in _lines(folder / f"{name}.turns.jsonl")
        ]
        questions = [
            Question(f"{name}/{line['id']}", line["kind"], line["text"], frozenset(line["evidence"]))
            for line in _lines(folder / f"{name}.questions.jsonl")
        ]
        asked_at = datetime.fromisoformat(user["asked_at"])
        conversations.append(Conversation(name, turns, questions, asked_at, user["text_search_config"]))
    answerable = [kind for kind in KINDS if kind != NOTHING]
    groups = [("all", answerable), *((kind, [kind]) for kind in answerable)]
    return DataSet("The set of this repository", conversations, groups)


def _by_category(folder: Path) -> DataSet:
    turns = defaultdict(list)
    for line in _lines(folder / "interactions.jsonl"):
        turns[line["user_id"]].append(
            Turn(
                line["dia_id"],
                str(line["session"]),
                datetime.fromisoformat(line["when"]),
                {"role": line["speaker"], "content": line["text"]},
            )
        )
    questions = defaultdict(list)
    for line in _lines(folder / "queries.jsonl"):
        questions[line["user_id"]].append(
            Question(line["qid"], str(line["category"]), line["text"], frozenset(line["gold"]))
        )
    foreign = {user_id: _foreign(user_id, turns, questions) for user_id in turns}
    conversations = [
        Conversation(user_id, turns[user_id], [*questions[user_id], *foreign[user_id]]) for user_id in turns
    ]
    return DataSet(f"Conversations of the folder `{folder.name}`, by category", conversations, _CATEGORIES)


def _foreign(
    user_id: str, turns: Mapping[str, Sequence[Turn]], questions: Mapping[str, Sequence[Question]]
) -> list[Question]:
    """Some questions about people who do not speak in this conversation: the next one's without a speaker of it."""
    speakers = {name: {turn.interaction["role"] for turn in of} for name, of in turns.items()}
    names = list(turns)
    place = names.index(user_id)
    for other in (*names[place + 1 :], *names[:place]):
        if not speakers[other] & speakers[user_id]:
            asked = questions[other][:: max(1, len(questions[other]) // _FOREIGN)][:_FOREIGN]
            return [Question(f"{user_id} asked {one.question_id}", NOTHING, one.text, frozenset()) for one in asked]
    return []


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _check(conversation: Conversation) -> None:
    ids = {turn.turn_id for turn in conversation.turns}
    moments = {(turn.session, int(turn.created_at.timestamp())) for turn in conversation.turns}
    if len(ids) < len(conversation.turns) or len(moments) < len(conversation.turns):
        message = f"{conversation.user_id}: two turns share an id, or a second of a session"
        raise ValueError(message)
    for question in conversation.questions:
        if unknown := question.evidence - ids:
            message = f"{question.question_id}: no turn is called {', '.join(sorted(unknown))}"
            raise ValueError(message)
        if bool(question.evidence) == (question.kind == NOTHING):
            message = f"{question.question_id}: {question.kind!r} with {len(question.evidence)} turns as evidence"
            raise ValueError(message)
