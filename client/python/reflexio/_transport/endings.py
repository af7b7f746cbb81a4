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
        self.forget()

    def add(self, call: Any) -> None:
        """Have a call cancelled when the interpreter ends, unless it is over by then."""
        self._calls.add(call)

    def cancel(self, call: Any) -> None:
        """Cancel a call now. When the interpreter ends, it was done already."""
        if not self._ended:
            call.cancel()

    def forget(self) -> None:
        """Begin anew: the calls of its parent are none of a forked child's."""
        self._calls: weakref.WeakSet[Any] = weakref.WeakSet()
        self._ended = False

    def end(self) -> None:
        """Cancel what is open."""
        for call in list(self._calls):
            call.cancel()
        self._ended = True


open_streams = OpenStreams()
atexit.register(open_streams.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_streams.forget)
