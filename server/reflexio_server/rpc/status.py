"""Which status each error becomes, with the details that programs branch on."""

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from reflexio.v1.error_reason_pb2 import ErrorReason
from reflexio.v1.refusal_pb2 import Refusal

from reflexio_server.domain.errors import Reason, ReflexioError

DOMAIN = "reflexio"

_MOST_VIOLATIONS = 16
_MOST_MESSAGE_BYTES = 768
_MOST_FACT_BYTES = 512
"""Statuses travel in HTTP/2 headers, of which clients accept 8 KiB: beyond, they would be told of that and of nothing
else. Names that callers give may have thousands of bytes, each of which takes three in a message."""

STATUS_CODES = {
    Reason.INVALID_FIELD: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.MALFORMED_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_IMAGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_PAGE_TOKEN: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.IDEMPOTENCY_KEY_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    Reason.NOT_READY: grpc.StatusCode.UNAVAILABLE,
    Reason.DATABASE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.STORAGE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.IMPORT_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Reason.MODEL_UNAVAILABLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REINDEX_UNDER_WAY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.TOO_MANY_CALLS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.BACKLOG_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.STREAM_IDLE: grpc.StatusCode.UNAVAILABLE,
    Reason.API_KEY_MISSING: grpc.StatusCode.UNAUTHENTICATED,
    Reason.API_KEY_INVALID: grpc.StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.LOGIN_REFUSED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOO_MANY_LOGINS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.NAME_TAKEN: grpc.StatusCode.ALREADY_EXISTS,
    Reason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.LAST_ADMIN: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.TOO_MANY_API_KEYS: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.NO_ACCOUNT: grpc.StatusCode.FAILED_PRECONDITION,
}


def status_of(error: ReflexioError, request_id: str) -> Status:
    """The status that tells a caller of `error`."""
    code = STATUS_CODES[error.reason]
    status = Status(code=code.value[0], message=_cut(error.message, _MOST_MESSAGE_BYTES))
    status.details.add().Pack(
        ErrorInfo(reason=f"ERROR_REASON_{error.reason.name}", domain=DOMAIN, metadata=_facts(error))
    )
    if error.violations:
        bad = BadRequest()
        for violation in error.violations[:_MOST_VIOLATIONS]:
            bad.field_violations.add(field=violation.field, description=violation.description, reason=violation.rule)
        status.details.add().Pack(bad)
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after * 1000))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    status.details.add().Pack(RequestInfo(request_id=request_id))
    return status


def refusal_of(error: ReflexioError) -> Refusal:
    """What tells the caller of a stream of `error`: all that a status would tell the caller of a single call."""
    refusal = Refusal(
        code=STATUS_CODES[error.reason].value[0],
        reason=ErrorReason.Value(f"ERROR_REASON_{error.reason.name}"),
        message=_cut(error.message, _MOST_MESSAGE_BYTES),
        metadata=_facts(error),
    )
    for violation in error.violations[:_MOST_VIOLATIONS]:
        refusal.fields.add(field=violation.field, rule=violation.rule, description=violation.description)
    if error.retry_after is not None:
        refusal.retry_delay.FromMilliseconds(round(error.retry_after * 1000))
    return refusal


def _facts(error: ReflexioError) -> dict[str, str]:
    return {name: _cut(value, _MOST_FACT_BYTES) for name, value in error.metadata.items()}


def _cut(text: str, most: int) -> str:
    """The text, or its beginning where it has more bytes than that."""
    data = text.encode()
    return text if len(data) <= most else data[: most - 3].decode(errors="ignore") + "…"
