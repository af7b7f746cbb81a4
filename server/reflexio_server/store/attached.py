"""The database of a server, for commands that work on it beside the server or before there is one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import privileged
from reflexio_server.store.embedded_postgres import DataFolderInUse, EmbeddedPostgres
from reflexio_server.store.location import driver_url
from reflexio_server.store.migrate import migrate
from reflexio_server.store.roles import role_for
from reflexio_server.store.running_postgres import running

_SOCKET_FOLDER_LINE = 4
"""Of the file in which Postgres notes how it runs, counted from 0."""


@asynccontextmanager
async def attached(database_url: str | None, data_dir: Path) -> AsyncIterator[Database]:
    """The database at a URL, or the embedded one of a folder: that of a running server, or started for this block.

    Raises:
        InvalidDatabaseUrl: The URL names no Postgres.
        DatabaseUnavailable: It cannot be reached.
        DatabaseRefuses: It does not let the user of the URL do what a server does.
        EmbeddedPostgresFailed: The embedded Postgres does not start.
        OSError: The folder cannot be made or read.
    """
    async with privileged(), AsyncExitStack() as used:
        if database_url is not None:
            url = driver_url(database_url)
        else:
            postgres = EmbeddedPostgres(data_dir)
            try:
                url = await used.enter_async_context(running(postgres))
            except DataFolderInUse:
                note = (postgres.data_dir / "postgres" / "postmaster.pid").read_text("utf-8")
                url = f"postgresql+asyncpg://postgres@/postgres?host={quote(note.splitlines()[_SOCKET_FOLDER_LINE])}"
        database = Database(pool_size=2, statement_cache_size=0)
        database.open(url, await role_for(url))
        used.push_async_callback(database.close)
        await migrate(database)
        yield database
