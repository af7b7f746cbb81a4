"""A Postgres of the benchmark's own, with the service's tables."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from reflexio_server.store.database import Database
from reflexio_server.store.embedded_postgres import EmbeddedPostgres
from reflexio_server.store.migrate import migrate
from sqlalchemy import make_url


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """The URL of an empty Postgres in a temporary folder, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="reflexio-benchmark-") as folder:
        embedded = EmbeddedPostgres(Path(folder) / "data")
        url = await asyncio.to_thread(embedded.start)
        try:
            yield url
        finally:
            await asyncio.to_thread(embedded.stop)


async def new_database(url: str, name: str) -> str:
    """The URL of another database beside the one of `url`."""
    connection = await connect(url)
    try:
        await connection.execute(f"create database {name}")
    finally:
        await connection.close()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


async def connect(url: str) -> asyncpg.Connection:
    """A connection of our own to the database of a SQLAlchemy URL."""
    place = make_url(url)
    return await asyncpg.connect(host=place.query["host"], user=place.username, database=place.database)


@asynccontextmanager
async def pool(url: str, connections: int) -> AsyncIterator[asyncpg.Pool]:
    """So many connections to the database of a SQLAlchemy URL, set up as the service's own."""
    place = make_url(url)
    settings = {"jit": "off", "timezone": "UTC"}
    async with asyncpg.create_pool(
        host=place.query["host"],
        user=place.username,
        database=place.database,
        min_size=connections,
        max_size=connections,
        server_settings=settings,
    ) as made:
        yield made


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The service's own way to the database, with its tables made."""
    database = Database(pool_size=10, statement_cache_size=100)
    database.open(url)
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()
