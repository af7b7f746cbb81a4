"""One line for each call, and a request id by which all lines of a call are found."""

import time
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

import grpc
import structlog

from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed

_log = structlog.get_logger("reflexio.rpc")

_LONGEST_ID = 128

_QUIET = {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
"""Of interest only when looking closely: what went well, and what ends each call in an outage or under load."""

call_id: ContextVar[str] = ContextVar("call_id")
"""The `x-request-id` of the call in progress: the caller's, or one made here."""


class Logging(CallInterceptor):
    """Logs how each call ended and how long it took."""

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Name the call, and log its end."""
        started = time.perf_counter()
        call_id.set(_id_given(context) or uuid4().hex)
        structlog.contextvars.bind_contextvars(request_id=call_id.get())
        outcome = grpc.StatusCode.CANCELLED
        try:
            response = await proceed(request, context)
            outcome = grpc.StatusCode.OK
        except grpc.aio.AbortError:
            outcome = context.code()
            raise
        finally:
            log = _log.debug if outcome in _QUIET else _log.info
            log("call", method=method, status=outcome.name, ms=round((time.perf_counter() - started) * 1000, 1))
        return response


def _id_given(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "x-request-id" and isinstance(value, str) and value.isprintable():
            return value[:_LONGEST_ID]
    return None
