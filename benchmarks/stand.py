"""The test stand: the service, the bare server beside it, and what is needed to call both."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from reflexio import AsyncReflexioClient
from reflexio.v1 import interaction_service_pb2_grpc as rpc
from reflexio_server.settings import Settings
from reflexio_server.store.embedded_postgres import EmbeddedPostgres

from benchmarks import echo, messages
from benchmarks.floors import bare_stub
from benchmarks.processes import listening
from benchmarks.workload import exchanges, questions

_SECONDS_BETWEEN_LOOKS = 0.02
_MOST_SECONDS_TO_SETTLE = 600


@dataclass(frozen=True, slots=True)
class Stand:
    """What is measured, running."""

    client: AsyncReflexioClient
    """Of the service."""
    echo: rpc.InteractionServiceStub
    """Of the bare server."""
    database_url: str
    """The service's database."""
    dimension: int
    """How many numbers a vector of the service's model has."""
    settings: Settings
    """The service's."""

    async def settle(self) -> None:
        """Wait until everything that was published is embedded.

        Raises:
            TimeoutError: It takes unreasonably long.
            RuntimeError: The model failed on a text.
        """
        await settled(self.client)


@asynccontextmanager
async def standing() -> AsyncIterator[Stand]:
    """Start everything in a temporary folder, and leave nothing behind."""
    async with AsyncExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="reflexio-benchmark-")))
        postgres = EmbeddedPostgres(folder / "data")
        url = await asyncio.to_thread(postgres.start)
        started.push_async_callback(asyncio.to_thread, postgres.stop)
        address = await started.enter_async_context(
            listening("reflexio_server", "serve", "--port", "0", "--database-url", url, "--log-level", "warning")
        )
        client = await started.enter_async_context(AsyncReflexioClient(url_endpoint=address))
        await _keep_answers(folder, address, client)
        bare = await started.enter_async_context(listening("benchmarks.echo", str(folder)))
        stub = await started.enter_async_context(bare_stub(bare))
        info = await client.server_info()
        yield Stand(client, stub, url, info.embedding_dimension, Settings())


async def _keep_answers(folder: Path, address: str, client: AsyncReflexioClient) -> None:
    """Have the service answer one call of each kind, for the bare server to answer alike."""
    said = exchanges(0)
    user_id = "sample"
    for _ in range(10):
        await client.publish_interaction(user_id, next(said), session_id="sample")
    await settled(client)
    async with bare_stub(address) as stub:
        for name, wait in ((echo.ACKNOWLEDGED, False), (echo.WAITED_FOR, True)):
            request = messages.publish_request(user_id, next(said), wait=wait)
            (folder / name).write_bytes((await stub.PublishInteractions(request)).SerializeToString())
        request = messages.search_request(user_id, next(questions(0)), "hybrid")
        (folder / echo.FOUND).write_bytes((await stub.SearchInteractions(request)).SerializeToString())


async def settled(client: AsyncReflexioClient) -> None:
    """Wait until everything that was published to a service is embedded; raises as `Stand.settle` does."""
    async with asyncio.timeout(_MOST_SECONDS_TO_SETTLE):
        while True:
            info = await client.server_info()
            if info.embedding_set_aside_count:
                message = f"the model failed on {info.embedding_set_aside_count} texts"
                raise RuntimeError(message)
            if not info.embedding_backlog_count:
                return
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
