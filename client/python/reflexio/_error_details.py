"""Reads the `google.rpc` details that travel with a gRPC error.

The messages are declared here once more, field numbers and all, in a descriptor pool of our own: the package that
usually brings them is no dependency of the client, and where a program has it too, the two never meet.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

METADATA_KEY = "grpc-status-details-bin"

_DOMAIN = "reflexio"
_PACKAGE = "reflexio.client.error_details"
_Field = descriptor_pb2.FieldDescriptorProto

# message → field → (number, type, repeated?); a type that is a string is one of the messages here.
_SCHEMA: dict[str, dict[str, tuple[int, Any, bool]]] = {
    "Any": {"type_url": (1, _Field.TYPE_STRING, False), "value": (2, _Field.TYPE_BYTES, False)},
    "Status": {
        "code": (1, _Field.TYPE_INT32, False),
        "message": (2, _Field.TYPE_STRING, False),
        "details": (3, "Any", True),
    },
    # A map is, on the wire, a repeated pair.
    "Pair": {"key": (1, _Field.TYPE_STRING, False), "value": (2, _Field.TYPE_STRING, False)},
    "ErrorInfo": {
        "reason": (1, _Field.TYPE_STRING, False),
        "domain": (2, _Field.TYPE_STRING, False),
        "metadata": (3, "Pair", True),
    },
    "Violation": {"field": (1, _Field.TYPE_STRING, False), "description": (2, _Field.TYPE_STRING, False)},
    "BadRequest": {"field_violations": (1, "Violation", True)},
    "Duration": {"seconds": (1, _Field.TYPE_INT64, False), "nanos": (2, _Field.TYPE_INT32, False)},
    "RetryInfo": {"retry_delay": (1, "Duration", False)},
    "RequestInfo": {"request_id": (1, _Field.TYPE_STRING, False)},
}


@dataclass(slots=True)
class ErrorDetails:
    """What a server said about an error beyond its status and text."""

    reason: str | None = None
    """Name of the `ErrorReason` as it came; None unless a Reflexio server gave one."""
    metadata: dict[str, str] = field(default_factory=dict)
    field_violations: list[tuple[str, str]] = field(default_factory=list)
    """Field, as the contract names it, and what is wrong with it."""
    retry_after: float | None = None
    """Seconds."""
    request_id: str = ""
    """The call's `x-request-id` as it reached the server: a proxy may have given it another one."""


@functools.cache
def _message_class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="reflexio/client/error_details.proto", package=_PACKAGE)
    file.syntax = "proto3"
    for message_name, fields in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        for name, (number, kind, repeated) in fields.items():
            declared = message.field.add(name=name, number=number)
            declared.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            if isinstance(kind, str):
                declared.type, declared.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                declared.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def error_details_from(encoded: bytes | None) -> ErrorDetails:
    """Read the value of `grpc-status-details-bin`; what is missing or unreadable is left at its default."""
    found = ErrorDetails()
    if not encoded:
        return found
    try:
        for packed in _message_class("Status").FromString(encoded).details:
            _read_one(packed.type_url.rpartition("/")[2], packed.value, found)
    except DecodeError:
        # A proxy may have cut it off. The status alone still makes a telling error.
        return found
    return found


def _read_one(name: str, value: bytes, found: ErrorDetails) -> None:
    match name:
        case "google.rpc.ErrorInfo":
            info = _message_class("ErrorInfo").FromString(value)
            if info.domain == _DOMAIN:
                found.reason = info.reason
                found.metadata = {pair.key: pair.value for pair in info.metadata}
        case "google.rpc.BadRequest":
            violations = _message_class("BadRequest").FromString(value).field_violations
            found.field_violations = [(violation.field, violation.description) for violation in violations]
        case "google.rpc.RequestInfo":
            found.request_id = _message_class("RequestInfo").FromString(value).request_id
        case "google.rpc.RetryInfo":
            delay = _message_class("RetryInfo").FromString(value).retry_delay
            found.retry_after = delay.seconds + delay.nanos / 1e9


def in_python(text: str, violations: Iterable[tuple[str, str]], argument_name: Callable[[str], str]) -> str:
    """The sentence of a refusal, with the fields that it names as the Python client calls them.

    Args:
        text: `field: description`, for one field or for the first few, each after a semicolon.
        violations: Fields, as the contract names them, and what is wrong with them.
        argument_name: Gives the Python name of a field path of the contract.
    """
    told = ""
    for path, description in violations:
        said = f"{path or 'request'}: {description}"
        if not text.startswith(said):
            break
        told += f"{argument_name(path)}: {description}" if path else said
        text = text.removeprefix(said)
        if text.startswith("; "):
            told, text = f"{told}; ", text.removeprefix("; ")
    return told + text
