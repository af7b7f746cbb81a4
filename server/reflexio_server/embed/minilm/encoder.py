"""Runs the graph: from the numbers of word pieces to vectors."""

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from reflexio_server.embed.embedder import Vectors
from reflexio_server.embed.minilm import weights

_MOST_THREADS = 8
"""More would find little to do in a batch of a few hundred word pieces."""


class Encoder:
    """all-MiniLM-L6-v2, loaded. To be used from one thread.

    A batch is shared out to threads, a part of its texts to each. ONNX Runtime's own threads would share each of three
    hundred steps, and wait for each other as often: where something else needs a core, that takes longer than one does.
    """

    def __init__(self, published: Path) -> None:
        """Load it: a fifth of a second.

        Args:
            published: The published weights.
        """
        tensors = weights.published(published)
        self._words, self._positions = weights.embeddings(tensors)
        self._session = _session(weights.for_graph(tensors))
        self._threads = min(_processors(), _MOST_THREADS)
        self._helpers = ThreadPoolExecutor(self._threads, thread_name_prefix="encoding")

    def encode(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """One vector of unit length for each text, the mean of its tokens' last hidden states.

        Args:
            texts: At least one, each as the numbers of its word pieces, with the special ones at both ends.
        """
        first, *others = _shared_out(texts, self._threads)
        elsewhere = [self._helpers.submit(self._encode, part) for part in others]
        return np.concatenate([self._encode(first), *(part.result() for part in elsewhere)])

    def _encode(self, texts: Sequence[Sequence[int]]) -> Vectors:
        lengths = np.array([len(pieces) for pieces in texts])
        starts = np.cumsum(lengths) - lengths
        columns = np.arange(lengths.max())
        is_token = columns < lengths[:, np.newaxis]
        pieces = np.fromiter(itertools.chain.from_iterable(texts), np.int64, int(lengths.sum()))
        embedded = self._words[pieces]
        embedded += self._positions[np.broadcast_to(columns, is_token.shape)[is_token]]
        # Padding may show any token: no other one looks at it, and what comes out there is dropped.
        places = np.where(is_token, starts[:, np.newaxis] + columns, 0)
        (hidden,) = self._session.run(
            None,
            {
                "embedded": embedded,
                "places": places,
                "positions": np.flatnonzero(is_token),
                "lengths": lengths.astype(np.int32),
            },
        )
        sums: Vectors = np.add.reduceat(hidden, starts, axis=0)
        sums /= np.linalg.norm(sums, axis=1, keepdims=True)
        return sums


def _shared_out(texts: Sequence[Sequence[int]], most: int) -> list[Sequence[Sequence[int]]]:
    """The texts in order, in `most` parts at most, of about as many word pieces each; none is empty."""
    ends = np.cumsum([len(pieces) for pieces in texts])
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, most) / most, side="left") + 1
    bounds = sorted({0, *(int(cut) for cut in cuts if cut < len(texts)), len(texts)})
    return [texts[start:end] for start, end in itertools.pairwise(bounds)]


def _session(given: dict[str, np.ndarray]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Further optimization would only join additions with normalizations, into an operator that is slower.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in given.values()]
    options.add_external_initializers(list(given), values)
    return onnxruntime.InferenceSession(weights.GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"])


def _processors() -> int:
    """How many this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
