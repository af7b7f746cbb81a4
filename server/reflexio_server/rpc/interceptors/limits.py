"""No more calls at once than the server can carry: beyond, a refusal costs little and slows down nobody."""

from typing import Any

import grpc

from reflexio_server.domain.errors import TooManyCalls
from reflexio_server.domain.under_way import UnderWay
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed, end_call


class Limits(CallInterceptor):
    """Refuses calls, and streams, beyond so many at once. Those of health and reflection are counted apart."""

    def __init__(self, most_calls: int, most_streams: int) -> None:
        super().__init__()
        self._most = {"calls": most_calls, "streams": most_streams}
        self._under_way = UnderWay()

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Let the call through if there is room, and somebody still waits for its answer."""
        remaining = context.time_remaining()
        if remaining is not None and remaining <= 0:
            await end_call(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline was over before the call began")
        scope = "streams" if method in self.streams else "calls"
        if self._under_way[scope] >= self._most[scope]:
            raise TooManyCalls(scope, self._most[scope])
        with self._under_way.counted((scope,)):
            return await proceed(request, context)
