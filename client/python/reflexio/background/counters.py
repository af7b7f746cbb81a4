"""What a publisher has done so far."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackgroundCounters:
    """What became of publishes. All but `waiting` and `bytes` count what this publisher did in this process."""

    taken: int
    """How many were handed over and are, or were, on disk, or are held until that can be written to."""
    published: int
    """How many a server has stored. Includes what an earlier process left behind, or another one handed over."""
    refused: int
    """How many were not taken, were refused by the server, expired, or were dropped for newer ones."""
    retried: int
    """How many attempts came after a failed one of the same publish."""
    callback_errors: int
    """How many calls of `on_refused` raised, or could not be made because too many were queued."""
    waiting: int
    """How many are in the spool now, whoever handed them over."""
    bytes: int
    """What these take, payload and bookkeeping."""


class Counting:
    """Adds up, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts = dict.fromkeys(("taken", "published", "refused", "retried", "callback_errors"), 0)

    def add(self, name: str, number: int = 1) -> None:
        """Count `number` more."""
        with self._lock:
            self._counts[name] += number

    def snapshot(self, waiting: int, used: int) -> BackgroundCounters:
        """The figures of this moment."""
        with self._lock:
            return BackgroundCounters(**self._counts, waiting=waiting, bytes=used)
