"""What a segment gives back of its vectors."""

import numpy as np
from reflexio_server.index.segment import Segment

DIMENSION = 8


def test_every_number_of_a_unit_vector_is_given_back_exactly():
    bits = np.arange(2**16, dtype=np.uint16)
    halves = bits.view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, DIMENSION)
    segment = Segment(DIMENSION, len(halves))
    segment.add(np.arange(len(halves), dtype=np.int32), halves.astype("<f2").view(np.uint8))
    decoded = np.empty(halves.shape, np.float32)
    segment.decode(np.arange(len(halves)), decoded)
    assert np.array_equal(decoded, halves.astype(np.float32))
    assert np.array_equal(np.signbit(decoded), np.signbit(halves))
