"""Errors for single messages of a stream, which travel in messages and not in the status of a call."""

from collections.abc import Callable

import grpc

from reflexio._error_classes import error_class
from reflexio._error_details import in_python
from reflexio.errors import FieldViolation, ReflexioError
from reflexio.v1.error_reason_pb2 import ErrorReason
from reflexio.v1.refusal_pb2 import Refusal


def from_refusal(refusal: Refusal, argument_name: Callable[[str], str]) -> ReflexioError:
    """Make the error for one message of a stream that was refused.

    Args:
        refusal: What the server says.
        argument_name: Gives the Python name of a field path of the contract.
    """
    status = next((known.name for known in grpc.StatusCode if known.value[0] == refusal.code), "UNKNOWN")
    known = refusal.reason in ErrorReason.values()
    reason = ErrorReason.Name(refusal.reason).removeprefix("ERROR_REASON_") if known else None
    fields = [(violation.field, violation.description) for violation in refusal.fields]
    error = error_class(reason, status)(in_python(refusal.message, fields, argument_name))
    error.status = status
    error.reason = reason or status
    error.metadata = dict(refusal.metadata)
    error.field_violations = tuple(FieldViolation(argument_name(field), description) for field, description in fields)
    if refusal.HasField("retry_delay"):
        error.retry_after = refusal.retry_delay.seconds + refusal.retry_delay.nanos / 1e9
    error.request_id = refusal.metadata.get("request_id")
    return error
