"""The gRPC server: what it listens on, what a call passes through, and how it comes to an end."""

import asyncio
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
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

from reflexio_server.identity.authenticator import Authenticator
from reflexio_server.rpc.access_service import AccessService
from reflexio_server.rpc.call_limits import CallLimits
from reflexio_server.rpc.certificates import Certificates
from reflexio_server.rpc.data_service import DataService
from reflexio_server.rpc.health import Health
from reflexio_server.rpc.interaction_service import InteractionService
from reflexio_server.rpc.interceptors.access import Access
from reflexio_server.rpc.interceptors.auditing import Auditing
from reflexio_server.rpc.interceptors.discovery import Discovery
from reflexio_server.rpc.interceptors.errors import Errors
from reflexio_server.rpc.interceptors.idle_streams import IdleStreams
from reflexio_server.rpc.interceptors.limits import Limits
from reflexio_server.rpc.interceptors.logging import Logging
from reflexio_server.rpc.interceptors.rates import CallRate, InteractionRate
from reflexio_server.rpc.interceptors.readiness import Readiness
from reflexio_server.rpc.interceptors.shares import Shares
from reflexio_server.rpc.interceptors.telemetry import Telemetry
from reflexio_server.rpc.interceptors.validation import Validation
from reflexio_server.rpc.listening import CannotListen, address_of, obstacle
from reflexio_server.rpc.request_service import RequestService
from reflexio_server.rpc.server_service import ServerService
from reflexio_server.rpc.transport import Transport
from reflexio_server.validate.contract import Contract

SERVICES = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (interaction_service_pb2, "InteractionService"),
        (request_service_pb2, "RequestService"),
        (data_service_pb2, "DataService"),
        (server_service_pb2, "ServerService"),
        (access_service_pb2, "AccessService"),
    )
)

_LATELY_SECONDS = 30.0
"""Health is asked for every ten seconds, as a rule."""


class Server:
    """Listens from `start` on, and lets calls through while `state` says "serving"."""

    def __init__(
        self,
        interactions: InteractionService,
        requests: RequestService,
        data: DataService,
        server: ServerService,
        access: AccessService,
        *,
        authenticator: Authenticator | None,
        transport: Transport,
        certificates: Certificates | None,
        limits: CallLimits,
        state: Callable[[], str],
        with_reflection: bool,
    ) -> None:
        self._certificates = certificates
        self._readiness = Readiness(state)
        self._server = grpc.aio.server(
            interceptors=[
                Telemetry(),  # Outermost: sees how every call ended, and puts it into its trace.
                Logging(),  # Names the call for all that is logged within.
                Errors(),  # Outside all that refuses, so that each refusal has a reason.
                self._readiness,
                Discovery(limits.stream_idle_seconds),
                Limits(limits.concurrent_calls, limits.concurrent_streams),  # Before anything that costs.
                *([IdleStreams(limits.stream_idle_seconds)] if limits.stream_idle_seconds else []),
                Access(authenticator),
                *([Shares(limits.shares)] if limits.shares is not None else []),
                *([CallRate(limits.calls_per_second)] if limits.calls_per_second else []),
                Validation(Contract()),  # Nothing of a request is looked at before the caller is known.
                *([InteractionRate(limits.interactions_per_second)] if limits.interactions_per_second else []),
                Auditing(access.directory.database),  # Last: what is recorded is what is about to be done.
            ],
            options=transport.options,
        )
        interaction_service_pb2_grpc.add_InteractionServiceServicer_to_server(interactions, self._server)
        request_service_pb2_grpc.add_RequestServiceServicer_to_server(requests, self._server)
        data_service_pb2_grpc.add_DataServiceServicer_to_server(data, self._server)
        server_service_pb2_grpc.add_ServerServiceServicer_to_server(server, self._server)
        access_service_pb2_grpc.add_AccessServiceServicer_to_server(access, self._server)
        self._health = Health(SERVICES)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if with_reflection:
            names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int) -> int:
        """Listen, answering health with NOT_SERVING. Returns the port, which is another one where `port` is 0.

        Raises:
            CannotListen: The address is taken or is not this machine's.
        """
        try:
            bound = self._add_port(address_of(host, port))
        except RuntimeError as error:
            raise CannotListen(host, port, obstacle(host, port)) from error
        await self._server.start()
        return bound

    def _add_port(self, address: str) -> int:
        if self._certificates is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._certificates.credentials())

    def set_serving(self, *, serving: bool) -> None:
        """Tell health checks whether calls are answered."""
        self._health.set_serving(serving=serving)

    async def stop(self, grace: float, lame_duck: float = 0.0) -> None:
        """Close the port and let calls in flight end.

        Args:
            grace: For how many seconds at most.
            lame_duck: Seconds before that in which whoever calls is refused with a reason, by the state. A call that
                meets a closing port is cancelled without one. Where nobody called lately, nobody would notice.
        """
        if self._readiness.seconds_since_call() < _LATELY_SECONDS:
            await asyncio.sleep(lame_duck)
        self._health.end()
        await self._server.stop(grace)
