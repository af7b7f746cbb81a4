"""The test stand: the service, the floor beside it, and what is needed to call both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from reflexio import AsyncReflexioClient, ReflexioClient
from reflexio.v1 import interaction_service_pb2_grpc, request_service_pb2_grpc

from benchmarks.database import new_database, opened, postgres
from benchmarks.processes import listening

_SECONDS_BETWEEN_LOOKS = 0.02
_MOST_SECONDS_TO_SETTLE = 600
_LARGEST_ANSWER = 32 * 1024 * 1024


class Stubs:
    """The generated stubs on a channel of their own: nothing of the Python client takes part."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.interactions = interaction_service_pb2_grpc.InteractionServiceStub(channel)
        self.requests = request_service_pb2_grpc.RequestServiceStub(channel)


@dataclass(frozen=True, slots=True)
class Service:
    """The service, running."""

    client: AsyncReflexioClient
    blocking_client: ReflexioClient
    stubs: Stubs
    database_url: str

    async def by_client(self, callers: int, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the client that a program with so many callers would take: one needs no event loop."""
        if callers == 1:
            return getattr(self.blocking_client, method)(*args, **kwargs)
        return await getattr(self.client, method)(*args, **kwargs)

    async def settle(self) -> None:
        """Wait until everything that was published is embedded.

        Raises:
            TimeoutError: It takes unreasonably long.
            RuntimeError: The model failed on a text.
        """
        await settled(self.client)


@dataclass(frozen=True, slots=True)
class Stand:
    """What is measured, running."""

    service: Service
    floor: Stubs
    """Of the bare handlers."""


@asynccontextmanager
async def stubs(address: str) -> AsyncIterator[Stubs]:
    """Stubs for a server at HOST:PORT."""
    options = [("grpc.max_receive_message_length", _LARGEST_ANSWER)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        yield Stubs(channel)


@asynccontextmanager
async def serving(database_url: str | None = None) -> AsyncIterator[Service]:
    """The service on this database, or on an empty Postgres in a temporary folder of which nothing is left behind."""
    async with AsyncExitStack() as started:
        url = database_url or await started.enter_async_context(postgres())
        address = await started.enter_async_context(
            listening("reflexio_server", "serve", "--port", "0", "--database-url", url, "--log-level", "warning")
        )
        client = await started.enter_async_context(AsyncReflexioClient(url_endpoint=address))
        blocking_client = started.enter_context(ReflexioClient(url_endpoint=address))
        yield Service(client, blocking_client, await started.enter_async_context(stubs(address)), url)


@asynccontextmanager
async def standing() -> AsyncIterator[Stand]:
    """The service and the floor, which reads the service's database and writes into one of its own beside it."""
    async with serving() as service, AsyncExitStack() as started:
        own = await new_database(service.database_url, "floor")
        async with opened(own):
            pass
        address = await started.enter_async_context(listening("benchmarks.floor", service.database_url, own))
        yield Stand(service, await started.enter_async_context(stubs(address)))


async def settled(client: AsyncReflexioClient) -> None:
    """Wait until everything that was published to a service is embedded; raises as `Service.settle` does."""
    async with asyncio.timeout(_MOST_SECONDS_TO_SETTLE):
        while True:
            info = await client.server_info()
            if info.embedding_set_aside_count:
                message = f"the model failed on {info.embedding_set_aside_count} texts"
                raise RuntimeError(message)
            if not info.embedding_backlog_count:
                return
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
