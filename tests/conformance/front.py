"""A front that speaks TLS and is not available at first: what the programs of READMEs have to cope with."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from reflexio.v1.interaction_service_pb2 import PublishInteractionsRequest

from tests.certificates import Authority
from tests.conformance.running import ROOT
from tests.conformance.serving import Served

_REFUSALS = 2


class Front(grpc.GenericRpcHandler):
    """Hands calls on to a server, after it has refused some with UNAVAILABLE."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._lock = threading.Lock()
        self.idempotency_keys: list[str] = []
        """Of the calls that came with a key of any kind, in order."""

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Answer any method."""
        call = self._channel.unary_unary(details.method)

        def behavior(request: bytes, context: grpc.ServicerContext) -> bytes:
            metadata = [pair for pair in context.invocation_metadata() if pair[0] == "authorization"]
            with self._lock:
                self.idempotency_keys.append(PublishInteractionsRequest.FromString(request).idempotency_key)
                if len(self.idempotency_keys) <= _REFUSALS:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
            try:
                answer: bytes = call(request, metadata=metadata, timeout=30)
            except grpc.RpcError as error:
                ended: Any = error
                context.set_trailing_metadata(ended.trailing_metadata())
                context.abort(ended.code(), ended.details())
            return answer

        return grpc.unary_unary_rpc_method_handler(behavior)

    def close(self) -> None:
        """End the connection to the server."""
        self._channel.close()


@contextmanager
def _front(target: str, folder: Path) -> Iterator[tuple[Front, str, Path]]:
    authority = Authority("the front's")
    trusted = folder / "front-ca.pem"
    trusted.write_bytes(authority.pem)
    certificate, private = authority.issue("localhost")
    front = Front(target)
    server = grpc.server(ThreadPoolExecutor(4), handlers=[front])
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(private, certificate)]))
    server.start()
    try:
        yield front, f"localhost:{port}", trusted
    finally:
        server.stop(None).wait()
        front.close()


def problem_of_robust(command: Sequence[str], environment: Mapping[str, str], server: Served, folder: Path) -> str:
    """What is wrong with a program that claims to speak TLS, to try again under one key, and to tell reasons."""
    for key, tries, code in ((server.key, _REFUSALS + 1, 0), ("rflx-wrong", _REFUSALS + 1, 1)):
        with _front(server.target, folder) as (front, target, trusted):
            ran = subprocess.run(
                [*command, target],
                cwd=ROOT,
                env={**os.environ, **environment, "REFLEXIO_API_KEY": key, "REFLEXIO_CA": str(trusted)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        keys = front.idempotency_keys
        told = ran.stdout if code == 0 else ran.stderr
        expected = "stored 1 interaction" if code == 0 else "ERROR_REASON_API_KEY_INVALID"
        if ran.returncode != code or expected not in told or len(keys) != tries or len(set(keys)) != 1 or "" in keys:
            return f"code {ran.returncode}, calls with keys {keys}, it printed {ran.stdout!r} {ran.stderr[-500:]!r}"
    return ""
