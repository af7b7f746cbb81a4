"""The embedded Postgres beside an event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import make_url

from reflexio_server.store.embedded_postgres import EmbeddedPostgres
from reflexio_server.store.roles import role_for

_log = structlog.get_logger("reflexio")


@asynccontextmanager
async def running(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Run `postgres` for the length of the block, which is given the SQLAlchemy URL of a user who is no superuser.

    Raises:
        DataFolderInUse: Another process runs it.
        EmbeddedPostgresFailed: The folder cannot be used, or Postgres does not start.
        DatabaseUnavailable: It has started, and cannot be reached.
    """
    _log.info("starting the embedded Postgres", data_dir=str(postgres.data_dir))
    # A thread cannot be cancelled: whoever gives up waiting for it must stop what it has started all the same.
    starting = asyncio.create_task(asyncio.to_thread(postgres.start))
    try:
        url = make_url(await asyncio.shield(starting))
        role = await role_for(url.render_as_string(hide_password=False), to_log_in=True)
        yield url.set(username=role).render_as_string(hide_password=False)
    finally:
        await asyncio.wait([starting])
        if starting.exception() is None:
            await asyncio.to_thread(postgres.stop)
