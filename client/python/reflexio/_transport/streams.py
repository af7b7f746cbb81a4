"""One bidirectional stream of a plain channel: sends without blocking, and hands over what comes back as it comes.

gRPC pulls what is sent in a thread of its own, and answers can only be waited for by blocking. So the requests wait in
a queue that ends when the stream does, and a daemon thread reads the answers. Both threads end with the call, which
ends at the latest when it is cancelled; neither ever runs the caller's code.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from reflexio._transport.endings import open_streams

_END = object()


@dataclass(frozen=True, slots=True)
class Ended:
    """The last that comes from a stream."""

    error: grpc.RpcError | None
    """None where the server ended it in good order."""


class Stream:
    """A stream that has begun. For one thread at a time; to be cancelled when it is not used to its end.

    Args:
        method: What begins the call: a `stream_stream` of a channel.
        metadata: What travels beside it.
        on_event: Called in another thread with each answer, and at last with an `Ended`.
    """

    def __init__(self, method: Any, metadata: tuple[tuple[str, str], ...], on_event: Callable[[Any], None]) -> None:
        self._process = os.getpid()
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call = method(self._sent(), metadata=metadata)
        open_streams.add(self._call)
        threading.Thread(target=_read, args=(self._call, on_event), name="reflexio-stream", daemon=True).start()

    @property
    def inherited(self) -> bool:
        """Whether this is a forked child and the stream its parent's."""
        return self._process != os.getpid()

    def send(self, request: Any) -> None:
        """Send a request; it waits for its turn in memory."""
        self._requests.put(request)

    def finish(self) -> None:
        """Say that no more requests follow."""
        self._requests.put(_END)

    def cancel(self) -> None:
        """End it now. Afterwards, and after its end, this does nothing."""
        if self.inherited:
            return
        self._requests.put(_END)
        open_streams.cancel(self._call)

    def _sent(self) -> Iterator[Any]:
        return iter(self._requests.get, _END)


def _read(call: Any, on_event: Callable[[Any], None]) -> None:
    error: grpc.RpcError | None = None
    try:
        for answer in call:
            on_event(answer)
    except grpc.RpcError as failed:
        error = failed
    on_event(Ended(error))
