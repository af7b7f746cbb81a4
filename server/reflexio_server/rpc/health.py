"""The standard health service, for all of our services together."""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from reflexio_server.rpc.interceptors.base import Context

_Response = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # Its package has no types.
    """Says the same of every service.

    The servicer that gRPC brings forgets whoever else watches a service as soon as one of its watchers leaves.
    """

    def __init__(self, services: Iterable[str]) -> None:
        """Begin with not serving. `services` are full names; the empty one stands for the whole server."""
        self._services = {"", *services}
        self._serving = False
        self._changed = asyncio.Event()
        self._ended = False

    def set_serving(self, *, serving: bool) -> None:
        """Tell those who watch, and those who ask from now on."""
        self._serving = serving
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def end(self) -> None:
        """Say not serving, and end the calls of those who watch: a server that stops would wait for them."""
        self._ended = True
        self.set_serving(serving=False)

    async def Check(self, request: Any, context: Context) -> Any:  # noqa: N802, D102 -- the proto's.
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return self._answer(request.service)

    async def Watch(self, request: Any, context: Context) -> None:  # noqa: N802, D102 -- the proto's.
        told = None
        while True:
            changed, answer = self._changed, self._answer(request.service)
            if answer != told:
                await context.write(answer)
                told = answer
            if self._ended:
                return
            await changed.wait()

    def _answer(self, service: str) -> Any:
        if service not in self._services:
            return _Response(status=_Response.SERVICE_UNKNOWN)
        return _Response(status=_Response.SERVING if self._serving else _Response.NOT_SERVING)
