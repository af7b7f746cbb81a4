"""Makes the calls of the table through the generated stubs, with protobuf's JSON mapping."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status
from reflexio._channel import service_config
from reflexio.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    data_service_pb2,
    data_service_pb2_grpc,
    interaction_service_pb2,
    interaction_service_pb2_grpc,
    request_service_pb2,
    request_service_pb2_grpc,
    server_service_pb2,
    server_service_pb2_grpc,
)

_MODULES = {
    "AccessService": (access_service_pb2, access_service_pb2_grpc),
    "DataService": (data_service_pb2, data_service_pb2_grpc),
    "InteractionService": (interaction_service_pb2, interaction_service_pb2_grpc),
    "RequestService": (request_service_pb2, request_service_pb2_grpc),
    "ServerService": (server_service_pb2, server_service_pb2_grpc),
}


@dataclass
class Outcome:
    """How a call ended."""

    answer: Any
    """In proto3 JSON."""
    status: str = "OK"
    message: str = ""
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    retry: bool = False


class Calls:
    """One channel to the server, with a stub for each service."""

    def __init__(self, target: str, key: str) -> None:
        """Open the channel. Calls have `key` unless they are given another one."""
        self._key = key
        # Repeats what a connection that turns out to be gone has cost, as the client does.
        config = {"methodConfig": service_config()["methodConfig"]}
        self._channel = grpc.insecure_channel(target, [("grpc.service_config", json.dumps(config))])
        self._stubs = {name: getattr(grpc_, f"{name}Stub")(self._channel) for name, (_, grpc_) in _MODULES.items()}

    def close(self) -> None:
        """End it."""
        self._channel.close()

    def make(self, rpc: str, requests: Sequence[Any], *, key: str | None, seconds: float) -> Outcome:
        """Make a call of any kind.

        Args:
            rpc: Service and method.
            requests: In proto3 JSON: one, or all of a stream.
            key: None for the usual one, empty for none.
            seconds: The deadline.
        """
        service, name = rpc.split("/")
        method = _MODULES[service][0].DESCRIPTOR.services_by_name[service].methods_by_name[name]
        request_type = GetMessageClass(method.input_type)
        messages = [ParseDict(request, request_type()) for request in requests]
        key = self._key if key is None else key
        metadata = [("authorization", f"Bearer {key}")] if key else []
        given = iter(messages) if method.client_streaming else messages[0]
        try:
            # Waits for the connection, so that a server that is started again is found.
            call = getattr(self._stubs[service], name)(given, metadata=metadata, timeout=seconds, wait_for_ready=True)
            return Outcome(_read(method, call))
        except grpc.RpcError as error:
            return _ended_with(error)


def _read(method: MethodDescriptor, call: Any) -> Any:
    if method.server_streaming:
        return {"messages": list(_each(call))}
    return MessageToDict(call)


def _each(responses: Any) -> Iterator[Any]:
    for response in responses:
        yield MessageToDict(response)


def _ended_with(error: Any) -> Outcome:
    outcome = Outcome(None, error.code().name, error.details() or "")
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
        if detail.Unpack(info) and info.domain == "reflexio":
            outcome.reason, outcome.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            outcome.fields = [violation.field for violation in bad.field_violations]
        elif detail.Unpack(retry):
            outcome.retry = retry.retry_delay.ToNanoseconds() > 0
    return outcome
