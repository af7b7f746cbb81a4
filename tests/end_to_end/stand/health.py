"""What health checks say of a server."""

import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def is_serving(target: str, seconds: float) -> bool:
    """Whether a server says within so many seconds that it serves."""
    deadline = time.monotonic() + seconds
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < deadline:
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
            except grpc.RpcError:
                time.sleep(0.1)
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return True
            time.sleep(0.1)
    return False
