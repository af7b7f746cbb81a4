"""One user's interactions in memory: their vectors in segments of bounded size, their words, and who follows whom."""

import copy
from collections.abc import Collection, Iterable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from reflexio_server.embed.embedder import Vectors
from reflexio_server.index.documents import Documents, Slots
from reflexio_server.index.evidence import Evidence, Question
from reflexio_server.index.nearest import NearestSearch
from reflexio_server.index.segment import Segment, nearest_of_each
from reflexio_server.index.terms import TermIndex
from reflexio_server.index.word_scores import WordScores, least_of_best
from reflexio_server.store.interaction_rows import InteractionRows

_SEGMENT_VECTORS = 16_384
"""Most vectors of a segment. It bounds what a change moves, and what growing takes beside the vectors themselves."""

_NEIGHBOUR_SHARE = 0.3
"""What the vectors of the turns before and after count beside an interaction's own. On annotated conversations 0.2 to
0.4 differ by less than a point, and none at all costs four points of recall at ten."""

_MOST_WITH_NEIGHBOURS = 16
"""Of so many of the nearest the neighbours are candidates too."""

_WORD_BYTES = 256
_CANDIDATE_BYTES = 32_768
"""What a word of the query costs for each interaction, and what a candidate costs, in bytes of vectors."""

_DECODED_AT_ONCE = 4096

_ROLE_SHARE = 0.1
"""What being of a role that is asked about counts among words when candidates are chosen."""


