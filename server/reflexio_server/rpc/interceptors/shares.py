"""No credential and no organisation takes all the room there is: others would be refused for what one does."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from reflexio_server.access.caller import current_caller
from reflexio_server.domain.errors import TooManyCalls
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Handler, Proceed


class Shares(CallInterceptor):
    """Refuses calls, and streams, beyond so many at once of one caller. It stands where the caller is known."""

    def __init__(self, most: Mapping[str, tuple[int, int]]) -> None:
        """`most` says how many calls, and streams, there may be of one "key" and of one "organization"."""
        super().__init__()
        self._most = {whose: dict(zip(("calls", "streams"), counts, strict=True)) for whose, counts in most.items()}
        self._under_way: Counter[tuple[str, str, str | int]] = Counter()
        self._streams: set[str] = set()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """As the others; notes which methods are streams."""
        if handler.request_streaming or handler.response_streaming:
            self._streams.add(method)
        return super().wrap(method, handler)

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Let the call through if its caller has room left."""
        scope = "streams" if method in self._streams else "calls"
        caller = current_caller.get()
        # A member makes as many keys as it likes: what keys may have says nothing of what their organisation takes.
        shares: list[tuple[str, str, str | int]] = [
            (scope, "key", caller.credential),
            (scope, "organization", caller.org_id),
        ]
        for share in shares:
            if self._under_way[share] >= (most := self._most[share[1]][scope]):
                raise TooManyCalls(scope, most, whose=share[1])
        self._under_way.update(shares)
        try:
            return await proceed(request, context)
        finally:
            for share in shares:
                self._under_way[share] -= 1
                if not self._under_way[share]:
                    del self._under_way[share]
