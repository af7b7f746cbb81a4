"""An embedder that a test can hold up, so that it knows what is waiting meanwhile."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np

from tests.fakes.embedder import FakeEmbedder


class GatedEmbedder(FakeEmbedder):
    """Open until it is closed; closed, it stops in the next batch and says so."""

    def __init__(self, fails_on: str | None = None) -> None:
        super().__init__(fails_on)
        self._open = threading.Event()
        self._open.set()
        self._entered = threading.Event()

    def close(self) -> None:
        """Stop the next batch."""
        self._entered.clear()
        self._open.clear()

    def open(self) -> None:
        """Let everything pass."""
        self._open.set()

    async def stopped(self) -> None:
        """Wait until a batch stands at the closed gate."""
        assert await asyncio.to_thread(self._entered.wait, 10)

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> np.ndarray:
        if not self._open.is_set():
            self._entered.set()
            assert self._open.wait(30)
        return super().encode(texts, as_queries=as_queries)
