"""Joining rankings. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from reflexio_server.domain.ids import InteractionId

RANK_CONSTANT = 60
"""Dampens the lead of the first places: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", SIGIR 2009."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An interaction that may be an answer."""

    interaction_id: InteractionId
    score: float
    """Higher is better; which range depends on who gave it."""
    created_at: int
    """Nanoseconds since the epoch: with the same score the newer is better."""


def reciprocal_rank_fusion(rankings: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Join rankings, each best first, into one.

    A candidate's score is the sum of 1 / (60 + rank) over the rankings that have it, divided by the most that is
    possible: 1 for whoever is first everywhere, 0.5 for the first of one of two.
    """
    most = len(rankings) / (RANK_CONSTANT + 1)
    scores: dict[InteractionId, float] = {}
    moments: dict[InteractionId, int] = {}
    for ranking in rankings:
        for rank, candidate in enumerate(ranking, start=1):
            share = 1 / (RANK_CONSTANT + rank) / most
            scores[candidate.interaction_id] = scores.get(candidate.interaction_id, 0.0) + share
            moments[candidate.interaction_id] = candidate.created_at
    fused = [Candidate(interaction_id, score, moments[interaction_id]) for interaction_id, score in scores.items()]
    return sorted(fused, key=lambda c: (c.score, c.created_at, c.interaction_id), reverse=True)
