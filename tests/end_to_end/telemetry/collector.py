"""A collector of OpenTelemetry's protocol that keeps what it is sent."""

import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

_PATIENCE_SECONDS = 30


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Listens on a free port of loopback."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resource: dict[str, str] = {}
        self._changed = threading.Condition()
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_Metrics(self), self._server)
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Export(self, request: Any, context: Any) -> Any:
        with self._changed:
            for of_resource in request.resource_spans:
                self.resource = {a.key: a.value.string_value for a in of_resource.resource.attributes}
                for of_scope in of_resource.scope_spans:
                    self.spans += of_scope.spans
            self._changed.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def keep_metrics(self, request: Any) -> None:
        """Remember the latest of each metric."""
        with self._changed:
            for of_resource in request.resource_metrics:
                for of_scope in of_resource.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in of_scope.metrics}
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when what was sent fulfils a condition."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with self._changed:
            while not condition():
                assert self._changed.wait(deadline - time.monotonic()), "it was not sent in time"

    def stop(self) -> None:
        """Listen no more."""
        self._server.stop(None).wait()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(self, request: Any, context: Any) -> Any:
        self._collector.keep_metrics(request)
        return metrics_service_pb2.ExportMetricsServiceResponse()


def attributes_of(span: Any) -> dict[str, Any]:
    """The attributes of a span as Python has them."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}
