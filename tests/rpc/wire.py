"""Calling a server through the generated stubs, or with bytes of one's own, and reading what it refuses."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from reflexio.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    data_service_pb2,
    data_service_pb2_grpc,
    error_reason_pb2,
    interaction_service_pb2,
    interaction_service_pb2_grpc,
    refusal_pb2,
    request_service_pb2,
    request_service_pb2_grpc,
    server_service_pb2,
    server_service_pb2_grpc,
)

METHODS: dict[str, MethodDescriptor] = {
    method.name: method
    for file in (
        interaction_service_pb2,
        request_service_pb2,
        data_service_pb2,
        server_service_pb2,
        access_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Every RPC of the contract, by name."""


def path_of(method: str) -> str:
    """What a method is called on the wire."""
    return f"/{METHODS[method].containing_service.full_name}/{method}"


class Caller:
    """Calls a server over its socket, with some metadata where a call has none of its own."""

    def __init__(
        self, target: str, metadata: Sequence[tuple[str, str]] = (), channel: grpc.aio.Channel | None = None
    ) -> None:
        self.metadata = metadata
        self.channel = channel or grpc.aio.insecure_channel(target)
        self._stubs = (
            interaction_service_pb2_grpc.InteractionServiceStub(self.channel),
            request_service_pb2_grpc.RequestServiceStub(self.channel),
            data_service_pb2_grpc.DataServiceStub(self.channel),
            server_service_pb2_grpc.ServerServiceStub(self.channel),
            access_service_pb2_grpc.AccessServiceStub(self.channel),
        )

    def __call__(self, method: str, request: Message, **options: Any) -> Awaitable[Any]:
        """Call a method through its stub. `options` are grpc's: timeout, metadata.

        A stream of requests is one request long; of a stream of answers all messages are returned.
        """
        [stub] = [stub for stub in self._stubs if hasattr(stub, method)]
        return _answer(method, getattr(stub, method), request, {"metadata": self.metadata, **options})

    def send(self, method: str, request: bytes, **options: Any) -> Awaitable[Any]:
        """Call a method with bytes, which need not be a message."""
        read = GetMessageClass(METHODS[method].output_type).FromString
        kind = ("stream" if METHODS[method].client_streaming else "unary") + (
            "_stream" if METHODS[method].server_streaming else "_unary"
        )
        rpc = getattr(self.channel, kind)(path_of(method), response_deserializer=read)
        return _answer(method, rpc, request, {"metadata": self.metadata, **options})


def _answer(method: str, rpc: Any, request: Any, options: dict[str, Any]) -> Awaitable[Any]:
    call = rpc([request] if METHODS[method].client_streaming else request, **options)
    return _all_of(call) if METHODS[method].server_streaming else call


async def _all_of(call: Any) -> list[Any]:
    messages = [message async for message in call]
    for message in messages:
        if hasattr(message, "refusal") and message.HasField("refusal"):
            raise RefusedInStream(message.refusal)
    return messages


class RefusedInStream(Exception):
    """A message of a stream was refused, and the stream went on."""

    def __init__(self, refusal: refusal_pb2.Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


FAILURES = (grpc.aio.AioRpcError, RefusedInStream)


@dataclass(frozen=True)
class Refusal:
    """What an error tells."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    """Without its prefix; empty where grpc itself answered."""
    domain: str = ""
    metadata: dict[str, str] | None = None
    violations: tuple[tuple[str, str], ...] = ()
    """Field and rule of each."""
    descriptions: tuple[str, ...] = ()
    request_id: str = ""
    retry_seconds: float | None = None


async def refused(call: Awaitable[Any]) -> Refusal:
    """What a call that must fail is answered."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    except RefusedInStream as error:
        return refusal_in_stream(error.refusal)
    message = f"the call was answered: {answer!r}"[:1000]
    raise AssertionError(message)


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """What a failed call tells."""
    trailers = dict(error.trailing_metadata() or ())
    found = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    values: dict[str, Any] = {"code": error.code(), "message": error.details() or ""}
    for detail in found.details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            info = ErrorInfo.FromString(detail.value)
            prefix, _, values["reason"] = info.reason.partition("ERROR_REASON_")
            assert prefix == ""
            values["domain"], values["metadata"] = info.domain, dict(info.metadata)
        elif detail.Is(BadRequest.DESCRIPTOR):
            bad = BadRequest.FromString(detail.value).field_violations
            values["violations"] = tuple((violation.field, violation.reason) for violation in bad)
            values["descriptions"] = tuple(violation.description for violation in bad)
        elif detail.Is(RequestInfo.DESCRIPTOR):
            values["request_id"] = RequestInfo.FromString(detail.value).request_id
        elif detail.Is(RetryInfo.DESCRIPTOR):
            delay = RetryInfo.FromString(detail.value).retry_delay
            values["retry_seconds"] = delay.seconds + delay.nanos / 1e9
    if found.details:
        assert (found.code, found.message) == (error.code().value[0], error.details())
    return Refusal(**values)


def refusal_in_stream(refusal: refusal_pb2.Refusal) -> Refusal:
    """What a message of a stream tells that was refused."""
    delay = refusal.retry_delay
    return Refusal(
        next(code for code in grpc.StatusCode if code.value[0] == refusal.code),
        refusal.message,
        error_reason_pb2.ErrorReason.Name(refusal.reason).removeprefix("ERROR_REASON_"),
        "reflexio",
        dict(refusal.metadata),
        tuple((field.field, field.rule) for field in refusal.fields),
        tuple(field.description for field in refusal.fields),
        retry_seconds=delay.seconds + delay.nanos / 1e9 if refusal.HasField("retry_delay") else None,
    )
