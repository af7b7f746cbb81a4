"""The vectors of one user in memory, in segments of bounded size."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from reflexio_server.domain.ids import InteractionId
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.embed.embedder import Vectors
from reflexio_server.index.segment import Best, Segment, rows_of
from reflexio_server.index.vector_index import Neighbour
from reflexio_server.store.vectors import VectorRows

_SEGMENT_VECTORS = 16_384
"""Most vectors of a segment. It bounds what a change moves, and what growing takes beside the vectors themselves."""

_SURPLUS = 16
"""How many more pieces than interactions to ask for at first: some interactions have several, some scores are equal."""


class Partition:
    """One user's vectors, each for a piece of an interaction's text, with exact search.

    Not to be changed while it is searched in another thread.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        # One at least; vectors are added to the last.
        self._segments = [Segment(dimension, _SEGMENT_VECTORS)]

    def __len__(self) -> int:
        """How many vectors it has."""
        return sum(map(len, self._segments))

    @property
    def vector_bytes(self) -> int:
        """How many bytes a search without a filter has to look through."""
        return sum(segment.vector_bytes for segment in self._segments)

    @property
    def growing_bytes(self) -> int:
        """How many bytes an addition may have to move."""
        return self._segments[-1].vector_bytes

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return sum(segment.nbytes for segment in self._segments)

    def add(self, added: VectorRows) -> None:
        """Add vectors; those of interactions that it has already are replaced."""
        rows = rows_of(added)
        self._remove(rows["interaction_id"])
        codes = np.frombuffer(added.vectors, np.uint8).reshape(len(rows), 2 * self._dimension)
        while len(rows):
            room = _SEGMENT_VECTORS - len(self._segments[-1])
            if room <= 0:
                self._segments.append(Segment(self._dimension, _SEGMENT_VECTORS))
                continue
            self._segments[-1].add(rows[:room], codes[:room])
            rows, codes = rows[room:], codes[room:]

    def remove(self, interaction_ids: Iterable[int]) -> None:
        """Remove the vectors of these interactions; those that it has none of do not matter."""
        self._remove(np.fromiter(interaction_ids, np.int64))

    def nearest(
        self, query: Vectors, limit: int, where: InteractionFilter, not_before: Position | None
    ) -> list[Neighbour]:
        """The interactions nearest to `query`, as `VectorIndex.nearest` says."""
        if limit < 1:
            return []
        queries = np.ascontiguousarray(query, dtype=np.float32).reshape(1, -1)
        views = [view for segment in self._segments if (view := segment.view(where, not_before)) is not None]
        found = [view.best(queries, limit + _SURPLUS) for view in views]
        while found:
            best = _best_interactions(found, limit)
            # Only where the last piece is worse than the last answer, no piece that was left out could be among them.
            undecided = [
                n
                for n, pieces in enumerate(found)
                if not pieces.complete and (len(best) < limit or pieces.scores[-1] >= best[-1].score)
            ]
            if not undecided:
                return [_within_bounds(neighbour) for neighbour in best]
            for n in undecided:
                found[n] = views[n].best(queries, 4 * len(found[n].scores))
        return []

    def _remove(self, interaction_ids: NDArray[np.int64]) -> None:
        changed = [segment.remove(interaction_ids) for segment in self._segments]
        if not any(changed):
            return
        kept: list[Segment] = []
        for segment in filter(len, self._segments):
            # Those that became small are joined, or many deletions would leave many of next to nothing.
            if kept and len(kept[-1]) + len(segment) <= _SEGMENT_VECTORS // 2:
                segment.give_all(kept[-1])
            else:
                kept.append(segment)
        self._segments = kept or [Segment(self._dimension, _SEGMENT_VECTORS)]


def _best_interactions(found: Sequence[Best], limit: int) -> Sequence[Neighbour]:
    """The best interactions among the pieces that were found, each with its best piece, in the right order."""
    scores = np.concatenate([pieces.scores for pieces in found])
    rows = np.concatenate([pieces.rows for pieces in found])
    order = np.lexsort((rows["interaction_id"], rows["created_at"], scores))[::-1]
    _, firsts = np.unique(rows["interaction_id"][order], return_index=True)
    chosen = order[np.sort(firsts)[:limit]]
    return [
        Neighbour(InteractionId(interaction_id), score, created_at)
        for interaction_id, score, created_at in zip(
            rows["interaction_id"][chosen].tolist(),
            scores[chosen].tolist(),
            rows["created_at"][chosen].tolist(),
            strict=True,
        )
    ]


def _within_bounds(neighbour: Neighbour) -> Neighbour:
    """Half precision makes some vectors a little longer than 1."""
    if -1.0 <= neighbour.score <= 1.0:
        return neighbour
    return Neighbour(neighbour.interaction_id, max(-1.0, min(1.0, neighbour.score)), neighbour.created_at)
