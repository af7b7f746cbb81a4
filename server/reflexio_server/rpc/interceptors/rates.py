"""How much may come with one credential in a second, at this process: beyond, calls are refused and streams slowed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from reflexio_server.access.caller import current_caller
from reflexio_server.domain.errors import RateLimited
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed
from reflexio_server.rpc.token_buckets import TokenBuckets

_BURST_SECONDS = 2.0
"""For how long somebody may save up what they may send."""


class _Rates(CallInterceptor):
    """The frame of both: a call takes tokens of its caller."""

    scope: str

    def __init__(self, per_second: float) -> None:
        super().__init__()
        self._buckets = TokenBuckets(per_second, _BURST_SECONDS)

    def count(self, message: Any) -> int:
        """How many tokens a message takes."""
        raise NotImplementedError

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Refuse the call if it comes too soon; hold back the messages of a stream."""
        if method in self.streams_of_requests:
            return await proceed(self._slowed(request), context)
        if (count := self.count(request)) and (wait := self._buckets.take(current_caller.get().credential, count)):
            raise RateLimited(self.scope, self._buckets.rate, wait)
        return await proceed(request, context)

    async def _slowed(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        credential = current_caller.get().credential
        async for request in requests:
            if (count := self.count(request)) and (wait := self._buckets.take_ahead(credential, count)):
                await asyncio.sleep(wait)
            yield request


class CallRate(_Rates):
    """Counts calls, and each message of a stream as one. It stands before anything looks at the request."""

    scope = "calls"

    def count(self, message: Any) -> int:
        """One, whatever it is."""
        return 1


class InteractionRate(_Rates):
    """Counts the interactions that are to be stored. It stands where requests are messages, and found to be good."""

    scope = "interactions"

    def count(self, message: Any) -> int:
        """How many interactions it brings; an error in the place of a message brings none."""
        content = getattr(message, "publish", None) or getattr(message, "request", None) or message
        return len(getattr(content, "interactions", ()))
