"""Streams whose callers fell silent end, for they hold places that others wait for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from reflexio_server.domain.errors import StreamIdle
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Handler, Proceed


class IdleStreams(CallInterceptor):
    """Ends a stream that waits too long for its caller: for a message while it owes none, or to have one read.

    What takes the server long is not counted: each message of a caller is owed one in return.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Calls that are no streams are left alone."""
        if not handler.response_streaming:
            return handler
        return super().wrap(method, handler)

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Carry the stream through, or end it."""
        try:
            async with asyncio.timeout(None) as limit:
                watched = _Watched(context, limit, self._seconds)
                read = watched.read(request) if method in self.streams_of_requests else request
                return await proceed(read, cast(Context, watched))
        except TimeoutError:
            if not limit.expired():
                raise
            raise StreamIdle(self._seconds) from None


class _Watched:
    """The context of a stream, which knows since when its caller is waited for."""

    def __init__(self, context: Context, limit: asyncio.Timeout, seconds: float) -> None:
        self._context = context
        self._limit = limit
        self._seconds = seconds
        self._owed = 0
        self._reading = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def read(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The caller's messages."""
        incoming = aiter(requests)
        while True:
            self._reading = True
            self._wait(waiting=not self._owed)
            try:
                message = await anext(incoming)
            except StopAsyncIteration:
                return
            finally:
                self._reading = False
                self._wait(waiting=False)
            self._owed += 1
            yield message

    async def write(self, message: Any) -> None:
        """Answer, as soon as the caller reads."""
        self._wait(waiting=True)
        await self._context.write(message)
        self._owed = max(self._owed - 1, 0)
        self._wait(waiting=self._reading and not self._owed)

    def _wait(self, *, waiting: bool) -> None:
        if not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds if waiting else None)
