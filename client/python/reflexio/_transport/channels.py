"""The gRPC channel of a client: opened when needed, one for each process.

Both clients use a plain `grpc` channel. Those of `grpc.aio` keep a thread inside gRPC all the time, and with it no
process survives a fork: gRPC skips its own preparations, and every call of the child hangs. A plain channel's futures
are as fast when an event loop waits for them, and they belong to no loop, so that one channel serves several.
"""

import os
import time
from typing import Any

import grpc

from reflexio._calls.call import Call, Method
from reflexio._channel import open_channel
from reflexio._endpoint import Endpoint
from reflexio._tls import Stamp, Tls
from reflexio.errors import ClientClosedError, InvalidArgumentError

_SECONDS_BETWEEN_LOOKS = 1.0
"""How often to look whether certificates have changed, at most."""


class Channels:
    """A channel to one endpoint. May be used from several threads, and after a fork."""

    def __init__(self, endpoint: Endpoint, timeout: float | None) -> None:
        """`timeout` is what all calls have; None where each kind has its own."""
        self._endpoint = endpoint
        self._timeout = timeout
        # By process: a channel is dead in a child, and must not even be closed there.
        self._opened: dict[int, grpc.Channel] = {}
        self.closed = False
        self._stamp: Stamp | None = None
        self._next_look = 0.0

    def method(self, call: Call[Any], kind: str = "unary_unary") -> Any:
        """What makes the call: blocking when it is called, in the background through its `future`.

        Args:
            call: Which.
            kind: What gRPC calls a method with a stream of requests or answers.

        Raises:
            ClientClosedError: There is no channel any more.
        """
        return getattr(self._channel(), kind)(
            call.method.path,
            request_serializer=call.method.request_type.SerializeToString,
            response_deserializer=call.method.response_type.FromString,
        )

    def stream(self, method: Method) -> Any:
        """What begins a stream in both directions, given an iterator of requests.

        Raises:
            ClientClosedError: There is no channel any more.
        """
        return self._channel().stream_stream(
            method.path,
            request_serializer=method.request_type.SerializeToString,
            response_deserializer=method.response_type.FromString,
        )

    def close(self) -> None:
        """Close the channel of this process. Calls under way fail; closing again does nothing."""
        self.closed = True
        channel = self._opened.pop(os.getpid(), None)
        if channel is not None:
            channel.close()

    def _channel(self) -> grpc.Channel:
        if self.closed:
            raise ClientClosedError("the client is closed")
        if self._endpoint.tls is not None:
            self._follow(self._endpoint.tls)
        process = os.getpid()
        channel = self._opened.get(process)
        if channel is not None:
            return channel
        opened = self._open()
        # Atomic, and so without a lock, which a fork might leave locked for ever in the child.
        channel = self._opened.setdefault(process, opened)
        if channel is not opened:
            opened.close()
        return channel

    def _follow(self, tls: Tls) -> None:
        """Have the next call open a channel with other certificates, where their files have changed."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _SECONDS_BETWEEN_LOOKS
        stamp = tls.stamp()
        if stamp is None or stamp == self._stamp:
            return
        if self._stamp is not None:
            try:
                changed = self._open()
            except InvalidArgumentError:
                return  # Half of a change; the other half comes.
            # Not closed: calls under way keep the former one until they have ended.
            self._opened[os.getpid()] = changed
        self._stamp = stamp

    def _open(self) -> grpc.Channel:
        return open_channel(self._endpoint, self._timeout)
