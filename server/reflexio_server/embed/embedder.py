"""What an embedding model is to the rest of the server."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Vectors of unit length: shape (n, dimension), or (dimension,) for a single one."""


class ModelUnavailable(Exception):
    """An embedding model cannot be loaded; the message says which and why."""


class NamedModel(Protocol):
    """Something that knows what a model is called."""

    @property
    def name(self) -> str:
        """What the model is called: stored with each of its vectors. Known before it is loaded."""


class Embedder(NamedModel, Protocol):
    """An embedding model. Its methods block and are called from one thread only."""

    @property
    def dimension(self) -> int:
        """How many numbers a vector has. Known once the model is loaded."""

    def load(self) -> None:
        """Make the model ready. Called once, before everything below.

        Raises:
            ModelUnavailable: It cannot be found, or is not what it should be.
        """

    def split(self, text: str) -> list[str]:
        """The pieces, one at least, that together say all of `text` and each fit the model; neighbours overlap."""

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> Vectors:
        """One vector for each of `texts`, in order. What of a text does not fit the model has no effect.

        Args:
            texts: At least one.
            as_queries: Whether they are queries, which some models treat differently from what is searched.
        """
