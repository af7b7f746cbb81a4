"""Scoring by words: BM25 over what was said, with what was said around it.

The score of an interaction is

    sum over the words of idf(word) * f / (f + k1 * (1 - b + b * length / mean length))
    divided by the sum over the words of idf(word)

with k1 = 1.2, b = 0.3 and idf(word) = ln(1 + (N - n + 0.5) / (n + 0.5)), where n of a user's N interactions have the
word (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009). It lies between 0 and 1 for any query.

f counts the word in the interaction and, with less weight, in those before and after it in the conversation; the length
does the same. An answer often says nothing of what it answers. What came before weighs more, because that is answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from reflexio_server.index.documents import Documents
from reflexio_server.index.terms import TermIndex

_K1 = 1.2
_B = 0.3

_REACH = 3
_BEFORE = 0.6
_AFTER = 0.4
"""How far context goes, and what each step further off leaves of a word's weight. On annotated conversations distances
from 2 to 4 and weights from 0.3 to 0.7 differ by less than a point."""

_WEIGHTS = {
    distance: 1.0 if not distance else (_AFTER**distance if distance > 0 else _BEFORE**-distance)
    for distance in range(-_REACH, _REACH + 1)
}
"""What a word counts that stands so many places further on."""


@dataclass(frozen=True, slots=True)
class WordStatistics:
    """How frequent words are."""

    interactions: int
    total_length: float
    """Of all of them, with what was said around each."""
    having: Mapping[int, int]
    """How many interactions have each word."""

    def joined(self, other: "WordStatistics") -> "WordStatistics":
        """Those of both together."""
        having = {word: count + other.having[word] for word, count in self.having.items()}
        length = self.total_length + other.total_length
        return WordStatistics(self.interactions + other.interactions, length, having)

    def weight(self, word: int) -> float:
        """The inverse document frequency of a word."""
        having = self.having[word]
        return log(1 + (self.interactions - having + 0.5) / (having + 0.5))


class WordScores:
    """Scores one user's interactions by words."""

    def __init__(self, documents: Documents, index: TermIndex, words: Sequence[int]) -> None:
        """Look up words."""
        self._documents = documents
        rows = documents.rows
        self._occurrences = {}
        for word in words:
            slots, counts = index.occurrences(word)
            there = rows["is_there"][slots]
            self._occurrences[word] = slots[there], counts[there]

    @property
    def statistics(self) -> WordStatistics:
        """How frequent the words are here."""
        having = {word: len(np.unique(slots)) for word, (slots, _) in self._occurrences.items()}
        length = float(self._lengths.sum(dtype=np.float64)) if having else 0.0
        return WordStatistics(len(self._documents), length, having)

    @property
    def _lengths(self) -> NDArray[np.float32]:
        return self._documents.timeline.lengths(self._documents.rows, _WEIGHTS)

    def by_slot(self, statistics: WordStatistics) -> NDArray[np.float32]:
        """The scores, one for each slot.

        Args:
            statistics: Of these interactions and all others that the scores are to be compared with.
        """
        documents = self._documents
        scores = np.zeros(documents.slots_count, np.float32)
        weights = {word: statistics.weight(word) for word in self._occurrences}
        total = sum(weights.values())
        if not total or not len(documents):
            return scores
        timeline = documents.timeline
        places = timeline.places(documents.slots_count)
        mean_length = np.float32(statistics.total_length / statistics.interactions)
        softening = _K1 * (1 - _B + _B * self._lengths / mean_length)
        by_place = np.zeros(len(timeline.order), np.float32)
        for word, (slots, counts) in self._occurrences.items():
            if len(slots):
                found, frequency = self._frequencies(places[slots], counts)
                by_place[found] += weights[word] * frequency / (frequency + softening[found])
        scores[timeline.order] = by_place / total
        return scores

    def _frequencies(
        self, places: NDArray[np.int32], counts: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Which places have a word, in themselves or around them, and how often."""
        timeline = self._documents.timeline
        all_places, all_counts = [], []
        for distance, weight in _WEIGHTS.items():
            # Seen from there, the word stands so many places further on.
            exists, beside = timeline.beside(places, -distance)
            all_places.append(beside)
            all_counts.append(np.float32(weight) * counts[exists])
        sums = np.bincount(np.concatenate(all_places), np.concatenate(all_counts)).astype(np.float64, copy=False)
        found = np.flatnonzero(sums)
        return found, sums[found]
