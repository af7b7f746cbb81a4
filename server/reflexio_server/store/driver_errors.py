"""The one place that knows the errors of the driver."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
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


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise what Postgres says in terms of ours.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached, went away, or takes no more connections.
        StorageFull: It has no room; the transaction was undone.
        Conflict: The transaction was undone because of another one.
        DuplicateKey: It would store a key twice.
    """
    try:
        yield
    except (*_GONE, PoolTimeout) as error:
        raise DatabaseUnavailable from error
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if error.connection_invalidated or isinstance(error, InterfaceError) or isinstance(cause, _GONE):
            raise DatabaseUnavailable from error
        if isinstance(cause, asyncpg.InsufficientResourcesError):
            raise StorageFull from error
        if isinstance(cause, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
            raise Conflict from error
        if isinstance(cause, asyncpg.UniqueViolationError):
            raise DuplicateKey(cause.constraint_name or "") from error
        raise
