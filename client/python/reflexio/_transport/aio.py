"""Sends calls and awaits their answers."""

import asyncio
from typing import Any, TypeVar

import grpc

from reflexio._calls.call import Call
from reflexio._transport.channels import Channels
from reflexio._transport.exchange import Connection, Exchange
from reflexio._transport.forks import calls_under_way
from reflexio.errors import ClientClosedError

T = TypeVar("T")


class AsyncTransport:
    """The way to the server for tasks, of one event loop or of several."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.channels = Channels(connection.endpoint)

    async def send(self, call: Call[T]) -> T:
        """Make a call, and the further ones that its answer asks for.

        Raises:
            ReflexioError: It could not be made, or was refused.
        """
        step: Call[T] | T = call
        while isinstance(step, Call):
            step = step.read(await self._answer(step))
        return step

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
