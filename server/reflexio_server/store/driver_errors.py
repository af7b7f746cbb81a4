"""The one place that knows the errors of the driver."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reflexio_server.domain.errors import DatabaseUnavailable, StorageFull

_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    # Postgres said goodbye to a connection at rest, and a statement was sent before the connection was seen to close.
    asyncpg.InternalClientError,
    ConnectionError,
    OSError,
)


_ATTEMPTS = 10

T = TypeVar("T")


class Conflict(Exception):
    """Two transactions stood in each other's way and Postgres undid this one."""


class DuplicateKey(Exception):
    """A statement was undone because a row with this key is there already."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint
        """The name of the constraint, `pk_interactions` for example."""


async def retried(work: Callable[[], Awaitable[T]]) -> T:
    """Do `work`, a whole transaction, and do it again when another transaction stood in its way."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await work()
        except Conflict:
            continue
    return await work()


class StatementsNotKept(Exception):
    """What lies between us and Postgres lends connections and keeps no prepared statements."""

    def __init__(self) -> None:
        super().__init__(
            "a pooler between the server and Postgres does not keep prepared statements: set "
            "REFLEXIO_DATABASE_STATEMENT_CACHE_SIZE=0, or max_prepared_statements of a pgbouncer from 1.21 on"
        )


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise what Postgres says in terms of ours.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached, went away, or takes no more connections.
        StorageFull: It has no room; the transaction was undone.
        Conflict: The transaction was undone because of another one.
        DuplicateKey: It would store a key twice.
        StatementsNotKept: The statement was prepared on another connection of a pooler.
    """
    try:
        yield
    except Exception as error:
        if (meaning := meaning_of(error)) is not None:
            raise meaning from error
        raise


def meaning_of(error: Exception) -> Exception | None:
    """What an error of the driver, by itself or wrapped by SQLAlchemy, means in our terms; None where it is another."""
    if isinstance(error, (*_GONE, PoolTimeout)):
        return DatabaseUnavailable()
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        if error.connection_invalidated or isinstance(error, InterfaceError):
            return DatabaseUnavailable()
    elif isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):  # Connecting for `Database.direct` raises it unwrapped.
        cause = error.__cause__
    return _meaning_of_cause(cause)


def _meaning_of_cause(cause: BaseException | None) -> Exception | None:
    """The same of what asyncpg raised."""
    if isinstance(cause, _GONE):
        return DatabaseUnavailable()
    if isinstance(cause, asyncpg.InsufficientResourcesError):
        return StorageFull()
    if isinstance(cause, asyncpg.DeadlockDetectedError | asyncpg.SerializationError | asyncpg.LockNotAvailableError):
        return Conflict()
    if isinstance(cause, asyncpg.InvalidSQLStatementNameError | asyncpg.DuplicatePreparedStatementError):
        return StatementsNotKept()
    if isinstance(cause, asyncpg.UniqueViolationError):
        return DuplicateKey(cause.constraint_name or "")
    return None
