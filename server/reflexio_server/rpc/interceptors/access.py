"""Who calls is settled here, before anything looks at the request."""

from typing import Any

from reflexio_server.access.caller import LOCAL_CALLER, current_caller
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed


class Access(CallInterceptor):
    """Makes the caller known to the servicers. Authentication is off: everybody is the local caller."""

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Set the caller for the rest of the call."""
        current_caller.set(LOCAL_CALLER)
        return await proceed(request, context)
