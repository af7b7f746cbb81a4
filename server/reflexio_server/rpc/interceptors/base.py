"""The frame of an interceptor: what grpc.aio wants, written once."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

import grpc

if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
else:  # The classes take parameters in their type stubs only.
    Context = grpc.aio.ServicerContext
    Handler = grpc.RpcMethodHandler
Proceed: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
"""Answers a call. Where the request is a stream it is given an iterator of messages; where the response is one it
returns None and has written its messages to the context."""

OUR_METHODS = "/reflexio."
"""What the methods of our services begin with; health and reflection answer by themselves."""


class CallInterceptor(grpc.aio.ServerInterceptor, ABC):
    """Stands around the calls of our methods, streams among them."""

    def __init__(self) -> None:
        self._wrapped: dict[str, Handler | None] = {}
        self.streams: set[str] = set()
        """Methods with a stream of requests, of responses, or both. Those that were called so far."""
        self.streams_of_requests: set[str] = set()
        """Those of them whose requests are a stream."""

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
        if handler is None or not method.startswith(OUR_METHODS):
            # Not remembered: callers could fill the memory with names that do not exist.
            return handler
        self._wrapped[method] = self.wrap(method, handler)
        return self._wrapped[method]

    def wrap(self, method: str, handler: Handler) -> Handler:
        """The handler that stands around `handler`."""
        if handler.request_streaming or handler.response_streaming:
            self.streams.add(method)
        if handler.request_streaming:
            self.streams_of_requests.add(method)
        proceed = behavior_of(handler)

        async def behavior(request: Any, context: Context) -> Any:
            return await self.call(method, proceed, request, context)

        return handler_like(handler, behavior, handler.request_deserializer)

    @abstractmethod
    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Do one's part, and `await proceed(request, context)` for the rest."""


async def end_call(
    context: Context, code: grpc.StatusCode, message: str, *trailers: tuple[str, str | bytes]
) -> NoReturn:
    """End a call with a status.

    Raises:
        grpc.aio.AbortError: It is ended.
        asyncio.CancelledError: Its caller is gone and cannot be told.
    """
    try:
        await context.abort(code, message, trailers)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None


def behavior_of(handler: Handler) -> Proceed:
    """What a handler does, whichever of its four attributes holds it."""
    kind = "stream" if handler.request_streaming else "unary"
    return cast(Proceed, getattr(handler, f"{kind}_stream" if handler.response_streaming else f"{kind}_unary"))


def handler_like(handler: Handler, behavior: Proceed, read: Callable[[bytes], Any] | None) -> Handler:
    """A handler of the same kind that does `behavior`, its requests read by `read`; None leaves them bytes."""
    kind = "stream" if handler.request_streaming else "unary"
    make = getattr(grpc, f"{kind}_{'stream' if handler.response_streaming else 'unary'}_rpc_method_handler")
    return cast(Handler, make(behavior, read, handler.response_serializer))
