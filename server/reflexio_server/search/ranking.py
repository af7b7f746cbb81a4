"""Ranking: one weighted score for each candidate, with what each part gave. Pure.

    score = (sum of weight * part) / (sum of the weights of the parts that the question allows)

so it lies between 0 and 1 and means the same for every question: the share of what an interaction could have that this
one has. All parts are absolute, nothing is scaled by what else was found: scores of different questions compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from reflexio_server.domain.ids import InteractionId
from reflexio_server.index.evidence import Evidence
from reflexio_server.search.dates import Span

_PLACES = 6
"""To so many decimal places scores are told apart: what differs by rounding only is equal."""


class SearchMode(Enum):
    """How interactions are compared with a query."""

    VECTOR = auto()
    FTS = auto()
    HYBRID = auto()


@dataclass(frozen=True, slots=True)
class Parts:
    """What each part gives to a score, or could give at most."""

    words: float
    """Having the words of the question, in itself or around it."""
    meaning: float
    """Being near in meaning, together with what was said around it."""
    role: float
    """Being said by who is asked about."""
    time: float
    """Being said when the question says."""
    statement: float
    """Saying something: a question is seldom an answer."""

    @property
    def total(self) -> float:
        """All of them together."""
        return self.words + self.meaning + self.role + self.time + self.statement


WEIGHTS = {
    SearchMode.HYBRID: Parts(words=1.0, meaning=0.6, role=0.12, time=0.2, statement=0.05),
    SearchMode.VECTOR: Parts(words=0.0, meaning=1.0, role=0.1, time=0.1, statement=0.0),
    SearchMode.FTS: Parts(words=1.0, meaning=0.0, role=0.08, time=0.2, statement=0.05),
}
"""Found on annotated conversations; docs/adr/0018-words-in-memory-and-one-score.md says what each part brings."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score."""

    interaction_id: InteractionId
    score: float
    """From 0 to 1."""
    parts: Parts
    """They add up to the score."""


def ranked(
    evidence: Evidence,
    mode: SearchMode,
    spans: Sequence[Span],
    *,
    has_words: bool = True,
    asks_for_role: bool,
    limit: int,
    min_score: float,
) -> list[Ranked]:
    """Candidates with their scores, the best first, and of those with the same score the newer.

    Args:
        evidence: What speaks for each of them.
        mode: What counts.
        spans: The days that the question names.
        has_words: Whether it has words to look for: some have none but such as everybody says.
        asks_for_role: Whether it names a role.
        limit: How many to return at most.
        min_score: Return those only that reach this score.
    """
    weights = WEIGHTS[mode]
    most = weights.total - sum(
        part
        for part, is_asked_for in (
            (weights.words, has_words or not weights.meaning),
            (weights.role, asks_for_role),
            (weights.time, spans),
        )
        if not is_asked_for
    )
    # What has nothing of what was asked for must not be found for being a statement.
    relevant = np.maximum(evidence.words, 0) * weights.words + np.maximum(evidence.similarity, 0) * weights.meaning
    columns = np.column_stack(
        [
            weights.words * evidence.words,
            weights.meaning * np.maximum(evidence.similarity, 0),
            weights.role * evidence.of_role,
            weights.time * _agreement(evidence, spans),
            weights.statement * (~evidence.asks & (relevant > 0)),
        ]
    ).astype(np.float64)
    columns /= most
    scores = np.round(np.minimum(columns.sum(axis=1), 1), _PLACES)
    # Of what has nothing that counts, what is least unlike comes first.
    unlike = np.round(np.minimum(evidence.similarity, 0), _PLACES) if weights.meaning else np.zeros(len(scores))
    order = np.lexsort((evidence.interaction_ids, evidence.created_ats, unlike, scores))[::-1][:limit]
    order = order[scores[order] >= min_score]
    return [
        Ranked(InteractionId(interaction_id), score, Parts(*parts))
        for interaction_id, score, parts in zip(
            evidence.interaction_ids[order].tolist(), scores[order].tolist(), columns[order].tolist(), strict=True
        )
    ]


def _agreement(evidence: Evidence, spans: Sequence[Span]) -> NDArray[np.float32]:
    """How well each candidate's time agrees with the best of the spans."""
    agreements = [span.agreement(evidence.created_ats) for span in spans]
    return np.max(agreements, axis=0) if agreements else np.zeros(len(evidence.created_ats), np.float32)
