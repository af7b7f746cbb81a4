"""Errors become statuses here and nowhere else."""

import time
from typing import Any

import grpc
import structlog
from google.rpc.status_pb2 import Status

from reflexio_server.domain.errors import InternalError, Reason, ReflexioError
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed, end_call
from reflexio_server.rpc.interceptors.logging import REQUEST_ID, call_id
from reflexio_server.rpc.refusals import counted
from reflexio_server.rpc.status import status_of

_log = structlog.get_logger("reflexio.rpc")


_SECONDS_BETWEEN = 10.0
"""Between two log lines about calls that fail for the same reason: in an outage all of them do."""


class Errors(CallInterceptor):
    """Tells the caller why a call failed. What nobody expected is logged, and told without its text."""

    def __init__(self) -> None:
        super().__init__()
        self._next_line: dict[Reason, float] = {}
        self._left_out: dict[Reason, int] = {}

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Turn whatever is raised into a status."""
        try:
            return await proceed(request, context)
        except grpc.aio.AbortError:
            raise  # Answered already.
        except ReflexioError as error:
            if error.__cause__ is not None:
                self._log(error)
            await _abort(context, status_of(counted(error), call_id.get()))
        except Exception:  # noqa: BLE001 -- what nobody expected is what this is for.
            _log.exception("unhandled error")
            await _abort(context, status_of(counted(InternalError(call_id.get())), call_id.get()))

    def _log(self, error: ReflexioError) -> None:
        """Write a line about a call, or count it for the next line."""
        now = time.monotonic()
        if now < self._next_line.get(error.reason, now):
            self._left_out[error.reason] = self._left_out.get(error.reason, 0) + 1
            return
        left_out = self._left_out.pop(error.reason, 0)
        self._next_line[error.reason] = now + _SECONDS_BETWEEN
        cause = repr(error.__cause__)[:500]
        _log.warning("call failed", reason=error.reason.name, cause=cause, more_since_last_line=left_out)


async def _abort(context: Context, status: Status) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    details = ("grpc-status-details-bin", status.SerializeToString())
    await end_call(context, code, status.message, (REQUEST_ID, call_id.get()), details)
