"""Statements sent straight to the driver: what SQLAlchemy does for one costs several times what Postgres does.

The connections are those of SQLAlchemy's pool, so their number stays bounded and an outage ends all of them alike.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

import asyncpg
from sqlalchemy import PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.store import pinning
from reflexio_server.store.driver_errors import meaning_of
from reflexio_server.store.reach import SET_FOR_TRANSACTION, Reach, settings_of
from reflexio_server.store.statement_telemetry import MeasuredConnection
from reflexio_server.telemetry.export import is_on


class DirectConnection(Protocol):
    """What of an `asyncpg.Connection` is for use here.

    Parameters are `$1`, `$2`…, given in Python's types and checked against what Postgres takes them for: cast them in
    the statement where that is ambiguous. `jsonb` is given as text and comes as what it stands for. A statement is
    prepared when it is first sent on a connection, so its text should be a constant.
    """

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """All rows. Columns are had by name, by place or by unpacking."""

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row; None where there is none."""

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """The first column of the first row; None where there is no row."""

    async def execute(self, query: str, *arguments: Any) -> str:
        """What was done, `DELETE 3` for example."""

    def transaction(self) -> asyncpg.transaction.Transaction:
        """`async with` it, for statements that belong together: committed at the end, undone by an exception."""


class Direct:
    """Lends a connection of a pool: `async with Direct(…) as connection`.

    It goes back to the pool if it is at rest: at the end of the block, or when Postgres refused a statement. Whatever
    else ends the block, a cancellation above all, may have left a statement under way; then the connection is cut.
    """

    __slots__ = ("_connect_seconds", "_engine", "_lent", "_on_missed", "_reach", "_transaction")

    def __init__(
        self, engine: AsyncEngine, reach: Reach, connect_seconds: float, on_missed: Callable[[], None]
    ) -> None:
        """Say from where.

        Args:
            engine: Whose pool to take it from.
            reach: How far its statements are to reach.
            connect_seconds: How long that may take.
            on_missed: Called when Postgres could not be reached.
        """
        self._engine = engine
        self._reach = reach
        self._transaction: asyncpg.transaction.Transaction | None = None
        self._connect_seconds = connect_seconds
        self._on_missed = on_missed

    async def __aenter__(self) -> DirectConnection:
        """Take a connection.

        Raises:
            DatabaseUnavailable: There is none to be had.
        """
        pinning.wanted.set(self._reach)
        try:
            async with asyncio.timeout(self._connect_seconds):
                self._lent = await self._engine.raw_connection()
                # The driver knows of those that Postgres has closed; the pool does not.
                while _driver(self._lent).is_closed():
                    self._lent.invalidate()
                    self._lent = await self._engine.raw_connection()
                if not pinning.is_pinned(self._lent, self._reach):
                    await self._pin()
        except Exception as error:
            self._raise_meaning_of(error)
            raise
        connection: DirectConnection = _driver(self._lent)
        return MeasuredConnection(connection) if is_on() else connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give it back or cut it, and say in our terms what went wrong.

        Raises:
            DatabaseUnavailable: Postgres went away.
            StorageFull: It has no room; nothing was changed.
            Conflict: The statement was undone because of another one.
            DuplicateKey: It would store a key twice.
        """
        connection = _driver(self._lent)
        was_closed = connection.is_closed()
        at_rest = error is None or isinstance(error, asyncpg.PostgresError)
        # Also on a connection that was closed meanwhile: what cannot be committed must not end well.
        if self._transaction is not None and at_rest and (error is None or not was_closed):
            await self._end(self._transaction, undo=error is not None)
        if at_rest and not was_closed and not connection.is_in_transaction():
            self._lent.close()
        else:
            # Outside of SQLAlchemy's greenlets it cuts the connection and waits for nothing.
            self._lent.invalidate()
        # On an open connection this is a mistake in how the driver is used.
        if isinstance(error, Exception) and (was_closed or not isinstance(error, asyncpg.InterfaceError)):
            self._raise_meaning_of(error)

    async def _pin(self) -> None:
        try:
            if pinning.is_shared(self._lent):
                connection = _driver(self._lent)
                self._transaction = connection.transaction()
                await self._transaction.start()
                await connection.execute(SET_FOR_TRANSACTION, *settings_of(self._reach))
            else:
                await pinning.pin(self._lent, self._reach)
        except BaseException:
            self._lent.invalidate()
            raise

    async def _end(self, transaction: asyncpg.transaction.Transaction, *, undo: bool) -> None:
        try:
            await (transaction.rollback() if undo else transaction.commit())
        except BaseException as error:
            self._lent.invalidate()
            if isinstance(error, Exception):
                self._raise_meaning_of(error)
            raise

    def _raise_meaning_of(self, error: Exception) -> None:
        meaning = meaning_of(error)
        if isinstance(meaning, DatabaseUnavailable):
            self._on_missed()
        if meaning is not None:
            raise meaning from error


def _driver(lent: PoolProxiedConnection) -> Any:
    return lent.driver_connection
