"""A bounded part of one user's vectors: a FAISS index, and beside it which interactions they belong to."""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from reflexio_server.embed.embedder import Vectors
from reflexio_server.index.documents import Slots

# Searches of several users run side by side; FAISS's own threads would only get in their way.
faiss.omp_set_num_threads(1)

_SIGN_AND_DIGITS = np.int32(-0x7000_0001)
_SCALE = np.float32(2.0**112)

_OVERHEAD_BYTES = 1024
"""Of its Python and FAISS objects, however small it is: some 600 bytes measured, with room for the cache's."""


@dataclass(frozen=True, slots=True)
class Best:
    """The vectors of a segment that are nearest to a query."""

    scores: NDArray[np.float32]
    """Best first."""
    slots: Slots
    """The interactions that they belong to."""
    complete: bool
    """Whether these are all that were to be considered."""


class Segment:
    """Vectors in half precision, as they are stored, with exact search.

    Memory follows what it holds: it grows by an eighth, and shrinks when half of it is not used.
    """

    def __init__(self, dimension: int, most_vectors: int) -> None:
        """Make an empty one, for so many vectors at most."""
        self._dimension = dimension
        self._most_vectors = most_vectors
        self._index = _empty_index(dimension)
        # At each place the slot of the vector at this place of the index, which has memory for as many. They are in
        # order: what is added later has a higher slot, and nothing that is done to them changes who comes first.
        self._buffer = np.empty(0, np.int32)

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

    def must_grow(self, count: int) -> bool:
        """Whether so many vectors more do not fit into the memory that it has."""
        return len(self) + count > self._capacity

    @property
    def _slots(self) -> Slots:
        return self._buffer[: len(self)]

    @property
    def _capacity(self) -> int:
        return len(self._buffer)

    def add(self, slots: Slots, codes: NDArray[np.uint8]) -> None:
        """Add vectors.

        Args:
            slots: Which interactions they belong to: in order, and none lower than what is there.
            codes: The vectors, shape (slots, bytes of a vector).
        """
        if not len(slots):
            return
        size, needed = len(self), len(self) + len(slots)
        if self.must_grow(len(slots)):
            self._move(self._slots, self._codes(), max(needed, min(size + size // 8, self._most_vectors)))
        self._buffer[size:needed] = slots
        self._index.add_sa_codes(np.ascontiguousarray(codes))

    def give_all(self, to: "Segment") -> None:
        """Add everything to another segment."""
        to.add(self._slots, self._codes())

    def remove(self, gone: NDArray[np.bool_]) -> bool:
        """Remove the vectors of those slots that `gone` says. Returns whether there were any."""
        out = gone[self._slots]
        if not out.any():
            return False
        slots = self._slots[~out]
        if 2 * len(slots) > self._capacity:
            # What remains keeps its order, here and there.
            self._index.remove_ids(_selector(out))
            self._buffer[: len(slots)] = slots
        else:
            self._move(slots, self._codes()[~out], len(slots))
        return True

    def renumber(self, moved: NDArray[np.int32]) -> None:
        """Use other slots: `moved` has the new one of each."""
        self._slots[:] = moved[self._slots]

    def _move(self, slots: Slots, codes: NDArray[np.uint8], capacity: int) -> None:
        """Hold these instead, in new memory for so many. FAISS's own memory could only double, and never shrink."""
        index = _empty_index(self._dimension)
        index.codes.resize(capacity * 2 * self._dimension)
        index.codes.resize(0)
        if len(slots):
            index.add_sa_codes(codes)
        buffer = np.empty(capacity, np.int32)
        buffer[: len(slots)] = slots
        self._buffer = buffer
        self._index = index

    def _codes(self) -> NDArray[np.uint8]:
        """Its vectors, as the index holds them: valid until the index changes."""
        if not len(self):
            return np.empty((0, 2 * self._dimension), np.uint8)
        flat = faiss.rev_swig_ptr(self._index.codes.data(), self.vector_bytes)
        codes: NDArray[np.uint8] = flat.reshape(len(self), 2 * self._dimension)
        return codes

    def places_of(self, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.intp], Slots]:
        """Where the vectors of those slots are that `wanted` says, and the slot of each, in order."""
        places = np.flatnonzero(wanted.take(self._slots))
        return places, self._slots[places]

    def decode(self, places: NDArray[np.intp], into: NDArray[np.float32]) -> None:
        """Write the vectors at some places into an array of shape (places, dimension)."""
        # Shifted by 13 bits, a half is a float with the same digits, and with an exponent that is too small by 112.
        # (Vectors are finite: of what is not, that would be wrong.) numpy and FAISS take five times as long for it.
        bits = self._codes()[places].view("<i2").astype(np.int32)
        bits <<= 13
        bits &= _SIGN_AND_DIGITS
        np.multiply(bits.view(np.float32), _SCALE, out=into)

    def view(self, considered: NDArray[np.bool_] | None) -> "SegmentView | None":
        """The vectors of those slots that `considered` says, of all where it is None; None where there is none."""
        if considered is None:
            return SegmentView(self._index, self._slots, len(self), None) if len(self) else None
        chosen = considered[self._slots]
        count = int(np.count_nonzero(chosen))
        return SegmentView(self._index, self._slots, count, _selector(chosen)) if count else None


@dataclass(frozen=True, slots=True)
class SegmentView:
    """The part of a segment that a search considers. Valid until the segment changes."""

    index: Any
    slots: Slots
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
        return Best(scores[0], self.slots[places[0]], complete=wanted == self.count)


def nearest_of_each(slots: Slots, rows: NDArray[np.float32], vector: Vectors) -> tuple[Slots, NDArray[np.float32]]:
    """Of each slot the row that is nearest to `vector`; slots must be in order."""
    if (slots[1:] != slots[:-1]).all():
        return slots, rows
    best_first = np.argsort(-np.einsum("ij,j->i", rows, vector), kind="stable")
    distinct, firsts = np.unique(slots[best_first], return_index=True)
    return distinct, rows[best_first[firsts]]


def _empty_index(dimension: int) -> Any:
    return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _selector(places: NDArray[np.bool_]) -> Any:
    """FAISS's form of a choice of places."""
    bits = np.packbits(places, bitorder="little")
    # FAISS's stubs know the C++ constructor only; the one of its wrappers keeps the array alive.
    return faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
