"""How many things are under way, by whatever they are counted by."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager


class UnderWay:
    """Counts what is under way, and remembers nothing of what has ended."""

    def __init__(self) -> None:
        self._counts: Counter[Hashable] = Counter()

    def __getitem__(self, key: Hashable) -> int:
        """How many are counted by `key`."""
        return self._counts[key]

    def total(self) -> int:
        """How many are counted, by any key."""
        return self._counts.total()

    @contextmanager
    def counted(self, keys: Sequence[Hashable]) -> Iterator[None]:
        """Count one thing by each of `keys` for the length of the block."""
        self._counts.update(keys)
        try:
            yield
        finally:
            for key in keys:
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]
