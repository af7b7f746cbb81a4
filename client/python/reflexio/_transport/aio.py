"""Sends calls and awaits their answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
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


class AsyncTransport:
    """The way to the server for tasks, of one event loop or of several."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.channels = Channels(connection.endpoint, connection.timeout)

    async def send(self, call: Call[T]) -> T:
        """Make a call, and the further ones that its answer asks for.

        Raises:
            ReflexioError: It could not be made, or was refused.
        """
        step: Call[T] | T = call
        while isinstance(step, Call):
            step = step.read(await self._answer(step))
        return step

    def publish_all(self, publishes: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Result]:
        """Publish on a stream; the results come in order, as they come. Nothing is sent before they are asked for.

        Raises:
            InvalidArgumentError: At once: `publishes` cannot be iterated.
            ReflexioError: While iterating: the server cannot be reached any more, or has been silent for too long.
        """
        return self._published(stream("publishes", publishes, asynchronous=True))

    async def _published(self, publishes: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Result]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()

        def on_event(event: tuple[int, Any]) -> None:
            # The loop may be closed meanwhile; nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(events.put_nowait, event)

        delivery = Delivery(self.channels, self._connection, on_event)
        given = aiter(publishes) if isinstance(publishes, AsyncIterable) else _in_the_loop(publishes)
        more = True
        try:
            while True:
                while more and delivery.has_room:
                    try:
                        delivery.take(await anext(given))
                    except StopAsyncIteration:
                        more = False
                    delivery.connect()
                    while not events.empty():
                        await asyncio.sleep(delivery.event(events.get_nowait()))
                        delivery.connect()
                    for result in delivery.results():
                        yield result
                if delivery.is_empty and not more:
                    delivery.finish()
                    return
                try:
                    event = await asyncio.wait_for(events.get(), delivery.patience())
                except TimeoutError:
                    raise delivery.silent() from None
                await asyncio.sleep(delivery.event(event))
                delivery.connect()
                for result in delivery.results():
                    yield result
        finally:
            delivery.close()

    def close(self) -> None:
        """Close the channel. Calls under way fail; closing again does nothing."""
        self.channels.close()

    async def _answer(self, call: Call[Any]) -> Any:
        exchange = Exchange(call, self._connection)
        while True:
            method = self.channels.method(call)
            try:
                sent = _begun(method, call, exchange)
                answer = await _result(sent)
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
            await asyncio.sleep(pause)


def _begun(method: Any, call: Call[Any], exchange: Exchange) -> Any:
    calls_under_way.enter()
    process = calls_under_way.process
    try:
        sent = method.future(call.request, timeout=exchange.remaining(), metadata=exchange.metadata)
    except BaseException:
        calls_under_way.leave(process)
        raise
    sent.add_done_callback(lambda _: calls_under_way.leave(process))
    return sent


async def _in_the_loop(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def _result(sent: Any) -> Any:
    """Wait for a call of gRPC without blocking the event loop; cancelling the task cancels the call."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: object) -> None:
        try:
            loop.call_soon_threadsafe(done.set)
        except RuntimeError:
            # The loop was closed meanwhile; nobody waits any more.
            return

    sent.add_done_callback(wake)
    try:
        await done.wait()
    except asyncio.CancelledError:
        sent.cancel()
        raise
    # A call is its own error. Asked for its result, a cancelled one would raise another kind.
    if sent.code() is not grpc.StatusCode.OK:
        raise sent
    return sent.result()
