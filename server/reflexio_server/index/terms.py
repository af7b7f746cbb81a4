"""Which interactions of one user have which words: an inverted index over hashes of words."""

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SLOT_BITS = 32
_LOWEST = np.uint64((1 << _SLOT_BITS) - 1)

_SMALL_TAIL = 512
"""So many words that came last are looked through one by one before they are sorted in among the others."""

_MOST_COUNTED = 255
"""An occurrence more does not matter then."""


class TermIndex:
    """Finds the slots that have a word.

    Words are 32-bit hashes. With a hundred thousand different words of one user, a word that is asked for is taken for
    another one with a probability of 1 in 40,000.
    """

    def __init__(self) -> None:
        # Sorted: the word in the upper half, the slot in the lower. Beside each how often the slot has the word.
        self._keys = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.uint8)
        # What came since: one key for each occurrence, unsorted.
        self._tail: list[NDArray[np.uint64]] = []
        self._tail_size = 0

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self._keys.nbytes + self._counts.nbytes + 8 * self._tail_size

    def add(self, words: NDArray[np.uint32], slots: NDArray[np.int32]) -> None:
        """Add occurrences of words, each with the slot that has it: for each slot all at once."""
        self._tail.append((words.astype(np.uint64) << np.uint64(_SLOT_BITS)) | slots.astype(np.uint64))
        self._tail_size += len(words)

    def copy(self) -> "TermIndex":
        """Another one that can be added to."""
        other = copy.copy(self)
        other._tail = list(self._tail)  # noqa: SLF001 -- its own kind.
        return other

    def settle(self) -> None:
        """Make lookups quick again, where much was added."""
        if self._tail_size > _SMALL_TAIL + len(self._keys) // 8:
            self._sort_in()
        elif len(self._tail) > 1:
            self._tail = [np.concatenate(self._tail)]

    def move(self, slots: NDArray[np.int32], is_there: NDArray[np.bool_]) -> None:
        """Keep what is there, under new slots.

        Args:
            slots: For each former slot the new one.
            is_there: Which of the former slots are kept.
        """
        self._sort_in()
        old = _slots_of(self._keys)
        kept = is_there[old]
        self._keys = (self._keys[kept] & ~_LOWEST) | slots[old[kept]].astype(np.uint64)
        self._counts = self._counts[kept]

    def occurrences(self, words: Sequence[int]) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        """For each word the slots that have it, each once and some perhaps gone, and how often each has it."""
        lowest = np.array(words, np.uint64) << np.uint64(_SLOT_BITS)
        bounds = np.searchsorted(self._keys, np.concatenate([lowest, lowest | _LOWEST])).reshape(2, -1).T.tolist()
        tail = np.concatenate([np.empty(0, np.uint64), *self._tail]) if self._tail_size else np.empty(0, np.uint64)
        of_tail = tail >> np.uint64(_SLOT_BITS)
        found = []
        for word, (first, end) in zip(words, bounds, strict=True):
            slots, counts = _slots_of(self._keys[first:end]), self._counts[first:end].astype(np.float32)
            recent = tail[of_tail == np.uint64(word)] if len(tail) else tail
            if len(recent):
                keys, times = np.unique(recent, return_counts=True)
                slots = np.concatenate([slots, _slots_of(keys)])
                counts = np.concatenate([counts, np.minimum(times, _MOST_COUNTED).astype(np.float32)])
            found.append((slots, counts))
        return found

    def _sort_in(self) -> None:
        keys, counts = np.unique(np.concatenate([np.empty(0, np.uint64), *self._tail]), return_counts=True)
        keys = np.concatenate([self._keys, keys])
        # Sorted runs: joining them is what a stable sort is quickest at.
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._counts = np.concatenate([self._counts, np.minimum(counts, _MOST_COUNTED).astype(np.uint8)])[order]
        self._tail, self._tail_size = [], 0


def _slots_of(keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    return (keys & _LOWEST).astype(np.int32)
