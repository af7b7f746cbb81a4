"""What replicas must show: kept in plain Python by whoever calls them, step by step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from reflexio_server.domain.interaction import searchable_text

from tests.contracts.context import Turn, similarities
from tests.fakes.embedder import FakeEmbedder


@dataclass(frozen=True)
class Said:
    """One interaction that is there."""

    step: int
    """In which step of the campaign it was published."""
    interaction_id: int
    request_id: str
    user_id: str
    session_id: str | None
    source: str
    role: str
    content: str
    created_at: int | None
    """Seconds since the epoch; None for the moment of publishing, which is later than all that are given."""

    @property
    def conversation(self) -> str:
        """What it was said in."""
        return self.session_id or self.request_id

    @property
    def place(self) -> tuple[float, int, int]:
        """Sorts by time."""
        if self.created_at is None:
            return float("inf"), self.step, self.interaction_id
        return float(self.created_at), 0, self.interaction_id


@dataclass
class Truth:
    """Everything that is there."""

    said: list[Said] = field(default_factory=list)
    _embedder: FakeEmbedder = field(default_factory=FakeEmbedder)

    def newest_first(self, user_id: str) -> list[Said]:
        """A user's interactions as a list gives them."""
        return sorted((s for s in self.said if s.user_id == user_id), key=lambda s: s.place, reverse=True)

    def matching(self, user_id: str, conditions: Mapping[str, Any]) -> list[Said]:
        """Those that fulfil the conditions of a search."""
        pool = self.newest_first(user_id)
        pool = pool[: conditions.get("most_recent_k", len(pool))]
        names = conditions.keys() & {"role", "source", "session_id", "request_id"}
        return [s for s in pool if all(getattr(s, name) == conditions[name] for name in names)]

    def by_meaning(self, user_id: str, query: str, conditions: Mapping[str, Any]) -> dict[int, float]:
        """For each matching interaction that can be searched how near it is to the query, with what is beside it."""
        wanted = self._vectors([query])[0]
        said = [s for s in reversed(self.newest_first(user_id)) if s.content]
        vectors = self._vectors([searchable_text(s.role, s.content, "") for s in said]) if said else []
        turns = [
            Turn(s.interaction_id, place, s.conversation, vector)
            for place, (s, vector) in enumerate(zip(said, vectors, strict=True))
        ]
        near = similarities(turns, wanted)
        found = (s for s in self.matching(user_id, conditions) if s.content)
        return {s.interaction_id: max(0.0, near[s.interaction_id]) for s in found}

    def by_words(self, user_id: str, query: str, conditions: Mapping[str, Any]) -> set[int]:
        """The matching interactions that have a word of the query, letter for letter, or stand near to one that has."""
        words = set(query.split())
        conversations: dict[str, list[Said]] = {}
        for said in reversed(self.newest_first(user_id)):
            if said.content:
                conversations.setdefault(said.conversation, []).append(said)
        near = {
            s.interaction_id
            for said in conversations.values()
            for place, s in enumerate(said)
            if any(words & set(other.content.split()) for other in said[max(0, place - 3) : place + 4])
        }
        return {s.interaction_id for s in self.matching(user_id, conditions)} & near

    def add(self, said: Iterable[Said]) -> None:
        """Note what was published."""
        self.said += said

    def remove(self, gone: Sequence[Said]) -> None:
        """Note what was deleted."""
        self.said = [s for s in self.said if s not in gone]

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        self._embedder.batches.clear()
        return self._embedder.encode(texts)
