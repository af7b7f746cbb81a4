"""Each call is measured, and is a span in its caller's trace."""

import time
from typing import Any

import grpc

from reflexio_server.access.caller import current_caller
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed
from reflexio_server.rpc.interceptors.logging import call_id
from reflexio_server.telemetry import metrics, tracing
from reflexio_server.telemetry.export import is_on

_SERVER_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
"""Statuses that are errors of a server's span, as the semantic conventions of gRPC have it."""


class Telemetry(CallInterceptor):
    """Measures calls and continues the traces of callers."""

    def __init__(self) -> None:
        super().__init__()
        self._propagated = tracing.propagated_fields()

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Measure the call."""
        carrier = {
            key: value
            for key, value in context.invocation_metadata() or ()
            if key in self._propagated and isinstance(value, str)
        }
        with tracing.trace_of_caller(carrier):
            if not is_on():
                return await proceed(request, context)
            return await self._measured(method.removeprefix("/"), proceed, request, context)

    async def _measured(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        attributes = {"rpc.system.name": "grpc", "rpc.method": method}
        outcome = grpc.StatusCode.CANCELLED
        began = time.perf_counter()
        with tracing.call_span(method, attributes) as span:
            try:
                response = await proceed(request, context)
                outcome = grpc.StatusCode.OK
            except grpc.aio.AbortError:
                outcome = context.code()
                raise
            finally:
                ended = {**attributes, "rpc.response.status_code": outcome.name}
                metrics.call_seconds.record(time.perf_counter() - began, ended)
                if span.is_recording():
                    span.set_attributes({"rpc.response.status_code": outcome.name, **_who()})
                    if outcome in _SERVER_FAULTS:
                        tracing.failed(span, outcome.name)
        return response


def _who() -> dict[str, str | int]:
    """What the log says of the call too; known once it has passed the interceptors inside this one."""
    found: dict[str, str | int] = {"reflexio.request_id": call_id.get("")}
    if (caller := current_caller.get(None)) is not None:
        found["reflexio.organization"] = caller.org_id
    return found
