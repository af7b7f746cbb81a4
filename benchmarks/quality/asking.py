"""Publishing conversations to a running service, and asking it."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reflexio import AsyncReflexioClient, ReflexioError

from benchmarks.quality.dataset import Conversation, Question
from benchmarks.quality.dates import filled, shift

_AT_ONCE = 8
"""Questions that are under way."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service found for a question."""

    user_id: str
    question: Question
    text: str
    """The question as it was asked."""
    mode: str
    found: Sequence[str]
    """The ids of turns, best first."""
    scores: Sequence[float]
    """Theirs, in the same order."""


class Asked:
    """One user's conversation, moved to where its questions are asked today."""

    def __init__(self, conversation: Conversation, now: datetime) -> None:
        self._conversation = conversation
        self._moved_by = shift(conversation.asked_at, now)
        self._ids = {
            (self._session_id(turn.session), self._seconds(turn.created_at)): turn.turn_id
            for turn in conversation.turns
        }

    def publishes(self) -> Iterator[dict[str, Any]]:
        """What to publish: each turn by itself, as it happened."""
        for turn in self._conversation.turns:
            created_at = turn.created_at + self._moved_by
            yield {
                "user_id": self._conversation.user_id,
                "session_id": self._session_id(turn.session),
                "interactions": [{**turn.interaction, "created_at": created_at}],
            }

    async def ask(self, client: AsyncReflexioClient, question: Question, mode: str) -> Answer:
        """Search as anybody would: with the defaults of everything but the mode."""
        times = {turn.turn_id: turn.created_at + self._moved_by for turn in self._conversation.turns}
        text = filled(question.text, times)
        user_id = self._conversation.user_id
        hits = (await client.search_interactions(user_id=user_id, query=text, search_mode=mode)).interactions
        found = [self._ids[hit.session_id or "", hit.created_at] for hit in hits]
        return Answer(user_id, question, text, mode, found, [hit.score or 0.0 for hit in hits])

    def _session_id(self, session: str) -> str:
        return f"{self._conversation.user_id}, session {session}"

    def _seconds(self, moment: datetime) -> int:
        return int((moment + self._moved_by).timestamp())


async def publish(client: AsyncReflexioClient, conversations: Sequence[Asked]) -> None:
    """Publish all of them.

    Raises:
        ReflexioError: Something was refused.
    """
    everything = (one for conversation in conversations for one in conversation.publishes())
    async for result in client.publish_interactions(everything):
        if isinstance(result, ReflexioError):
            raise result


async def ask_all(
    client: AsyncReflexioClient, conversations: Sequence[tuple[Asked, Sequence[Question]]], mode: str
) -> list[Answer]:
    """Ask every question in one mode; the answers are in their order."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(conversation: Asked, question: Question) -> Answer:
        async with turn:
            return await conversation.ask(client, question, mode)

    asked = (ask(conversation, question) for conversation, questions in conversations for question in questions)
    return await asyncio.gather(*asked)
