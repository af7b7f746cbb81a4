"""Streams that carry whole data sets: a download of many answers, and an upload whose messages are each answered.

Both block the thread that uses them; `Aside` lets an event loop use them. They have no deadline, for nobody knows how
long a data set takes. Each message is awaited for a bounded time, and `close` ends them at any time.
"""

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import grpc

from reflexio._calls.call import Call
from reflexio._transport.channels import Channels
from reflexio._transport.endings import open_streams
from reflexio._transport.exchange import Connection, Exchange
from reflexio.errors import ClientClosedError, InternalError, ReflexioError

T = TypeVar("T")

_MOST_UNANSWERED = 64
_MOST_UNANSWERED_BYTES = 16 * 1024 * 1024
"""How much of an upload is kept to be sent again where the connection breaks."""


class _Transfer:
    """A stream that can be ended, and opened again after a failure that passes."""

    def __init__(self, connection: Connection, channels: Channels) -> None:
        self._connection = connection
        self._channels = channels
        self._stream: Any = None
        self._closed = threading.Event()
        self._process = os.getpid()
        self._watch: threading.Thread | None = None
        self._waiting_since: float | None = None
        self._silent = False

    @property
    def _inherited(self) -> bool:
        """Whether this is a forked child and the stream its parent's."""
        return self._process != os.getpid()

    def close(self) -> None:
        """End it. Whoever waits for it gets an error."""
        self._closed.set()
        self._cancel()

    def _next(self, exchange: Exchange, reopen: Callable[[], Any], *, may_repeat: Callable[[], bool]) -> Any:
        """The next message; None at the end."""
        if self._inherited:
            raise ClientClosedError("a forked process cannot go on with an export or import of its parent; begin anew")
        while True:
            try:
                if self._stream is None:
                    self._stream = reopen()
                    open_streams.add(self._stream)
                answer = self._awaited()
            except StopIteration:
                return None
            except (grpc.RpcError, ValueError) as error:
                # A ValueError is what grpc raises when another thread has closed the channel a moment ago.
                if (own := self._ended_here()) is not None:
                    raise own from error
                if not isinstance(error, grpc.RpcError):
                    raise
                if not may_repeat():
                    raise exchange.failure(error) from error
                pause = exchange.pause_after(error)
                self._stream = None
            else:
                exchange.succeeded()
                return answer
            self._closed.wait(pause)

    def _ended_here(self) -> ReflexioError | None:
        """Why this side has ended the stream, if it has."""
        if self._channels.closed or self._closed.is_set():
            return ClientClosedError("the client was closed during the call")
        return self._connection.silent("answer") if self._silent else None

    def _awaited(self) -> Any:
        """The next message of the stream that is open, which is cancelled if that takes too long."""
        if self._watch is None:
            self._watch = threading.Thread(target=self._watch_for_silence, name="reflexio silence", daemon=True)
            self._watch.start()
        self._waiting_since = time.monotonic()
        try:
            return next(self._stream)
        finally:
            self._waiting_since = None

    def _watch_for_silence(self) -> None:
        # gRPC waits for a message without a limit. This thread sleeps for as long as nothing can be overdue: what is
        # not awaited yet will not be before a whole limit has passed.
        seconds = self._connection.silence
        pause = seconds
        while not self._closed.wait(pause):
            since = self._waiting_since
            pause = seconds if since is None else since + seconds - time.monotonic()
            if pause <= 0:
                self._silent = True
                self._cancel()
                return

    def _cancel(self) -> None:
        if self._stream is not None:
            open_streams.cancel(self._stream)


class Download(_Transfer, Generic[T]):
    """Many answers to one request. Until the first of them has come, failures that pass are waited out."""

    def __init__(self, call: Call[T], connection: Connection, channels: Channels) -> None:
        super().__init__(connection, channels)
        self._call = call
        self._exchange = Exchange(call, connection)
        self._begun = False

    def receive(self) -> Any:
        """The next message; None at the end.

        Raises:
            ReflexioError: It could not be had to its end.
        """
        answer = self._next(self._exchange, self._open, may_repeat=lambda: not self._begun)
        self._begun = True
        return answer

    def _open(self) -> Any:
        method = self._channels.method(self._call, "unary_stream")
        return method(self._call.request, metadata=self._exchange.metadata)


class Upload(_Transfer):
    """Messages of one method, each answered, in their order.

    When the connection breaks, those that were not answered are sent again: their repetition must be harmless.
    """

    def __init__(self, connection: Connection, channels: Channels) -> None:
        super().__init__(connection, channels)
        # With the size that each was counted with: the number of its place changes it.
        self._unanswered: deque[tuple[Call[Any], int]] = deque()
        self._unanswered_bytes = 0
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._sent = 0
        self._exchange: Exchange | None = None
        self._answered = False

    @property
    def full(self) -> bool:
        """Whether answers are to be received before more is put in."""
        return len(self._unanswered) >= _MOST_UNANSWERED or self._unanswered_bytes >= _MOST_UNANSWERED_BYTES

    def put(self, call: Call[Any]) -> None:
        """Send a message, without waiting. Not to be called by two threads at once, nor beside `receive`."""
        size = call.request.ByteSize()
        self._unanswered.append((call, size))
        self._unanswered_bytes += size
        if self._stream is not None:
            self._send(call.request)

    def receive(self) -> Any:
        """What the oldest message that was not answered yet was answered; read as its call says.

        Raises:
            ReflexioError: The stream has failed for good. What was not answered may have been carried out.
        """
        call, size = self._unanswered[0]
        if self._exchange is None:
            self._exchange = Exchange(call, self._connection)
        answer = self._next(self._exchange, self._open, may_repeat=self._may_repeat)
        if answer is None:
            raise InternalError("the server ended the stream before it had answered everything")
        self._answered = True
        self._unanswered.popleft()
        self._unanswered_bytes -= size
        return call.read(answer)

    def finish(self) -> None:
        """Tell the server that nothing more comes, and wait until it has taken note. Everything was answered before."""
        if self._stream is not None:
            self._outbox.put(None)
            # The end is all that can come, or an error or a silence that concern nothing any more.
            with contextlib.suppress(StopIteration, grpc.RpcError):
                self._awaited()

    def close(self) -> None:
        """End it. Whoever waits for it gets an error."""
        super().close()
        self._outbox.put(None)

    def _send(self, request: Any) -> None:
        self._sent += 1
        # So that the server notices where one is missing.
        request.place = self._sent
        self._outbox.put(request)

    def _may_repeat(self) -> bool:
        if self._answered and self._exchange is not None:
            self._exchange.renew()
            self._answered = False
        return True

    def _open(self) -> Any:
        # What the thread of gRPC reads that sent the messages of the stream before.
        self._outbox.put(None)
        self._outbox = queue.SimpleQueue()
        self._sent = 0
        for call, _ in self._unanswered:
            self._send(call.request)
        first, _ = self._unanswered[0]
        metadata = self._exchange.metadata if self._exchange is not None else None
        return self._channels.method(first, "stream_stream")(iter(self._outbox.get, None), metadata=metadata)


class Aside:
    """Lets an event loop wait for a transfer, in a thread that nothing else needs."""

    def __init__(self, transfer: Download[Any] | Upload) -> None:
        self._transfer = transfer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reflexio transfer")

    async def wait_for(self, step: Callable[[], T]) -> T:
        """What a method of the transfer returns. Whoever is cancelled meanwhile is to `close`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, step)

    def close(self) -> None:
        """End the transfer and its thread."""
        self._transfer.close()
        self._thread.shutdown(wait=False)
