"""Errors become statuses here and nowhere else."""

from typing import Any

import grpc
import structlog
from google.rpc.status_pb2 import Status

from reflexio_server.domain.errors import InternalError, ReflexioError
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed
from reflexio_server.rpc.interceptors.logging import call_id
from reflexio_server.rpc.status import status_of

_log = structlog.get_logger("reflexio.rpc")


class Errors(CallInterceptor):
    """Tells the caller why a call failed. What nobody expected is logged, and told without its text."""

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Turn whatever is raised into a status."""
        try:
            return await proceed(request, context)
        except grpc.aio.AbortError:
            raise  # Answered already.
        except ReflexioError as error:
            if error.__cause__ is not None:
                _log.warning("call failed", method=method, reason=error.reason.name, cause=repr(error.__cause__)[:500])
            await _abort(context, status_of(error, call_id.get()))
        except Exception:  # noqa: BLE001 -- what nobody expected is what this is for.
            _log.exception("unhandled error", method=method)
            await _abort(context, status_of(InternalError(call_id.get()), call_id.get()))


async def _abort(context: Context, status: Status) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    await context.abort(code, status.message, (("grpc-status-details-bin", status.SerializeToString()),))
