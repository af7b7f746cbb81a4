"""A bounded part of one user's vectors: a FAISS index, and an array beside it with what filters need."""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from reflexio_server.domain.interaction import InteractionFilter, Position
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
"""Of its Python and FAISS objects, however small it is: some 600 bytes measured, with room for the cache's."""

Rows = NDArray[np.void]
"""What filters need, one row for each vector."""


@dataclass(frozen=True, slots=True)
class Best:
    """The vectors of a segment that are nearest to a query."""

    scores: NDArray[np.float32]
    """Best first."""
    rows: Rows
    complete: bool
    """Whether these are all that were to be considered."""


class Segment:
    """Vectors in half precision, as they are stored, with exact search.

    Memory follows what it holds, up to twice as much: it grows by doubling, and shrinks when half of it is not used.
    """

    def __init__(self, dimension: int, most_vectors: int) -> None:
        """Make an empty one, for so many vectors at most."""
        self._dimension = dimension
        self._most_vectors = most_vectors
        self._index = _empty_index(dimension)
        # At each place what belongs to the vector at this place of the index, which has memory for as many.
        self._buffer = np.empty(0, _ROW)
        # Between these all its interactions are.
        self._lowest_id, self._highest_id = np.iinfo(np.int64).max, np.iinfo(np.int64).min

    def __len__(self) -> int:
        """How many vectors it has."""
        return int(self._index.ntotal)

    @property
    def vector_bytes(self) -> int:
        """How many bytes a search without a filter has to look through."""
        return len(self) * 2 * self._dimension

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self._capacity * 2 * self._dimension + self._buffer.nbytes + _OVERHEAD_BYTES

    @property
    def _rows(self) -> Rows:
        return self._buffer[: len(self)]

    @property
    def _capacity(self) -> int:
        return len(self._buffer)

    def add(self, rows: Rows, codes: NDArray[np.uint8]) -> None:
        """Add vectors.

        Args:
            rows: What filters need.
            codes: The vectors belonging to them, shape (rows, bytes of a vector).
        """
        if not len(rows):
            return
        size, needed = len(self), len(self) + len(rows)
        if needed > self._capacity:
            self._move(self._rows, self._codes(), max(needed, min(2 * size, self._most_vectors)))
        self._buffer[size:needed] = rows
        self._index.add_sa_codes(np.ascontiguousarray(codes))
        ids = rows["interaction_id"]
        self._lowest_id, self._highest_id = min(self._lowest_id, ids.min()), max(self._highest_id, ids.max())

    def give_all(self, to: "Segment") -> None:
        """Add everything to another segment."""
        to.add(self._rows, self._codes())

    def remove(self, interaction_ids: NDArray[np.int64]) -> bool:
        """Remove the vectors of these interactions; those that it has none of do not matter.

        Returns:
            Whether there were any.
        """
        near = interaction_ids[(interaction_ids >= self._lowest_id) & (interaction_ids <= self._highest_id)]
        if not len(near):
            return False
        gone = np.isin(self._rows["interaction_id"], near)
        if not gone.any():
            return False
        rows = self._rows[~gone]
        if 2 * len(rows) > self._capacity:
            # What remains keeps its order, here and there.
            self._index.remove_ids(_selector(gone))
            self._buffer[: len(rows)] = rows
        else:
            self._move(rows, self._codes()[~gone], len(rows))
        return True

    def _move(self, rows: Rows, codes: NDArray[np.uint8], capacity: int) -> None:
        """Hold these instead, in new memory for so many. FAISS's own memory could only double, and never shrink."""
        index = _empty_index(self._dimension)
        index.codes.resize(capacity * 2 * self._dimension)
        index.codes.resize(0)
        if len(rows):
            index.add_sa_codes(codes)
        self._buffer = np.empty(capacity, _ROW)
        self._buffer[: len(rows)] = rows
        self._index = index

    def _codes(self) -> NDArray[np.uint8]:
        """Its vectors, as the index holds them: valid until the index changes."""
        if not len(self):
            return np.empty((0, 2 * self._dimension), np.uint8)
        flat = faiss.rev_swig_ptr(self._index.codes.data(), self.vector_bytes)
        codes: NDArray[np.uint8] = flat.reshape(len(self), 2 * self._dimension)
        return codes

    def view(self, where: InteractionFilter, not_before: Position | None) -> "SegmentView | None":
        """What fulfils all conditions; None where nothing does."""
        considered = self._considered(where, not_before)
        if considered is None:
            return SegmentView(self._index, self._rows, len(self), None) if len(self) else None
        count = int(np.count_nonzero(considered))
        return SegmentView(self._index, self._rows, count, _selector(considered)) if count else None

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


@dataclass(frozen=True, slots=True)
class SegmentView:
    """The part of a segment that a search considers. Valid until the segment changes."""

    index: Any
    rows: Rows
    count: int
    selector: Any

    def best(self, queries: NDArray[np.float32], pieces: int) -> Best:
        """So many of its vectors, those nearest to the one query in `queries`."""
        wanted = min(self.count, pieces)
        parameters = None
        if self.selector is not None:
            # FAISS's stubs do not know the keyword that its wrappers add.
            parameters = faiss.SearchParameters(sel=self.selector)  # type: ignore[call-arg]
        scores, places = self.index.search(queries, wanted, params=parameters)
        return Best(scores[0], self.rows[places[0]], complete=wanted == self.count)


def rows_of(added: VectorRows) -> Rows:
    """What filters need of vectors that came from the store."""
    rows = np.empty(len(added.interaction_ids), _ROW)
    rows["interaction_id"] = added.interaction_ids
    rows["created_at"] = added.created_ats
    rows["request_id"] = np.frombuffer(added.request_ids, "V16")
    rows["session"] = [hash(session_id) for session_id in added.session_ids]
    rows["role"] = [hash(role) for role in added.roles]
    rows["source"] = [hash(source) for source in added.sources]
    return rows


def _empty_index(dimension: int) -> Any:
    return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _selector(places: NDArray[np.bool_]) -> Any:
    """FAISS's form of a choice of places."""
    bits = np.packbits(places, bitorder="little")
    # FAISS's stubs know the C++ constructor only; the one of its wrappers keeps the array alive.
    return faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