class Partition:
    """One user's interactions, each with a vector for each piece of its text, with exact search.

    Not to be changed while it is searched in another thread.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._documents = Documents()
        self._terms = TermIndex()
        # One at least; vectors are added to the last.
        self._segments = [Segment(dimension, _SEGMENT_VECTORS)]

    def __len__(self) -> int:
        """How many vectors it has."""
        return sum(map(len, self._segments))

    @property
    def vector_bytes(self) -> int:
        """How many bytes a search without a filter has to look through."""
        return sum(segment.vector_bytes for segment in self._segments)

    def search_bytes(self, question: Question) -> int:
        """How long the answer to a question takes, as bytes of vectors that are looked through in that time."""
        words = len(self._documents) * len(question.words) * _WORD_BYTES
        return (self.vector_bytes if question.vector is not None else 0) + words + question.depth * _CANDIDATE_BYTES

    def adding_bytes(self, added: InteractionRows) -> int:
        """How many bytes `add` has to handle: what comes, and what is looked through or moved for it."""
        last = self._segments[-1]
        moved = last.vector_bytes if last.must_grow(len(added.vectors) // (2 * self._dimension)) else 0
        return len(added.vectors) + moved + self._documents.adding_bytes(added)

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return sum(segment.nbytes for segment in self._segments) + self._documents.nbytes + self._terms.nbytes

    @property
    def roles(self) -> Collection[str]:
        """The roles that occur."""
        return self._documents.roles

    def add(self, added: InteractionRows) -> None:
        """Add interactions; those that it has already are replaced."""
        ids = np.fromiter(added.interaction_ids, np.int64)
        self._remove(ids)
        slots = np.repeat(self._describe(added), added.piece_counts)
        codes = np.frombuffer(added.vectors, np.uint8).reshape(len(slots), 2 * self._dimension)
        while len(slots):
            room = _SEGMENT_VECTORS - len(self._segments[-1])
            if room <= 0:
                self._segments.append(Segment(self._dimension, _SEGMENT_VECTORS))
                continue
            self._segments[-1].add(slots[:room], codes[:room])
            slots, codes = slots[room:], codes[room:]

    @property
    def settling_bytes(self) -> int:
        """How many bytes `settle` has to handle at the most."""
        return self._terms.nbytes + self._documents.nbytes

    def settle(self) -> None:
        """Make searches quick again, when for now nothing more is added."""
        self._terms.settle()
        _ = self._documents.places

    def remove(self, interaction_ids: Iterable[int]) -> None:
        """Remove interactions; those that it does not have do not matter."""
        self._remove(np.fromiter(interaction_ids, np.int64))

    def with_waiting(self, waiting: InteractionRows) -> "Partition":
        """The same with interactions that have no vectors yet, for one search; those that it has already are left out.

        It shares with this one whatever it does not change.
        """
        ids = np.fromiter(waiting.interaction_ids, np.int64)
        known = np.isin(ids, self._documents.rows["interaction_id"][self._documents.find(ids)])
        together = copy.copy(self)
        together._documents, together._terms = self._documents.copy(), self._terms.copy()  # noqa: SLF001 -- its own kind.
        added = together._describe(waiting)  # noqa: SLF001 -- as above.
        together._documents.remove(added[known])  # noqa: SLF001 -- as above.
        return together

    def _describe(self, added: InteractionRows) -> Slots:
        """Note everything about interactions but their vectors. Returns their slots."""
        slots = self._documents.add(added)
        self._terms.add(np.frombuffer(added.words, ">u4"), np.repeat(slots, added.word_counts))
        return slots

    def evidence(self, question: Question, executor: Executor | None = None) -> Evidence:
        """Candidates for an answer, with what speaks for each.

        Args:
            question: What is asked.
            executor: Has a second thread for where there is much to look through; None to do without.
        """
        documents = self._documents
        if question.depth < 1 or not len(documents):
            return Evidence.none()
        considered = documents.considered(question.where, question.not_before)
        chosen = np.zeros(documents.slots_count, np.bool_)
        with self._looking(question, considered, executor) as looking:
            words = WordScores(documents, self._terms, question.words).by_place()
            nearest = looking.slots(documents.rows)
        # With what stands beside the best of them: mixed in, it may be nearer.
        for near in (nearest, *self._beside(nearest[:_MOST_WITH_NEIGHBOURS])):
            chosen[near[near >= 0]] = True
        if question.words:
            chosen[self._with_most_words(question, words, considered)] = True
        slots = np.flatnonzero(chosen if considered is None else chosen & considered).astype(np.int32)
        own, mixed, has_vector = self._similarities(question.vector, slots)
        of_slots = words[documents.places[slots]]
        # What stands beside something near, but has neither a vector yet nor a word, is no answer.
        found = has_vector | (of_slots > 0)
        rows = documents.rows[slots[found]]
        return Evidence(
            rows["interaction_id"],
            rows["created_at"],
            of_slots[found],
            mixed[found],
            own[found],
            documents.with_role(question.roles, slots[found]),
            rows["asks"],
        )

    def _looking(
        self, question: Question, considered: NDArray[np.bool_] | None, executor: Executor | None
    ) -> NearestSearch:
        """The search for what is nearest in meaning; for nothing where there is no vector."""
        if question.vector is None:
            return NearestSearch((), np.empty(0, np.float32), 0, None)
        views = [view for segment in self._segments if (view := segment.view(considered)) is not None]
        return NearestSearch(views, question.vector, question.depth, executor)

    def _beside(self, slots: Slots) -> tuple[Slots, Slots]:
        """What was said just before and just after, in the same conversation; -1 where there is nothing."""
        timeline = self._documents.timeline
        places = self._documents.places[slots]
        before, after = np.full(len(slots), -1, np.int32), np.full(len(slots), -1, np.int32)
        for distance, beside in ((-1, before), (1, after)):
            exists, targets = timeline.beside(places, distance)
            beside[exists] = timeline.order[targets]
        return before, after

    def _with_most_words(
        self, question: Question, words: NDArray[np.float32], considered: NDArray[np.bool_] | None
    ) -> Slots:
        """The slots with the most words; of those with as many the newer."""
        order, scores = self._documents.timeline.order, words
        if question.roles:
            scores = np.where(words > 0, words + _ROLE_SHARE * self._documents.with_role(question.roles, order), 0)
        if considered is not None:
            scores = np.where(considered[order], scores, 0)
        least = least_of_best(scores, question.depth)
        if not least:
            return order[np.flatnonzero(scores)]
        better, equal = order[np.flatnonzero(scores > least)], order[np.flatnonzero(scores == least)]
        rows = self._documents.rows[equal]
        newest_last = np.lexsort((rows["interaction_id"], rows["created_at"]))
        return np.concatenate([better, equal[newest_last[len(better) - question.depth :]]])

    def _similarities(
        self, vector: Vectors | None, slots: Slots
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """The cosines of the angles to `vector`: of each interaction alone, and with its neighbours mixed in.

        Both are 0 where an interaction has no vector; the third array says which have one.

        A stored vector is of unit length, so mixing them is as good as embedding them together, and costs no model.
        """
        if vector is None or not len(self):
            return np.zeros(len(slots), np.float32), np.zeros(len(slots), np.float32), np.zeros(len(slots), np.bool_)
        before, after = self._beside(slots)
        needed = np.zeros(self._documents.slots_count, np.bool_)
        for wanted in (slots, before, after):
            needed[wanted[wanted >= 0]] = True
        nearest, rows = self._nearest_pieces(vector, needed)
        # The last row, of zeros, stands for no neighbour and for an interaction without a vector.
        row_of = np.full(self._documents.slots_count + 1, len(nearest), np.int32)
        row_of[nearest] = np.arange(len(nearest), dtype=np.int32)
        products = np.einsum("ij,j->i", rows, vector)
        of_slots, of_before, of_after = row_of[slots], row_of[before], row_of[after]
        mixed = rows[of_before]
        mixed += rows[of_after]
        mixed *= np.float32(_NEIGHBOUR_SHARE)
        mixed += rows[of_slots]
        lengths = np.sqrt(np.einsum("ij,ij->i", mixed, mixed))
        own = products[of_slots]
        similarities = own + np.float32(_NEIGHBOUR_SHARE) * (products[of_before] + products[of_after])
        similarities /= np.maximum(lengths, np.finfo(np.float32).tiny)
        has_vector = of_slots < len(nearest)
        # Half precision makes some a little longer than 1.
        return np.clip(own, -1, 1), np.where(has_vector, np.clip(similarities, -1, 1), np.float32(0)), has_vector

    def _nearest_pieces(self, vector: Vectors, needed: NDArray[np.bool_]) -> tuple[Slots, NDArray[np.float32]]:
        """Of each slot that is needed the vector of its piece that is nearest to `vector`, and a row of zeros."""
        all_slots, all_rows = [np.empty(0, np.int32)], []
        for segment in self._segments:
            places, of_places = segment.places_of(needed)
            # In portions: a long message has hundreds of pieces, and all of them at once would take much memory.
            for first in range(0, len(places), _DECODED_AT_ONCE):
                portion = slice(first, first + _DECODED_AT_ONCE)
                decoded = np.empty((len(places[portion]), self._dimension), np.float32)
                segment.decode(places[portion], decoded)
                slots, rows = nearest_of_each(of_places[portion], decoded, vector)
                all_slots.append(slots)
                all_rows.append(rows)
        slots = np.concatenate(all_slots)
        rows = np.concatenate([*all_rows, np.zeros((1, self._dimension), np.float32)])
        if len(all_rows) > 1:
            nearest, kept = nearest_of_each(slots, rows[:-1], vector)
            if len(nearest) < len(slots):
                return nearest, np.concatenate([kept, rows[-1:]])
        return slots, rows

    def _remove(self, interaction_ids: NDArray[np.int64]) -> None:
        slots = self._documents.find(interaction_ids)
        if not len(slots):
            return
        self._documents.remove(slots)
        gone = np.zeros(self._documents.slots_count, np.bool_)
        gone[slots] = True
        changed = [segment.remove(gone) for segment in self._segments]
        if any(changed):
            self._join_small_segments()
        is_there = self._documents.rows["is_there"].copy()
        moved = self._documents.compact()
        if moved is not None:
            self._terms.move(moved, is_there)
            for segment in self._segments:
                segment.renumber(moved)

    def _join_small_segments(self) -> None:
        """Join those that became small, or many deletions would leave many of next to nothing."""
        kept: list[Segment] = []
        for segment in filter(len, self._segments):
            if kept and len(kept[-1]) + len(segment) <= _SEGMENT_VECTORS // 2:
                segment.give_all(kept[-1])
            else:
                kept.append(segment)
        self._segments = kept or [Segment(self._dimension, _SEGMENT_VECTORS)]
