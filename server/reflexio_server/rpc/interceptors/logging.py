"""One line for each call, and a request id by which all lines of a call are found."""

import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

import grpc
import structlog

from reflexio_server import logs
from reflexio_server.access.caller import current_caller
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed
from reflexio_server.telemetry.tracing import trace_id

_log = structlog.get_logger("reflexio.rpc")

REQUEST_ID = "x-request-id"
"""The metadata that names a call, on the way here and, among the trailers, on the way back."""

_SANE_ID = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
"""Up to 128 printable characters of ASCII. Another id is not cut or mended: its caller would not find it again."""

_QUIET = {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
"""Of interest only when looking closely: what went well, and what ends each call in an outage or under load."""

call_id: ContextVar[str] = ContextVar("call_id")
"""The `x-request-id` of the call in progress: the caller's, or one made here."""

_call_method: ContextVar[str] = ContextVar("call_method")


class Logging(CallInterceptor):
    """Logs how each call ended and how long it took, and has all lines of a call say which it is."""

    def __init__(self) -> None:
        super().__init__()
        logs.add_facts(_facts_of_call)

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Name the call, and log its end."""
        started = time.perf_counter()
        request_id = _id_given(context) or uuid4().hex
        call_id.set(request_id)
        _call_method.set(method)
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        outcome = grpc.StatusCode.CANCELLED
        try:
            response = await proceed(request, context)
            outcome = grpc.StatusCode.OK
        except grpc.aio.AbortError:
            outcome = context.code()
            raise
        finally:
            log = _log.debug if outcome in _QUIET else _log.info
            log("call", status=outcome.name, ms=round((time.perf_counter() - started) * 1000, 1))
        return response


def _facts_of_call() -> Mapping[str, Any]:
    """Which call is in progress; empty where none is."""
    request_id = call_id.get(None)
    if request_id is None:
        return {}
    facts: dict[str, Any] = {"request_id": request_id, "method": _call_method.get()}
    if (caller := current_caller.get(None)) is not None:
        facts["organization"] = caller.org_id
    if (trace := trace_id()) is not None:
        facts["trace_id"] = trace
    return facts


def _id_given(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str) and _SANE_ID.fullmatch(value):
            return value
    return None
