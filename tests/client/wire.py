"""A gRPC server that answers as a test tells it to, for what a well-behaved server never does."""

from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from reflexio._calls import access, data, interactions, publishing, requests, searching, server, streaming
from reflexio._calls.call import Method

METHODS: list[Method] = [
    publishing.PUBLISH,
    streaming.STREAM_PUBLISH,
    searching.SEARCH,
    interactions.LIST,
    interactions.LIST_ALL,
    interactions.DELETE,
    requests.LIST,
    requests.DELETE,
    requests.DELETE_SEVERAL,
    requests.DELETE_SESSION,
    requests.DELETE_ALL,
    data.ERASE,
    data.EXPORT,
    data.IMPORT,
    data.GET_RETENTION,
    data.UPDATE_RETENTION,
    server.WHO_AM_I,
    server.SERVER_INFO,
    server.START_REINDEX,
    server.CANCEL_REINDEX,
    *(value for value in vars(access).values() if isinstance(value, Method)),
]

STREAMS = {data.EXPORT.name: "unary_stream", data.IMPORT.name: "stream_stream"}
"""What is no plain call. An answer to it is an iterator."""

Answer = Callable[[Any, grpc.ServicerContext], Any]


class WireServer(grpc.GenericRpcHandler):
    """Answers each method with a function; remembers the requests and their metadata."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; on the same port as before, if it did."""
        self._server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        """Hang up on everybody."""
        self._server.stop(None).wait()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = next((method for method in METHODS if method.path == details.method), None)
        answer = method and self.answers.get(method.name)
        if method is None or answer is None:
            return None

        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            return answer(request, context)

        make = getattr(grpc, f"{STREAMS.get(method.name, 'unary_unary')}_rpc_method_handler")
        return make(
            handle,
            request_deserializer=method.request_type.FromString,
            response_serializer=method.response_type.SerializeToString,
        )


def refuse(context: grpc.ServicerContext, code: int, message: str, *details: Message) -> Any:
    """End a call with a rich status."""
    status = Status(code=code, message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))


UNAVAILABLE = Code.UNAVAILABLE
