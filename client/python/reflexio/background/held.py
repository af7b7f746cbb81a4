"""Publishes in memory, for as long as somebody else keeps the spool's file locked."""

import threading
from collections import deque
from collections.abc import Callable

from reflexio.background.errors import SpoolBusyError, SpoolError
from reflexio.background.publication import Encoded

MOST_HELD = 1000
_MOST_BYTES = 16 * 1024 * 1024


class Held:
    """What was taken and is not on disk yet, in the order of the hand-over. Any thread may use it."""

    def __init__(self) -> None:
        self._waiting: deque[Encoded] = deque()
        self._bytes = 0
        self._locked = False
        self._in_vain = False
        # Both reentrant: a signal handler may hand something over while its thread is in here.
        self._counting = threading.RLock()
        self._writing = threading.RLock()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def settled(self) -> bool:
        """Whether nothing is to be gained by waiting: all is written, or the file was locked when that was tried last.

        Where there is no more room, it is worth waiting once even then.
        """
        return not self._waiting or (self._locked and (not self._full or self._in_vain))

    def waited_in_vain(self) -> None:
        """Note that somebody has waited for room without any good, so that others need not."""
        self._in_vain = self._full

    def add(self, publish: Encoded) -> None:
        """Keep a publish behind all others.

        Raises:
            SpoolBusyError: There is no room.
        """
        with self._counting:
            if self._full or self._bytes + len(publish.payload) > _MOST_BYTES:
                problem = "somebody else keeps the spool locked, and no more is held in memory"
                raise SpoolBusyError(problem)
            self._waiting.append(publish)
            self._bytes += len(publish.payload)

    def write(self, store: Callable[[Encoded], None], refuse: Callable[[Encoded, SpoolError], None]) -> None:
        """Store what is here, in order, until the file is locked again; tell `refuse` of what cannot be stored at all.

        Does nothing where another thread is at it.
        """
        if not self._writing.acquire(blocking=False):
            return
        try:
            while self._waiting:
                # It leaves only when it is stored: what is handed over meanwhile has to see that it comes second.
                publish = self._waiting[0]
                try:
                    store(publish)
                except SpoolBusyError:
                    self._locked = True
                    return
                except SpoolError as error:
                    refuse(publish, error)
                self._locked = self._in_vain = False
                self._remove_first()
        finally:
            self._writing.release()

    def give_up(self, refuse: Callable[[Encoded, SpoolError], None]) -> None:
        """Tell `refuse` of all that is here, and forget it."""
        with self._writing:
            while self._waiting:
                refuse(self._waiting[0], SpoolBusyError("somebody else kept the spool locked until the end"))
                self._remove_first()

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= MOST_HELD

    def _remove_first(self) -> None:
        with self._counting:
            self._bytes -= len(self._waiting.popleft().payload)
