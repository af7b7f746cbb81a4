"""The embedded Postgres beside an event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from reflexio_server.store.embedded_postgres import EmbeddedPostgres

_log = structlog.get_logger("reflexio")


@asynccontextmanager
async def running(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Run `postgres` for the length of the block, which is given its SQLAlchemy URL.

    Raises:
        DataFolderInUse: Another process runs it.
        OSError: The folder cannot be made or written.
        EmbeddedPostgresFailed: Postgres does not start.
    """
    _log.info("starting the embedded Postgres", data_dir=str(postgres.data_dir))
    # A thread cannot be cancelled: whoever gives up waiting for it must stop what it has started all the same.
    starting = asyncio.create_task(asyncio.to_thread(postgres.start))
    try:
        yield await asyncio.shield(starting)
    finally:
        await asyncio.wait([starting])
        if starting.exception() is None:
            await asyncio.to_thread(postgres.stop)
