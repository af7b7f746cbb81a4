"""The vectors of one user in memory: a FAISS index, and an array beside it with what filters need."""

from collections.abc import Iterable, Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from reflexio_server.domain.ids import InteractionId
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.embed.embedder import Vectors
from reflexio_server.index.vector_index import Neighbour
from reflexio_server.store.vectors import VectorRows

# Searches of several users run side by side; FAISS's own threads would only get in their way.
faiss.omp_set_num_threads(1)

_ROW = np.dtype(
    [
        ("interaction_id", np.int64),
        ("created_at", np.int64),
        ("request_id", "V16"),
        # Of these three a hash: Python's own has 64 bits and a secret key for each process, so that two that occur
        # together are told apart as surely as memory keeps its bits, and every row has the same size.
        ("session", np.int64),
        ("role", np.int64),
        ("source", np.int64),
    ]
)

_OVERHEAD_BYTES = 1024
"""Of the Python and FAISS objects of a partition, however small: some 600 bytes measured, with room for the cache's."""

_SURPLUS = 16
"""How many more pieces than interactions to ask for at first: some interactions have several, some scores are equal."""


class Partition:
    """One user's vectors, each for a piece of an interaction's text, with exact search.

    Vectors are kept as they are stored, in half precision: that is half the memory, and FAISS is no slower with them.
    Not to be changed while it is searched in another thread.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        # At each place what belongs to the vector at this place of the index.
        self._rows = np.empty(0, _ROW)

    def __len__(self) -> int:
        """How many vectors it has."""
        return len(self._rows)

    @property
    def vector_bytes(self) -> int:
        """How many bytes a search without a filter has to look through."""
        return int(self._index.codes.size())

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self.vector_bytes + self._rows.nbytes + _OVERHEAD_BYTES

    def add(self, added: VectorRows) -> None:
        """Add vectors; those of interactions that it has already are replaced."""
        rows = _rows(added)
        self._remove_where(np.isin(self._rows["interaction_id"], rows["interaction_id"]))
        codes = np.frombuffer(added.vectors, np.uint8).reshape(len(rows), 2 * self._dimension)
        self._index.add_sa_codes(codes)
        self._rows = np.concatenate([self._rows, rows])

    def remove(self, interaction_ids: Iterable[int]) -> None:
        """Remove the vectors of these interactions; those that it has none of do not matter."""
        gone = np.fromiter(interaction_ids, np.int64)
        self._remove_where(np.isin(self._rows["interaction_id"], gone))

    def nearest(
        self, query: Vectors, limit: int, where: InteractionFilter, not_before: Position | None
    ) -> list[Neighbour]:
        """The interactions nearest to `query`, as `VectorIndex.nearest` says."""
        considered = self._considered(where, not_before)
        count = len(self._rows) if considered is None else int(np.count_nonzero(considered))
        if count == 0 or limit < 1:
            return []
        parameters = None
        if considered is not None:
            # FAISS's stubs do not know the keyword that its wrappers add.
            parameters = faiss.SearchParameters(sel=_selector(considered))  # type: ignore[call-arg]
        pieces = min(count, limit + _SURPLUS)
        queries = np.ascontiguousarray(query, dtype=np.float32).reshape(1, -1)
        while True:
            scores, places = self._index.search(queries, pieces, params=parameters)
            best = self._best_pieces(scores[0], places[0])
            # Only when the last piece is worse than the last answer, no piece that was left out could be among them.
            if pieces == count or (len(best) >= limit and scores[0][-1] < best[limit - 1].score):
                return [_within_bounds(neighbour) for neighbour in best[:limit]]
            pieces = min(count, 4 * pieces)

    def _best_pieces(self, scores: NDArray[np.float32], places: NDArray[np.int64]) -> Sequence[Neighbour]:
        """One neighbour for each interaction, in the right order."""
        rows = self._rows[places]
        order = np.lexsort((rows["interaction_id"], rows["created_at"], scores))[::-1]
        _, firsts = np.unique(rows["interaction_id"][order], return_index=True)
        chosen = order[np.sort(firsts)]
        return [
            Neighbour(InteractionId(interaction_id), score, created_at)
            for interaction_id, score, created_at in zip(
                rows["interaction_id"][chosen].tolist(),
                scores[chosen].tolist(),
                rows["created_at"][chosen].tolist(),
                strict=True,
            )
        ]

    def _considered(self, where: InteractionFilter, not_before: Position | None) -> NDArray[np.bool_] | None:
        """Which places fulfil all conditions; None where there are none."""
        rows = self._rows
        conditions = []
        if where.request_id is not None:
            conditions.append(rows["request_id"] == np.void(where.request_id.bytes))
        if where.session_id is not None:
            conditions.append(rows["session"] == hash(where.session_id))
        if where.role is not None:
            conditions.append(rows["role"] == hash(where.role))
        if where.source is not None:
            conditions.append(rows["source"] == hash(where.source))
        if where.start_time is not None:
            conditions.append(rows["created_at"] >= where.start_time)
        if where.end_time is not None:
            conditions.append(rows["created_at"] <= where.end_time)
        if not_before is not None:
            moment, interaction_id = not_before
            at_the_moment = (rows["created_at"] == moment) & (rows["interaction_id"] >= interaction_id)
            conditions.append((rows["created_at"] > moment) | at_the_moment)
        return np.logical_and.reduce(conditions) if conditions else None

    def _remove_where(self, gone: NDArray[np.bool_]) -> None:
        if gone.any():
            # What remains keeps its order, here and there.
            self._index.remove_ids(_selector(gone))
            self._rows = self._rows[~gone]


def _selector(places: NDArray[np.bool_]) -> Any:
    """FAISS's form of a choice of places."""
    bits = np.packbits(places, bitorder="little")
    # FAISS's stubs know the C++ constructor only; the one of its wrappers keeps the array alive.
    return faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]


def _rows(added: VectorRows) -> NDArray[np.void]:
    rows = np.empty(len(added.interaction_ids), _ROW)
    rows["interaction_id"] = added.interaction_ids
    rows["created_at"] = added.created_ats
    rows["request_id"] = np.frombuffer(added.request_ids, "V16")
    rows["session"] = [hash(session_id) for session_id in added.session_ids]
    rows["role"] = [hash(role) for role in added.roles]
    rows["source"] = [hash(source) for source in added.sources]
    return rows


def _within_bounds(neighbour: Neighbour) -> Neighbour:
    """Half precision makes some vectors a little longer than 1."""
    if -1.0 <= neighbour.score <= 1.0:
        return neighbour
    return Neighbour(neighbour.interaction_id, max(-1.0, min(1.0, neighbour.score)), neighbour.created_at)
