"""No credential and no organisation takes all the room there is: others would be refused for what one does."""

from collections.abc import Mapping
from typing import Any

from reflexio_server.access.caller import current_caller
from reflexio_server.domain.errors import TooManyCalls
from reflexio_server.domain.under_way import UnderWay
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed


class Shares(CallInterceptor):
    """Refuses calls, and streams, beyond so many at once of one caller. It stands where the caller is known."""

    def __init__(self, most: Mapping[str, tuple[int, int]]) -> None:
        """`most` says how many calls, and streams, there may be of one "key" and of one "organization"."""
        super().__init__()
        self._most = {whose: dict(zip(("calls", "streams"), counts, strict=True)) for whose, counts in most.items()}
        self._under_way = UnderWay()

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Let the call through if its caller has room left."""
        scope = "streams" if method in self.streams else "calls"
        caller = current_caller.get()
        # A member makes as many keys as it likes: what keys may have says nothing of what their organisation takes.
        shares = ((scope, "key", caller.credential), (scope, "organization", caller.org_id))
        for share in shares:
            if self._under_way[share] >= (most := self._most[share[1]][scope]):
                raise TooManyCalls(scope, most, whose=share[1])
        with self._under_way.counted(shares):
            return await proceed(request, context)
