"""Sends calls and blocks until they are answered."""

import queue
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import grpc

from reflexio._calls.call import Call
from reflexio._calls.fields import stream
from reflexio._calls.streaming import Result
from reflexio._transport.channels import Channels
from reflexio._transport.delivery import Delivery
from reflexio._transport.exchange import Connection, Exchange
from reflexio._transport.forks import calls_under_way
from reflexio.errors import ClientClosedError

T = TypeVar("T")


class SyncTransport:
    """The way to the server for threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.channels = Channels(connection.endpoint, connection.timeout)

    def send(self, call: Call[T]) -> T:
        """Make a call, and the further ones that its answer asks for.

        Raises:
            ReflexioError: It could not be made, or was refused.
        """
        step: Call[T] | T = call
        while isinstance(step, Call):
            step = step.read(self._answer(step))
        return step

    def publish_all(self, publishes: Iterable[Any]) -> Iterator[Result]:
        """Publish on a stream; the results come in order, as they come. Nothing is sent before they are asked for.

        Raises:
            InvalidArgumentError: At once: `publishes` cannot be iterated.
            ReflexioError: While iterating: the server cannot be reached any more, or has been silent for too long.
        """
        return self._published(stream("publishes", publishes))

    def _published(self, publishes: Iterable[Any]) -> Iterator[Result]:
        events: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        delivery = Delivery(self.channels, self._connection, events.put)
        given = iter(publishes)
        more = True
        try:
            while True:
                while more and delivery.has_room:
                    try:
                        delivery.take(next(given))
                    except StopIteration:
                        more = False
                    delivery.connect()
                    while not events.empty():
                        self._pause(delivery.event(events.get()))
                        delivery.connect()
                    yield from delivery.results()
                if delivery.is_empty and not more:
                    delivery.finish()
                    return
                try:
                    event = events.get(timeout=delivery.patience())
                except queue.Empty:
                    raise delivery.silent() from None
                self._pause(delivery.event(event))
                delivery.connect()
                yield from delivery.results()
        finally:
            delivery.close()

    @staticmethod
    def _pause(seconds: float) -> None:
        if seconds:
            time.sleep(seconds)

    def close(self) -> None:
        """Close the channel. Calls under way fail; closing again does nothing."""
        self.channels.close()

    def _answer(self, call: Call[Any]) -> Any:
        exchange = Exchange(call, self._connection)
        while True:
            method = self.channels.method(call)
            calls_under_way.enter()
            process = calls_under_way.process
            try:
                answer = method(call.request, timeout=exchange.remaining(), metadata=exchange.metadata)
            except (grpc.RpcError, ValueError) as error:
                # A ValueError is what grpc raises when another thread has closed the channel a moment ago.
                if self.channels.closed:
                    raise ClientClosedError("the client was closed during the call") from error
                if not isinstance(error, grpc.RpcError):
                    raise
                pause = exchange.pause_after(error)
            else:
                exchange.succeeded()
                return answer
            finally:
                calls_under_way.leave(process)
            time.sleep(pause)
