"""Calls are refused until everything is there: an empty answer given early would be a wrong one."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from reflexio_server.domain.errors import NotReady
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Handler, Proceed


class Readiness(CallInterceptor):
    """Lets calls through while the server is serving."""

    def __init__(self, state: Callable[[], str]) -> None:
        """`state` says what the server is doing: "starting", "serving" or "stopping"."""
        super().__init__()
        self._state = state
        self._last_call = float("-inf")

    def seconds_since_call(self) -> float:
        """How long ago anybody called, health checks included; infinite where nobody has."""
        return time.monotonic() - self._last_call

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Note that somebody calls."""
        self._last_call = time.monotonic()
        return await super().intercept_service(continuation, handler_call_details)

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Refuse what comes too early or too late."""
        if (state := self._state()) != "serving":
            raise NotReady(state)
        return await proceed(request, context)
