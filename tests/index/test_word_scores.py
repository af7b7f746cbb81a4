"""Finding the best of many scores, against putting all in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reflexio_server.index.word_scores import least_of_best

scores = arrays(np.float32, st.integers(1, 300), elements=st.sampled_from([0, 0, 0, 0.125, 0.25, 0.5, 1]))


@given(scores, st.integers(1, 12))
def test_the_least_of_the_best_is_that_of_all_in_order(scores, count):
    best = np.sort(scores)[::-1][:count]
    assert least_of_best(scores, count) == (best[-1] if np.count_nonzero(scores) >= count else 0)
