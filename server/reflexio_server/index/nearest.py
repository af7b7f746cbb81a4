"""The interactions nearest to a query in several segments, looked through by as many threads as have time."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reflexio_server.embed.embedder import Vectors
from reflexio_server.index.documents import Slots
from reflexio_server.index.segment import Best, SegmentView

_SURPLUS = 16
"""How many more pieces than interactions to ask for at first: some interactions have several, some scores are equal."""


class NearestSearch:
    """Finds what is nearest to a vector: `with NearestSearch(…) as search:` do something else, then `search.slots(…)`.

    At the end of the block nobody looks through the segments any more.
    """

    def __init__(self, views: Sequence[SegmentView], vector: Vectors, limit: int, executor: Executor | None) -> None:
        """Say what to look for.

        Args:
            views: Where to look.
            vector: What to be near to.
            limit: How many interactions to find at most.
            executor: Has another thread that looks through segments meanwhile, if it has time; None: nobody has.
        """
        self._views = views
        self._queries = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        self._limit = limit
        self._executor = executor
        self._found: list[Best | None] = [None] * len(views)
        self._left = deque(range(len(views)))
        self._helper: Future[None] | None = None

    def __enter__(self) -> Self:
        if self._executor is not None and len(self._views) > 1:
            self._helper = self._executor.submit(self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.clear()
        self._join()

    def slots(self, rows: NDArray[np.void]) -> Slots:
        """The nearest interactions, best first; of those with the same score the newer first.

        Args:
            rows: `Documents.rows`: of each slot which interaction it has, and when that was created.
        """
        self._look()
        self._join()
        found = [best for best in self._found if best is not None]
        while found:
            best, scores = _best_interactions(found, rows, self._limit)
            # Only where the last piece is worse than the last answer, no piece that was left out could be among them.
            undecided = [
                n
                for n, pieces in enumerate(found)
                if not pieces.complete and (len(best) < self._limit or pieces.scores[-1] >= scores[-1])
            ]
            if not undecided:
                return best
            for n in undecided:
                found[n] = self._views[n].best(self._queries, 4 * len(found[n].scores))
        return np.empty(0, np.int32)

    def _look(self) -> None:
        while self._left:
            try:
                n = self._left.popleft()
            except IndexError:
                # Another thread was quicker.
                return
            self._found[n] = self._views[n].best(self._queries, self._limit + _SURPLUS)

    def _join(self) -> None:
        if self._helper is not None and not self._helper.cancel():
            self._helper.result()


def _best_interactions(found: Sequence[Best], rows: NDArray[np.void], limit: int) -> tuple[Slots, NDArray[np.float32]]:
    """The best interactions among the pieces that were found, each with its best piece, in the right order."""
    scores = np.concatenate([pieces.scores for pieces in found])
    slots = np.concatenate([pieces.slots for pieces in found])
    order = np.lexsort((rows["interaction_id"][slots], rows["created_at"][slots], scores))[::-1]
    _, firsts = np.unique(slots[order], return_index=True)
    chosen = order[np.sort(firsts)[:limit]]
    return slots[chosen], scores[chosen]
