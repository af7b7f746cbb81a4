"""How good a ranking is. Pure."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

DEPTH = 10
"""How many hits count."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one question, or the means over several; each from 0 to 1."""

    first: float
    """Whether the first hit is evidence."""
    recall_at_1: float
    """Which share of the evidence is the first hit."""
    recall_at_10: float
    """Which share of the evidence is among the first ten."""
    ndcg_at_10: float
    """Normalised discounted cumulative gain: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
    techniques", 2002, with a gain of 1 for evidence."""
    mrr: float
    """One by the rank of the first evidence; 0 where none is among the first ten."""


def figures(found: Sequence[str], evidence: Collection[str]) -> Figures:
    """Those of one question.

    Args:
        found: The ids that were found, best first.
        evidence: Those that ought to be; not empty.
    """
    ranks = ranks_of(found, evidence)
    ideal = sum(_gain(rank) for rank in range(1, min(len(evidence), DEPTH) + 1))
    return Figures(
        first=float(ranks[:1] == [1]),
        recall_at_1=(ranks[:1] == [1]) / len(evidence),
        recall_at_10=len(ranks) / len(evidence),
        ndcg_at_10=sum(map(_gain, ranks)) / ideal,
        mrr=1 / ranks[0] if ranks else 0.0,
    )


def ranks_of(found: Sequence[str], evidence: Collection[str]) -> list[int]:
    """At which ranks, from 1, the first ten of `found` are evidence."""
    return [rank for rank, turn_id in enumerate(found[:DEPTH], 1) if turn_id in evidence]


def mean(rows: Collection[Figures]) -> Figures:
    """The means of some; there must be one at least."""
    columns = zip(*((r.first, r.recall_at_1, r.recall_at_10, r.ndcg_at_10, r.mrr) for r in rows), strict=True)
    return Figures(*(sum(column) / len(rows) for column in columns))


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1)
