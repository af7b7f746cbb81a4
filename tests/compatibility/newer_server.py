"""A server of a later version, as far as an older client can tell: it answers with what that client does not know."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from tests.compatibility.newer_contract import fill, newer_contract
from tests.rpc.wire import METHODS, path_of

_INTERACTION = {
    "interactionId": "7",
    "userId": "ana",
    "requestId": "5c2b7f4e-6f0d-4a53-9a0e-0d9d2f4a8f11",
    "role": "User",
    "content": "hello",
    "userAction": "USER_ACTION_FROM_LATER",
    "toolsUsed": [{"toolName": "lookup", "toolData": {"order": "QX-48213"}}],
    "createdAt": "2024-02-29T23:59:59.123456789Z",
}
_REQUEST = {"requestId": _INTERACTION["requestId"], "userId": "ana", "createdAt": "2024-02-29T23:59:59Z"}
_PUBLISHED = {"message": "stored", "result": {"requestId": _REQUEST["requestId"], "interactionIds": ["7", "8"]}}
_ANSWERS: dict[str, list[dict[str, Any]]] = {
    "PublishInteractions": [_PUBLISHED],
    "StreamPublishInteractions": [
        {"published": _PUBLISHED},
        {"refusal": {"code": 9, "reason": "ERROR_REASON_FROM_LATER", "message": "not today"}},
        {"outcomeFromLater": "neither stored nor refused"},
    ],
    "SearchInteractions": [{"hits": [{"interaction": _INTERACTION, "score": 0.5}]}],
    "ListInteractions": [{"interactions": [_INTERACTION]}],
    "ListRequests": [{"sessions": [{"requests": [{"request": _REQUEST, "interactions": [_INTERACTION]}]}]}],
    "ExportData": [{"totals": {"requestsCount": "0"}}, {"contentFromLater": "something else"}],
    "GetServerInfo": [{"version": "9.0.0", "reindex": {"embeddingModel": "m", "state": "REINDEX_STATE_FROM_LATER"}}],
    "WhoAmI": [{"organizationId": "1", "organizationName": "default", "role": "ACCESS_ROLE_FROM_LATER"}],
}
"""In JSON of the newer contract, the messages of an answer."""


@contextmanager
def newer_server() -> Iterator[str]:
    """Start it. What has no answer is refused for a reason that was added.

    Yields:
        Host and port.
    """
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([_Handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        pool = newer_contract()
        self._answers: dict[str, list[bytes]] = {}
        for name, messages in _ANSWERS.items():
            made = GetMessageClass(pool.FindMessageTypeByName(METHODS[name].output_type.full_name))
            self._answers[path_of(name)] = [fill(ParseDict(one, made())).SerializeToString() for one in messages]
        self._methods = {path_of(name): method for name, method in METHODS.items()}

    def service(self, call: Any) -> Any:
        """How to answer a call."""
        method = self._methods[call.method]
        answers = self._answers.get(call.method)

        def one(_: Any, context: Any) -> bytes:
            return answers[0] if answers else _refuse(context)

        def several(_: Any, context: Any) -> Iterator[bytes]:
            yield from answers or [_refuse(context)]

        makers: dict[tuple[bool, bool], Callable[..., Any]] = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        kind = (method.client_streaming, method.server_streaming)
        return makers[kind](several if method.server_streaming else one)


def _refuse(context: Any) -> bytes:
    status = Status(code=grpc.StatusCode.FAILED_PRECONDITION.value[0], message="not today")
    status.details.append(AnyMessage(type_url="type.googleapis.com/reflexio.v1.DetailFromLater", value=b"\x0a\x01x"))
    status.details.add().Pack(
        ErrorInfo(reason="ERROR_REASON_FROM_LATER", domain="reflexio", metadata={"when": "later"})
    )
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")
    raise AssertionError("abort raises")
