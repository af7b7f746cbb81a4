"""Runs the graph: from the numbers of word pieces to vectors."""

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import onnxruntime

from reflexio_server.embed.embedder import Vectors
from reflexio_server.embed.minilm import weights

_MOST_THREADS = 8
"""More would find little to do in a batch of a few hundred word pieces."""


class Encoder:
    """all-MiniLM-L6-v2, loaded. To be used from one thread."""

    def __init__(self, published: Path) -> None:
        """Load it: a third of a second.

        Args:
            published: The published weights.
        """
        tensors = weights.published(published)
        self._words, self._positions = weights.embeddings(tensors)
        given = weights.for_graph(tensors)
        self._session = _session(given)

    def encode(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """One vector of unit length for each text, the mean of its tokens' last hidden states.

        Args:
            texts: At least one, each as the numbers of its word pieces, with the special ones at both ends.
        """
        lengths = np.array([len(pieces) for pieces in texts])
        starts = np.cumsum(lengths) - lengths
        columns = np.arange(lengths.max())
        is_token = columns < lengths[:, np.newaxis]
        pieces = np.fromiter(chain.from_iterable(texts), np.int64, int(lengths.sum()))
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


def _session(given: dict[str, np.ndarray]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_processors(), _MOST_THREADS)
    options.inter_op_num_threads = 1
    # Threads that wait in a busy loop would take the cores from the event loop and Postgres.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Further optimization would only join additions with normalizations, into an operator that is slower.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in given.values()]
    options.add_external_initializers(list(given), values)
    return onnxruntime.InferenceSession(weights.GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"])


def _processors() -> int:
    """How many this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
