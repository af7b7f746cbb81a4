"""Streams that are still open when the interpreter ends.

They are cancelled while all threads still run. Later, when generators that nobody used to their end are closed, a
thread of gRPC may hold a lock for ever.
"""

import atexit
import os
import weakref
from typing import Any


class OpenStreams:
    """The calls of this process that stream."""

    def __init__(self) -> None:
        self._calls: weakref.WeakSet[Any] = weakref.WeakSet()
        # A forked child must not even finalise its parent's: their locks may be held for ever.
        self._inherited: list[Any] = []

    def add(self, call: Any) -> None:
        """Have a call cancelled when the interpreter ends, unless it is over by then."""
        self._calls.add(call)

    def cancel(self, call: Any) -> None:
        """Cancel a call now, unless that was done already or it is the parent's."""
        if call in self._calls:
            self._calls.discard(call)
            call.cancel()

    def disown(self) -> None:
        """Leave the calls of its parent alone, in a forked child."""
        self._inherited += self._calls
        self._calls = weakref.WeakSet()

    def end(self) -> None:
        """Cancel what is open."""
        for call in list(self._calls):
            self.cancel(call)


open_streams = OpenStreams()
atexit.register(open_streams.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_streams.disown)
