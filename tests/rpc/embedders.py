"""Embedders that do not do what they should."""

import threading
from collections.abc import Sequence

import numpy as np

from tests.fakes.embedder import FakeEmbedder

SECRET = "select s3cr3t from /root/model.bin"


class HeldEmbedder(FakeEmbedder):
    """Waits before it loads and before it encodes, each until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_load = threading.Event()
        self.may_encode = threading.Event()

    def load(self) -> None:
        self.may_load.wait()

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> np.ndarray:
        self.may_encode.wait()
        return super().encode(texts, as_queries=as_queries)


class BrokenEmbedder(FakeEmbedder):
    """Fails on queries, with a text that is nobody's business."""

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> np.ndarray:
        if as_queries:
            raise RuntimeError(SECRET)
        return super().encode(texts, as_queries=as_queries)
