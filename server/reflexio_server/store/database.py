"""The connection to Postgres: transactions that roll back by default, and errors that callers understand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from weakref import WeakSet

import structlog
from sqlalchemy import Connection, NullPool, QueuePool, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.store import pinning
from reflexio_server.store.direct import Direct
from reflexio_server.store.driver_errors import translated
from reflexio_server.store.pinning import PinningPool
from reflexio_server.store.reach import SET_FOR_TRANSACTION, Reach, settings_of
from reflexio_server.store.statement_telemetry import watch_engine
from reflexio_server.telemetry.export import is_on

_log = structlog.get_logger("reflexio.database")

CONNECT_SECONDS = 5.0
"""For a connection, from the pool or new: an address that swallows packets is told as what it is, and in time."""


APPLICATION_NAME = "reflexio-server"
"""What our connections are called in `pg_stat_activity`. Servers that know no barrier call theirs `reflexio`."""


class Database:
    """A pool of connections to one Postgres.

    Whoever takes one says how far its statements reach: an organisation, or a `Purpose` for all of them, or None for
    what belongs to none. Postgres shows and takes no other rows, whatever the statement says.
    """

    def __init__(self, *, pool_size: int, statement_cache_size: int, transaction_pooling: bool | None = None) -> None:
        """Prepare a pool; `open` says of what.

        Args:
            pool_size: How many connections at most.
            statement_cache_size: How many prepared statements each of them keeps.
            transaction_pooling: Whether a pooler between us and Postgres lends its connections for a transaction at a
                time; None to find out.
        """
        self._pool_size = pool_size
        self._statement_cache_size = statement_cache_size
        self._shared = transaction_pooling
        self._engine: AsyncEngine | None = None
        self._autocommit: AsyncEngine | None = None
        self._snapshots: AsyncEngine | None = None
        self._connections: WeakSet[Any] = WeakSet()
        self.missed = asyncio.Event()
        """Set whenever Postgres could not be reached or did not do its work; whoever acts on it clears it."""

    def open(self, url: str, role: str | None = None) -> None:
        """Prepare to connect. Connects when first used.

        Args:
            url: A SQLAlchemy URL of the asyncpg driver.
            role: In whose name to work, where it is not that of the URL.
        """
        session = {
            "application_name": APPLICATION_NAME,
            "jit": "off",
            "timezone": "UTC",
            # A statement whose caller has given up is cut off with its connection. One that waits for a lock
            # would not notice.
            "client_connection_check_interval": "1s",
        }
        if role is not None:
            session["role"] = role
        shared: dict[str, Any] = {
            # The text of an error goes into the log; what users said does not.
            "hide_parameters": True,
            "connect_args": {
                # The driver's, and SQLAlchemy's beside it.
                "statement_cache_size": self._statement_cache_size,
                "prepared_statement_cache_size": self._statement_cache_size,
                "server_settings": session,
            },
        }
        self._engine = create_async_engine(
            url,
            poolclass=PinningPool,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
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

        For a Postgres that has fallen silent, where they would wait until their network gives up, and for one that was
        read-only, to which they would go on being lent while another has taken its place.
        """
        for connection in list(self._connections):
            connection.terminate()

    @asynccontextmanager
    async def transaction(self, reach: Reach) -> AsyncIterator[AsyncConnection]:
        """A connection whose work is undone unless the block ends with `await connection.commit()`.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached or went away.
        """
        async with self._connection(_opened(self._engine), reach) as connection:
            yield connection

    @asynccontextmanager
    async def autocommit(self, reach: Reach) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement is a transaction of its own: one round trip instead of three.

        Behind a pooler that lends connections for a transaction, the block is one transaction instead.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached or went away.
        """
        if self._shared is None:
            async with self._connection(_opened(self._engine), None):
                pass  # The first connection tells whether they are shared.
        if self._shared:
            async with self.transaction(reach) as connection:
                yield connection
                await connection.commit()
        else:
            async with self._connection(_opened(self._autocommit), reach) as connection:
                yield connection

    def direct(self, reach: Reach) -> Direct:
        """A connection of the driver's own, without SQLAlchemy: for statements that are sent with every call.

        `async with database.direct(org_id) as connection: row = await connection.fetchrow("select … $1", argument)`;
        each statement is a transaction of its own, or, behind a pooler that lends connections for a transaction, the
        block. Raise and wait for other things outside of the block.
        """
        return Direct(_opened(self._engine), reach, CONNECT_SECONDS, self.missed.set)

    @asynccontextmanager
    async def snapshot(self, reach: Reach) -> AsyncIterator[AsyncConnection]:
        """A connection of its own, beside the pool, on which all statements see the same state and change nothing.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached or went away.
        """
        async with self._connection(_opened(self._snapshots), reach) as connection:
            yield connection

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine, reach: Reach) -> AsyncIterator[AsyncConnection]:
        pinning.wanted.set(reach)
        try:
            async with translated(), AsyncExitStack() as used:
                async with asyncio.timeout(CONNECT_SECONDS):
                    connection = await used.enter_async_context(engine.connect())
                    await _pin(connection, reach)
                yield connection
        except DatabaseUnavailable:
            self.missed.set()
            raise

    def _connected(self, connection: Any, record: Any) -> None:
        self._connections.add(connection.driver_connection)
        shared = pinning.begin(connection, record, self._shared)
        if shared and self._shared is None and self._statement_cache_size:
            _log.warning(
                "a pooler lends connections for a transaction: unless it keeps track of prepared statements "
                "(pgbouncer from 1.21 on, with max_prepared_statements), set REFLEXIO_DATABASE_STATEMENT_CACHE_SIZE=0"
            )
        self._shared = shared


async def _pin(connection: AsyncConnection, reach: Reach) -> None:
    lent = _sync(connection).connection
    if pinning.is_pinned(lent, reach):
        return
    if pinning.is_shared(lent):
        # It begins the transaction.
        await connection.exec_driver_sql(SET_FOR_TRANSACTION, settings_of(reach))
        return
    try:
        await pinning.pin(lent, reach)
    except BaseException:
        await connection.invalidate()
        raise


def _sync(connection: AsyncConnection) -> Connection:
    if connection.sync_connection is None:
        message = "the connection was closed"
        raise RuntimeError(message)
    return connection.sync_connection


def _opened(engine: AsyncEngine | None) -> AsyncEngine:
    if engine is None:
        message = "the database was not opened"
        raise RuntimeError(message)
    return engine
