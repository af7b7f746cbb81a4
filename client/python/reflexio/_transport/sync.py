"""Sends calls and blocks until they are answered."""

import time
from typing import Any, TypeVar

import grpc

from reflexio._calls.call import Call
from reflexio._transport.channels import Channels
from reflexio._transport.exchange import Connection, Exchange
from reflexio._transport.forks import calls_under_way
from reflexio.errors import ClientClosedError

T = TypeVar("T")


class SyncTransport:
    """The way to the server for threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.channels = Channels(connection.endpoint)

    def send(self, call: Call[T]) -> T:
        """Make a call, and the further ones that its answer asks for.

        Raises:
            ReflexioError: It could not be made, or was refused.
        """
        step: Call[T] | T = call
        while isinstance(step, Call):
            step = step.read(self._answer(step))
        return step

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
