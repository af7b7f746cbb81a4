"""What is on its way on a stream of publishes, and what became of it: the same for threads and for event loops."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reflexio import errors
from reflexio._calls.call import Call
from reflexio._calls.streaming import STREAM_PUBLISH, Result, streamed
from reflexio._channel import TimeoutClass
from reflexio._transport.channels import Channels
from reflexio._transport.exchange import Connection, Exchange
from reflexio._transport.streams import Ended, Stream

_MOST_PUBLISHES = 64
_MOST_BYTES = 8 * 1024 * 1024
"""What is sent ahead at most. A larger publish is sent by itself."""


@dataclass(slots=True)
class _Item:
    """One publish on its way."""

    request: Any
    """None for what was refused before it was sent."""
    size: int
    read: Callable[[Any], Result]
    """Makes the result of the acknowledgement."""
    result: Result | None = None


def _no_answer(_: Any) -> Result:
    message = "what was not sent is not answered"
    raise AssertionError(message)


class Delivery:
    """Sends publishes on a stream, and on another where that one breaks, until each has its result.

    Args:
        channels: What to open streams on.
        connection: In whose name.
        on_event: Takes what comes from a stream, in another thread, with the stream's number; it is to be given to
            `event` in the caller's.
    """

    def __init__(self, channels: Channels, connection: Connection, on_event: Callable[[tuple[int, Any]], None]) -> None:
        self._channels = channels
        self._connection = connection
        self._on_event = on_event
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._number = 0
        self._sent = 0
        self._stream: Stream | None = None
        self._exchange = self._new_exchange()
        self._troubled = False
        self._heard_at = time.monotonic()

    @property
    def has_room(self) -> bool:
        """Whether another publish may be taken now."""
        return not self._items or (len(self._items) < _MOST_PUBLISHES and self._bytes < _MOST_BYTES)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on its way."""
        return not self._items

    def patience(self) -> float:
        """Seconds for which to wait for the next event."""
        # The caller may have taken its time: what has come meanwhile must get its chance.
        return max(self._heard_at + self._connection.silence - time.monotonic(), 1.0)

    def take(self, publish: Any) -> None:
        """Send another publish; what is wrong with it becomes its result."""
        try:
            request, read = streamed(publish, self._connection.endpoint.url)
        except errors.ReflexioError as error:
            self._items.append(_Item(None, 0, _no_answer, error))
            return
        if not self._waiting():
            self._heard_at = time.monotonic()
        self._items.append(_Item(request, request.ByteSize(), read))
        self._bytes += request.ByteSize()
        if self._stream is not None and not self._stream.inherited:
            self._send(self._stream, request)

    def connect(self) -> None:
        """Have a stream, if something waits: what has no result is sent on it, again if need be.

        Raises:
            ClientClosedError: The client is closed.
        """
        if self._stream is not None and self._stream.inherited:
            self.close()
        waiting = self._waiting()
        if self._stream is not None or not waiting:
            return
        self._number += 1
        number = self._number
        method = self._channels.stream(STREAM_PUBLISH)
        try:
            self._stream = Stream(method, self._exchange.metadata, lambda event: self._on_event((number, event)))
        except ValueError as error:
            # What grpc raises when another thread has closed the channel a moment ago.
            raise errors.ClientClosedError("the client was closed during the call") from error
        self._sent = 0
        for item in waiting:
            self._send(self._stream, item.request)

    def event(self, numbered: tuple[int, Any]) -> float:
        """Take what came from a stream. Returns seconds to wait before `connect` is called again.

        Raises:
            ReflexioError: The server cannot be reached any more, or takes no stream.
        """
        number, event = numbered
        if number != self._number or self._stream is None:
            return 0.0
        if isinstance(event, Ended):
            self._stream = None
            return self._after_end(event)
        self._heard_at = time.monotonic()
        self._exchange.succeeded()
        if self._troubled:
            self._troubled = False
            self._exchange = self._new_exchange()
        item = self._waiting()[0]
        item.result = item.read(event)
        return 0.0

    def results(self) -> list[Result]:
        """Those of the first publishes, in order, which are then forgotten."""
        found: list[Result] = []
        while self._items and (result := self._items[0].result) is not None:
            self._bytes -= self._items.popleft().size
            found.append(result)
        return found

    def silent(self) -> errors.DeadlineExceededError:
        """The error for a server that has not acknowledged anything for too long."""
        return self._connection.silent("acknowledgement")

    def finish(self) -> None:
        """Let the stream end in good order: nothing follows, and everything has its result."""
        if self._stream is not None and not self._stream.inherited:
            self._stream.finish()
            self._stream = None

    def close(self) -> None:
        """End the stream, if there is one."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def _send(self, stream: Stream, request: Any) -> None:
        self._sent += 1
        # So that the server notices where one is missing.
        request.place = self._sent
        stream.send(request)

    def _after_end(self, ended: Ended) -> float:
        if self._channels.closed:
            raise errors.ClientClosedError("the client was closed during the call") from ended.error
        if ended.error is None:
            # A proxy may end a stream in good order; what was not acknowledged is sent again.
            return 0.0
        self._troubled = True
        pause = self._exchange.pause_after(ended.error)
        self._heard_at = time.monotonic()
        return pause

    def _waiting(self) -> list[_Item]:
        return [item for item in self._items if item.result is None]

    def _new_exchange(self) -> Exchange:
        call = Call(STREAM_PUBLISH, STREAM_PUBLISH.request_type(), lambda _: None, TimeoutClass.WAITING)
        return Exchange(call, self._connection)
