"""Calls are refused until everything is there: an empty answer given early would be a wrong one."""

from collections.abc import Callable
from typing import Any

from reflexio_server.domain.errors import NotReady
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed


class Readiness(CallInterceptor):
    """Lets calls through while the server is serving."""

    def __init__(self, state: Callable[[], str]) -> None:
        """`state` says what the server is doing: "starting", "serving" or "stopping"."""
        super().__init__()
        self._state = state

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Refuse what comes too early or too late."""
        if (state := self._state()) != "serving":
            raise NotReady(state)
        return await proceed(request, context)
