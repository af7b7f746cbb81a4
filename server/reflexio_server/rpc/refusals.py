"""Counts what is refused, by reason."""

from typing import TypeVar

import grpc

from reflexio_server.domain.errors import ReflexioError
from reflexio_server.rpc.status import STATUS_CODES
from reflexio_server.telemetry import metrics

E = TypeVar("E", bound=ReflexioError)


def counted(error: E) -> E:
    """Count an error that a caller is about to be told, and return it.

    Where a limit is the reason, its `scope` is told too: errors of limits take it from the code, never from a request.
    """
    is_limit = STATUS_CODES[error.reason] is grpc.StatusCode.RESOURCE_EXHAUSTED
    metrics.refusals.add(1, error.reason.name.lower(), error.metadata.get("scope", "") if is_limit else "")
    return error
