"""The two floors: calls of a bare server, and the service's SQL without the service."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import asyncpg
import grpc
from reflexio.v1 import interaction_service_pb2_grpc as rpc
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import migrate
from sqlalchemy import make_url

from benchmarks.flows import Steps
from benchmarks.recording import replay

_numbers = count(1)


@asynccontextmanager
async def bare_stub(address: str) -> AsyncIterator[rpc.InteractionServiceStub]:
    """Generated stubs on a channel without any options."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield rpc.InteractionServiceStub(channel)


class Connections:
    """A connection of its own for each caller: no pool takes part."""

    def __init__(self, connections: list[asyncpg.Connection]) -> None:
        self._connections = connections

    async def send(self, caller: int, steps: Steps) -> None:
        """Send what one call of the service sends."""
        await replay(self._connections[caller], steps)


@asynccontextmanager
async def connections(url: str, callers: int) -> AsyncIterator[Connections]:
    """Connections to the database at a SQLAlchemy URL, set up as the service's own."""
    target = make_url(url)
    async with AsyncExitStack() as started:
        opened = []
        for _ in range(callers):
            connection = await asyncpg.connect(
                host=target.query["host"],
                user=target.username,
                database=target.database,
                server_settings={"jit": "off", "timezone": "UTC"},
            )
            started.push_async_callback(connection.close)
            opened.append(connection)
        yield Connections(opened)


async def new_database(url: str) -> str:
    """The URL of a further database on the same Postgres, with the service's tables and nothing in them."""
    target = make_url(url)
    name = f"benchmark_{next(_numbers)}"
    connection = await asyncpg.connect(host=target.query["host"], user=target.username, database=target.database)
    try:
        await connection.execute(f"create database {name}")
    finally:
        await connection.close()
    made = target.set(database=name).render_as_string(hide_password=False)
    database = Database(pool_size=2, statement_cache_size=0)
    database.open(made)
    try:
        await migrate(database)
    finally:
        await database.close()
    return made
