"""Scoring by words: BM25 over what was said, with what was said around it.

The score of an interaction is

    sum over the words of idf(word) * f / (f + k1 * (1 - b + b * length / mean length))
    divided by the sum over the words of idf(word)

with k1 = 1.2, b = 0.3 and idf(word) = ln(1 + (N - n + 0.5) / (n + 0.5)), where n of a user's N interactions have the
word (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009). It lies between 0 and 1 for any query.

f counts the word in the interaction and, with less weight, in those before and after it in the conversation; the length
does the same. An answer often says nothing of what it answers. What came before weighs more, because that is answered.
A word with a digit is the name of one thing, though: whoever has it has all of its weight, and nobody else any.
"""

from collections.abc import Mapping, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from reflexio_server.index.documents import Documents
from reflexio_server.index.terms import TermIndex
from reflexio_server.index.timeline import REACH
from reflexio_server.store.search_state import QueryWord

_K1 = 1.2
_B = 0.3

_BEFORE = 0.6
_AFTER = 0.4
"""What each step further off leaves of a word's weight, as far as the timeline reaches. On annotated conversations
distances from 2 to 4 and weights from 0.3 to 0.7 differ by less than a point."""

_WEIGHTS = {
    **{-distance: _BEFORE**distance for distance in range(1, REACH + 1)},
    **{distance: _AFTER**distance for distance in range(1, REACH + 1)},
}
"""What a word counts that stands so many places further on."""

_WEIGHTS_AROUND = np.array([1.0 if not step else _WEIGHTS[-step] for step in range(-REACH, REACH + 1)], np.float32)
"""What a word counts so many places further on: there, it stands as many places before."""

_IDENTIFIER = 1.5
"""How much more an identifier weighs than another word that is as rare: who gives one means what has it."""

_SAMPLED = 32
"""One in so many scores is looked at first, where the best are looked for."""

_FEW = 16_384
_NUMBERS_AT_ONCE = 65_536
_RARE = 16
"""Among more than a few interactions, what fewer than one in so many has is followed from neighbour to neighbour. What
is more frequent is counted everywhere at once, which is quicker then."""


class WordScores:
    """Scores one user's interactions by words."""

    def __init__(self, documents: Documents, index: TermIndex, words: Sequence[QueryWord]) -> None:
        """Look up words."""
        self._documents = documents
        found = index.occurrences([word.hash for word in words])
        self._occurrences = {
            word: documents.only_there(slots, counts) for word, (slots, counts) in zip(words, found, strict=True)
        }

    def by_place(self) -> NDArray[np.float32]:
        """The scores, one for each place of the timeline."""
        documents = self._documents
        scores = np.zeros(len(documents), np.float32)
        if not self._occurrences or not len(documents):
            return scores
        lengths = documents.timeline.relative_lengths(documents.rows, _WEIGHTS)
        softening = lengths * np.float32(_K1 * _B) + np.float32(_K1 * (1 - _B))
        together: list[tuple[np.float32, NDArray[np.int32], NDArray[np.float32]]] = []
        for word, weight in self._weights().items():
            slots, counts = self._occurrences[word]
            if not len(slots):
                continue
            places, share = documents.places[slots], np.float32(weight)
            if word.is_identifier:
                scores[places] += share
            elif len(slots) * _RARE < len(documents) > _FEW:
                around, frequency = self._frequencies_around(places, counts)
                # What is near to several that have the word is there several times, always with the same frequency.
                scores[around] = scores.take(around) + share * (frequency / (frequency + softening.take(around)))
            else:
                together.append((share, places, counts))
        # A few words at a time: numbers that fit a processor's cache.
        at_once = max(1, _NUMBERS_AT_ONCE // len(documents))
        for first in range(0, len(together), at_once):
            shares = np.array([share for share, _, _ in together[first : first + at_once]])
            frequency = self._frequencies_everywhere(together[first : first + at_once])
            scores += shares @ (frequency / (frequency + softening))
        # Rounding may have made the sum of all shares a little more.
        return np.minimum(scores, 1)

    def _weights(self) -> Mapping[QueryWord, float]:
        """The inverse document frequencies of those words that count, divided by their sum."""
        total = len(self._documents)
        having = {word: len(slots) for word, (slots, _) in self._occurrences.items()}
        weights = {
            word: (_IDENTIFIER if word.is_identifier else 1.0) * log(1 + (total - count + 0.5) / (count + 0.5))
            for word, count in having.items()
            if count or not word.if_it_occurs
        }
        sum_of_weights = sum(weights.values())
        return {word: weight / sum_of_weights for word, weight in weights.items()}

    def _frequencies_everywhere(
        self, words: Sequence[tuple[np.float32, NDArray[np.int32], NDArray[np.float32]]]
    ) -> NDArray[np.float32]:
        """How often each place has each word, in itself and around it: shape (words, places)."""
        frequencies = np.zeros((len(words), len(self._documents)), np.float32)
        for row, (_, places, counts) in enumerate(words):
            frequencies[row, places] = counts
        return self._documents.timeline.spread(frequencies, _WEIGHTS)

    def _frequencies_around(
        self, places: NDArray[np.int32], counts: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Which places have a word, in themselves or around them, and how often. A place may be there several times."""
        around, weights = self._documents.timeline.around(places, _WEIGHTS_AROUND)
        weights *= counts[:, None]
        everywhere = around.ravel()
        sums = np.bincount(everywhere, weights.ravel())
        return everywhere, sums.take(everywhere).astype(np.float32)


def least_of_best(scores: NDArray[np.float32], count: int) -> float:
    """The least of the `count` best scores, none of which is negative; 0 where fewer are more than 0."""
    # As many of a sample reach the bound, so that many do of all: what does not reach it need not be put in order.
    bound = _nth_best(scores[::_SAMPLED], count)
    return _nth_best(scores[scores >= bound], count)


def _nth_best(scores: NDArray[np.float32], n: int) -> float:
    """The n-th best of those that are more than 0; 0 where there are fewer."""
    # Where many are equal, partitioning takes twenty times as long as sorting.
    best_last = np.sort(scores[scores > 0])
    return float(best_last[-n]) if n <= len(best_last) else 0.0
