"""No credential takes all the room there is: others would be refused for what one does."""

from collections import Counter
from typing import Any

from reflexio_server.access.caller import current_caller
from reflexio_server.domain.errors import TooManyCalls
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Handler, Proceed


class Shares(CallInterceptor):
    """Refuses calls, and streams, of one credential beyond so many at once. It stands where the caller is known."""

    def __init__(self, most_calls: int, most_streams: int) -> None:
        super().__init__()
        self._most = {"calls": most_calls, "streams": most_streams}
        self._under_way: Counter[tuple[str, str]] = Counter()
        self._streams: set[str] = set()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """As the others; notes which methods are streams."""
        if handler.request_streaming or handler.response_streaming:
            self._streams.add(method)
        return super().wrap(method, handler)

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Let the call through if its caller has room left."""
        scope = "streams" if method in self._streams else "calls"
        share = (scope, current_caller.get().credential)
        if self._under_way[share] >= self._most[scope]:
            raise TooManyCalls(scope, self._most[scope], of_credential=True)
        self._under_way[share] += 1
        try:
            return await proceed(request, context)
        finally:
            self._under_way[share] -= 1
            if not self._under_way[share]:
                del self._under_way[share]
