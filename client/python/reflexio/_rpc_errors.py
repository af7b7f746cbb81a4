"""From what gRPC raises to the client's own errors."""

import re
from collections.abc import Callable
from typing import Any

import grpc

from reflexio._endpoint import Endpoint
from reflexio._error_classes import error_class
from reflexio._error_details import METADATA_KEY, ErrorDetails, error_details_from, in_python
from reflexio._unreachable import explanation, questions
from reflexio.errors import ApiKeyMissingError, FieldViolation, ReflexioError

_REASON_PREFIX = "ERROR_REASON_"
_NO_KEY = "this server asks for an API key; give it as ReflexioClient(api_key=…) or in REFLEXIO_API_KEY"
"""The server's own words are for those who write metadata themselves."""

_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")
_MIB = 1024 * 1024


def from_rpc_error(
    rpc_error: grpc.RpcError, *, endpoint: Endpoint, request_id: str, argument_name: Callable[[str], str]
) -> ReflexioError:
    """Make the error that stands for a failed gRPC call; the caller raises it `from rpc_error`.

    Args:
        rpc_error: What grpc or grpc.aio raised.
        endpoint: Where the call went.
        request_id: The `x-request-id` that was sent.
        argument_name: Gives the Python name of a field path of the contract.
    """
    call: Any = rpc_error
    status: str = call.code().name
    details = error_details_from(_details_bin(call.trailing_metadata()))
    reason = details.reason.removeprefix(_REASON_PREFIX) if details.reason else None
    text = _message(status, call.details() or status, details, endpoint, argument_name)
    error = error_class(reason, status)(text)
    error.status = status
    error.reason = reason or status
    error.metadata = details.metadata
    error.field_violations = tuple(
        FieldViolation(argument_name(field), description) for field, description in details.field_violations
    )
    error.retry_after = details.retry_after
    error.request_id = details.request_id or details.metadata.get("request_id", request_id)
    return error


def _details_bin(trailing_metadata: Any) -> bytes | None:
    for key, value in trailing_metadata or ():
        if key == METADATA_KEY:
            return bytes(value)
    return None


def _message(
    status: str, text: str, details: ErrorDetails, endpoint: Endpoint, argument_name: Callable[[str], str]
) -> str:
    if details.reason is not None:
        no_key = details.reason == f"{_REASON_PREFIX}{ApiKeyMissingError.reason}"
        return _NO_KEY if no_key else in_python(text, details.field_violations, argument_name)
    match status:
        case "UNAVAILABLE":
            return explanation(endpoint, text)
        case "DEADLINE_EXCEEDED":
            said = "" if "Deadline Exceeded" in text else f": {text}"
            return f"no answer from {endpoint.url} in time{said}"
        case "UNIMPLEMENTED":
            return f"what answers at {endpoint.url} does not know this method: {text}. {questions(endpoint)}"
        case "RESOURCE_EXHAUSTED" if (sizes := _TOO_LARGE.search(text)) is not None:
            size, most = map(int, sizes.groups())
            # What is imported may be a little larger; the setting has whole MiB.
            limit = f"{most // _MIB} MiB" if most >= _MIB else f"{most:,} bytes"
            return (
                f"the message of {size:,} bytes is larger than max, {limit}; send less at once, or raise "
                "REFLEXIO_MAX_MESSAGE_MB of the server"
            )
    return text
