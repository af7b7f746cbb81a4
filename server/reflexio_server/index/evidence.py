"""What is asked of an index, and what it says for and against each interaction."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.embed.embedder import Vectors
from reflexio_server.store.search_state import QueryWord


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for."""

    vector: Vectors | None
    """Of unit length, shape (dimension,). None: by words only."""
    words: tuple[QueryWord, ...]
    """Empty: by meaning only."""
    where: InteractionFilter
    """Which interactions to consider; `not_before` stands for its `most_recent_k`."""
    not_before: Position | None
    """Consider only what is at this position or newer."""
    depth: int
    """So many of the nearest and so many of those with the most words are candidates."""
    roles: Collection[str] = ()
    """The roles that are asked about."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Candidates for an answer, as columns: the elements at one place belong together."""

    interaction_ids: NDArray[np.int64]
    created_ats: NDArray[np.int64]
    """Nanoseconds since the epoch."""
    words: NDArray[np.float32]
    """From 0 to 1: how many of the words it and what was said around it have, rare words counting for more."""
    similarity: NDArray[np.float32]
    """From -1 to 1: the cosine of the angle to the query, with what was said just before and after mixed in.
    0 where there is no vector."""
    own_similarity: NDArray[np.float32]
    """The same of the nearest piece of the interaction alone."""
    of_role: NDArray[np.bool_]
    """Whether its role is one of those that are asked about."""
    asks: NDArray[np.bool_]
    """Whether it has a question mark."""

    @classmethod
    def none(cls) -> Self:
        """No candidates."""
        numbers, flags = np.empty(0, np.float32), np.empty(0, np.bool_)
        ids = np.empty(0, np.int64)
        return cls(ids, ids, numbers, numbers, numbers, flags, flags)
