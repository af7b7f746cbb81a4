"""An embedder without a model: texts that share words are near to each other. Deterministic, and fast."""

import functools
import hashlib
import re
from collections.abc import Sequence

import numpy as np
from reflexio_server.embed.embedder import ModelUnavailable

_DIMENSION = 64
_WORDS_PER_PIECE = 200
_OVERLAP = 25


class FakeEmbedder:
    """Adds up a random direction for each word, another one under each name. Fails on texts that hold `fails_on`."""

    name = "words-64"
    dimension = _DIMENSION

    def __init__(self, fails_on: str | None = None, *, name: str = "words-64", dimension: int = _DIMENSION) -> None:
        self.fails_on = fails_on
        self.name = name
        self.dimension = dimension
        self.batches: list[list[str]] = []
        """The texts of each call of `encode`, in order."""

    def load(self) -> None:
        """Nothing to do."""

    def split(self, text: str) -> list[str]:
        words = text.split()
        if len(words) <= _WORDS_PER_PIECE:
            return [text]
        last = len(words) - _OVERLAP
        return [
            " ".join(words[start : start + _WORDS_PER_PIECE]) for start in range(0, last, _WORDS_PER_PIECE - _OVERLAP)
        ]

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> np.ndarray:
        self.batches.append(list(texts))
        if self.fails_on is not None and any(self.fails_on in text for text in texts):
            raise RuntimeError(f"a text has {self.fails_on}")
        return np.stack([_vector(text, self.name, self.dimension) for text in texts])


class MissingEmbedder(FakeEmbedder):
    """One that cannot be loaded."""

    def load(self) -> None:
        raise ModelUnavailable(f"there is no model {self.name[:100]!r}")


def missing_embedder(name: str) -> MissingEmbedder:
    """For servers that have one model only."""
    return MissingEmbedder(name=name)


def _vector(text: str, model: str, dimension: int) -> np.ndarray:
    words = re.findall(r"\w+", text.lower()) or ["∅"]
    total = np.sum([_direction(word, model, dimension) for word in words], axis=0, dtype=np.float32)
    return total / np.linalg.norm(total)


@functools.cache
def _direction(word: str, model: str, dimension: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8, person=model.encode()[:16]).digest())
    return np.random.default_rng(seed).standard_normal(dimension, dtype=np.float32)
