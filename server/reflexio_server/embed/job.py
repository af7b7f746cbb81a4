"""A text on its way through the embedding thread."""

import asyncio
from enum import IntEnum

import numpy as np

from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.embed.fair_queue import Owner

_SHORT_BYTES = 1024
"""Texts up to this length are quickly split; a longer one only when it is its turn."""


class Priority(IntEnum):
    """Who goes first."""

    QUERY = 0
    WANTED = 1
    """A text that somebody waits for."""
    BACKLOG = 2


class EmbeddingJob:
    """A text on its way through the embedding thread."""

    def __init__(self, text: str, priority: Priority, owner: Owner, result: asyncio.Future[Vectors]) -> None:
        self.owner = owner
        """Whose turn is taken by it."""
        self.result = result
        """Becomes the vectors of the text's pieces, in order; cancelling it drops what was not begun."""
        self.priority = priority
        self.is_split = False
        self._size = len(text.encode())
        # The last first; until it is split, the text is all there is.
        self._pieces = [text]
        self._vectors: list[Vectors] = []

    @property
    def is_short(self) -> bool:
        """Whether splitting it takes no time to speak of."""
        return self._size <= _SHORT_BYTES

    @property
    def next_piece(self) -> str:
        """The first piece that has no vector yet."""
        return self._pieces[-1]

    def split(self, embedder: Embedder) -> None:
        """Cut the text into pieces. What this raises is the job's failure."""
        self._pieces = embedder.split(self._pieces[0])[::-1]
        self.is_split = True

    def add(self, vector: Vectors) -> bool:
        """Take the vector of the next piece. Returns whether that was the last."""
        self._pieces.pop()
        self._vectors.append(vector)
        return not self._pieces

    @property
    def vectors(self) -> Vectors:
        """The vectors of all pieces."""
        return np.stack(self._vectors)
