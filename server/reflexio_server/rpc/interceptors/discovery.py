"""Watching health, and reflection, ask for no key: bounds of their own keep strangers from filling the memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from reflexio_server.domain.under_way import UnderWay
from reflexio_server.rpc.authors import client_of
from reflexio_server.rpc.interceptors.base import Context, Handler, end_call

MOST_OPEN = {
    "/grpc.health.v1.Health/Watch": 1024,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": 64,
}
"""How many streams of a method there may be at once."""

_SHARE = 4
"""One address may have a fourth of them: a balancer whose watch is refused may take the server for dead."""


class Discovery(grpc.aio.ServerInterceptor):
    """Refuses such streams beyond so many, and ends those of reflection that rest."""

    def __init__(self, idle_seconds: float) -> None:
        """`idle_seconds` is for how long reflection waits for its caller; 0 stands for ever."""
        self._idle_seconds = idle_seconds or None
        self._wrapped: dict[str, Handler] = {}
        self._open = UnderWay()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Called by grpc for each call; the handler of a method is wrapped once."""
        method = handler_call_details.method
        if method in self._wrapped:
            return self._wrapped[method]
        handler = await continuation(handler_call_details)
        if handler is None or method not in MOST_OPEN:
            return handler
        self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: Handler) -> Handler:
        read, write = handler.request_deserializer, handler.response_serializer
        if not handler.request_streaming:
            watch: Any = handler.unary_stream

            async def one(request: Any, context: Context) -> None:
                await self._counted(method, context, lambda: watch(request, context))

            return grpc.unary_stream_rpc_method_handler(one, read, write)
        reflect: Any = handler.stream_stream

        async def several(requests: Any, context: Context) -> None:
            await self._counted(method, context, lambda: self._while_talking(reflect(requests, context), context))

        return grpc.stream_stream_rpc_method_handler(several, read, write)

    async def _counted(self, method: str, context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        of_all, of_address = (method, None), (method, client_of(context))
        most = MOST_OPEN[method]
        if self._open[of_all] >= most or self._open[of_address] >= most // _SHARE:
            await end_call(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "there are too many such streams; try again")
        with self._open.counted((of_all, of_address)):
            await proceed()

    async def _while_talking(self, answers: Any, context: Context) -> None:
        """Answer until the caller neither asks nor reads for too long."""
        try:
            async with asyncio.timeout(self._idle_seconds) as limit:
                async for answer in answers:
                    await context.write(answer)
                    if self._idle_seconds is not None:
                        limit.reschedule(asyncio.get_running_loop().time() + self._idle_seconds)
        except TimeoutError:
            if not limit.expired():
                raise
            idle = f"nothing was asked, or read, for {self._idle_seconds:g} seconds"
            await end_call(context, grpc.StatusCode.UNAVAILABLE, idle)
