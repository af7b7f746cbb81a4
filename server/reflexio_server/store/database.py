"""The connection to Postgres: transactions that roll back by default, and errors that callers understand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from weakref import WeakSet

from sqlalchemy import NullPool, QueuePool, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.store.direct import Direct
from reflexio_server.store.driver_errors import translated
from reflexio_server.store.statement_telemetry import watch_engine
from reflexio_server.telemetry.export import is_on

_CONNECT_SECONDS = 5.0
"""For a connection, from the pool or new: an address that swallows packets is told as what it is, and in time."""


class Database:
    """A pool of connections to one Postgres. Not open until `open` was awaited."""

    def __init__(self, *, pool_size: int, statement_cache_size: int) -> None:
        self._pool_size = pool_size
        self._statement_cache_size = statement_cache_size
        self._engine: AsyncEngine | None = None
        self._autocommit: AsyncEngine | None = None
        self._snapshots: AsyncEngine | None = None
        self._connections: WeakSet[Any] = WeakSet()
        self.missed = asyncio.Event()
        """Set whenever Postgres could not be reached; whoever acts on it clears it."""

    def open(self, url: str) -> None:
        """Prepare to connect to `url`, a SQLAlchemy URL of the asyncpg driver. Connects when first used."""
        shared: dict[str, Any] = {
            # The text of an error goes into the log; what users said does not.
            "hide_parameters": True,
            "connect_args": {
                # The driver's, and SQLAlchemy's beside it.
                "statement_cache_size": self._statement_cache_size,
                "prepared_statement_cache_size": self._statement_cache_size,
                "server_settings": {
                    "application_name": "reflexio",
                    "jit": "off",
                    "timezone": "UTC",
                    # A statement whose caller has given up is cut off with its connection. One that waits for a lock
                    # would not notice.
                    "client_connection_check_interval": "1s",
                },
            },
        }
        self._engine = create_async_engine(
            url,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            pool_pre_ping=False,
            **shared,
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = create_async_engine(
            url,
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
            **shared,
        )
        for engine in (self._engine, self._snapshots):
            event.listen(engine.sync_engine, "connect", self._connected)
            if is_on():
                watch_engine(engine)

    async def close(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = self._autocommit = self._snapshots = None

    @property
    def connections_used(self) -> int:
        """How many connections of the pool are in use."""
        pool = self._engine.pool if self._engine is not None else None
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    def abandon_connections(self) -> None:
        """Cut all connections: what waits for an answer on one of them fails with `DatabaseUnavailable`.

        For a Postgres that has fallen silent; without it, they would wait until their network gives up.
        """
        for connection in list(self._connections):
            connection.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose work is undone unless the block ends with `await connection.commit()`.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached or went away.
        """
        async with self._connection(_opened(self._engine)) as connection:
            yield connection

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement is a transaction of its own: one round trip instead of three.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached or went away.
        """
        async with self._connection(_opened(self._autocommit)) as connection:
            yield connection

    def direct(self) -> Direct:
        """A connection of the driver's own, without SQLAlchemy: for statements that are sent with every call.

        `async with database.direct() as connection: row = await connection.fetchrow("select … $1", argument)`; each
        statement is a transaction of its own. Raise and wait for other things outside of the block.
        """
        return Direct(_opened(self._engine), _CONNECT_SECONDS, self.missed.set)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection of its own, beside the pool, on which all statements see the same state and change nothing.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached or went away.
        """
        async with self._connection(_opened(self._snapshots)) as connection:
            yield connection

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with translated(), AsyncExitStack() as used:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    connection = await used.enter_async_context(engine.connect())
                yield connection
        except DatabaseUnavailable:
            self.missed.set()
            raise

    def _connected(self, connection: Any, _record: Any) -> None:
        self._connections.add(connection.driver_connection)


def _opened(engine: AsyncEngine | None) -> AsyncEngine:
    if engine is None:
        message = "the database was not opened"
        raise RuntimeError(message)
    return engine
