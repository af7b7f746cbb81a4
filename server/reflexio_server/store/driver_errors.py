"""The one place that knows the errors of the driver."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reflexio_server.domain.errors import DatabaseUnavailable, StorageFull

_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    # Postgres said goodbye to a connection at rest, and a statement was sent before the connection was seen to close.
    asyncpg.InternalClientError,
    ConnectionError,
    OSError,
)

_REFUSING = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""What Postgres says to a connection that it does not take."""

_UNSUPPORTED = re.compile(r"unsupported startup parameter: (\S+)")
"""What pgbouncer says; Postgres has other words for it."""

_WITHOUT_ROLE = (
    "its user is a superuser, whom row-level security does not bind, and a pooler in between does not let the server "
    "work as somebody else; give the server a user of its own that owns its tables"
)
_WITHOUT_PARAMETER = (
    "a pooler in between refuses the parameter {}; in pgbouncer's configuration set "
    "ignore_startup_parameters = jit, client_connection_check_interval"
)

_ATTEMPTS = 10

T = TypeVar("T")


class Conflict(DatabaseUnavailable):
    """Two transactions stood in each other's way and Postgres undid this one. It may be done again."""

    def __init__(self) -> None:
        super().__init__("undid a change that stood in another's way")


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


class DatabaseRefuses(DatabaseUnavailable):
    """Postgres is there, and does not do what was asked as the user of the database URL.

    For callers that is an outage like any other; `problem` is for the operator.
    """

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem
        """What Postgres said, and what to do about it."""


class StatementsNotKept(Exception):
    """What lies between us and Postgres lends connections and keeps no prepared statements."""

    def __init__(self) -> None:
        super().__init__(
            "a pooler between the server and Postgres does not keep prepared statements: set "
            "REFLEXIO_DATABASE_STATEMENT_CACHE_SIZE=0, or max_prepared_statements of a pgbouncer from 1.21 on"
        )


# The first that fits.
_MEANINGS: Sequence[tuple[tuple[type[BaseException], ...], Callable[[], Exception]]] = (
    ((asyncpg.ReadOnlySQLTransactionError,), partial(DatabaseUnavailable, "is read-only")),
    # By its operator or a time limit of theirs; a call of ours that is given up hears nothing of its statement.
    ((asyncpg.QueryCanceledError,), partial(DatabaseUnavailable, "broke a statement off")),
    # Not SQLSTATE class XX: Postgres says so of bugs and damaged data, for which nobody should repeat a call for ever.
    ((asyncpg.PostgresSystemError,), partial(DatabaseUnavailable, "cannot read or write its files")),
    (_GONE, DatabaseUnavailable),
    ((asyncpg.InsufficientResourcesError,), StorageFull),
    ((asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError), Conflict),
    ((asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError), StatementsNotKept),
)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise what Postgres says in terms of ours.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached, went away, takes no more connections, is read-only, cancelled
            the statement, or fails on its files.
        DatabaseRefuses: Postgres takes none of this user, or to this database.
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


@asynccontextmanager
async def privileged() -> AsyncIterator[None]:
    """Raise that Postgres forbids something in terms of ours, where the reason is who the server works as.

    That is so at a start. Later it would be a mistake of ours, such as a row of an organisation that is not the call's.

    Raises:
        DatabaseRefuses: The user of the database URL may not do what a server does.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(cause := _cause_of(error), asyncpg.InsufficientPrivilegeError):
            raise
        said = _first_line(cause)
        problem = f"Postgres says: {said}; the user that the server works as must own its database and its tables"
        raise DatabaseRefuses(problem) from error


def meaning_of(error: Exception) -> Exception | None:
    """What an error of the driver, by itself or wrapped by SQLAlchemy, means in our terms; None where it is another."""
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable()
    cause = _cause_of(error)
    if (refusal := _refusal_of(cause)) is not None:
        return refusal
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, InterfaceError)):
        return DatabaseUnavailable()
    return _meaning_of_cause(cause)


def refused_values(error: Exception) -> str | None:
    """What Postgres has against the values of a statement (SQLSTATE classes 22 and 23), as the driver calls it.

    Without its words, which quote rows and statements; None where `error` is about something else.
    """
    cause = _cause_of(error)
    if isinstance(cause, DuplicateKey | asyncpg.DataError | asyncpg.IntegrityConstraintViolationError):
        return type(cause).__name__
    return None


def cause_of_outage(error: DatabaseUnavailable) -> str:
    """Why the database cannot be reached, in a line for its operator."""
    cause = error.__cause__
    if isinstance(cause, TimeoutError):  # Its text is empty.
        return "no answer in time"
    return _first_line(_cause_of(cause) or cause) if isinstance(cause, Exception) else str(error)


def _cause_of(error: Exception) -> BaseException | None:
    """What asyncpg raised."""
    if isinstance(error, DBAPIError):
        return error.orig.__cause__ if error.orig is not None else None
    if isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):  # Connecting for `Database.direct` raises it unwrapped.
        return error.__cause__
    return error


def _refusal_of(cause: BaseException | None) -> DatabaseRefuses | None:
    """What asyncpg raised while connecting, where the database URL is to blame."""
    if isinstance(cause, asyncpg.ClientConfigurationError):
        return DatabaseRefuses(_first_line(cause))
    if isinstance(cause, _REFUSING):
        said = _first_line(cause)
        return DatabaseRefuses(f"Postgres refuses the connection: {said}; check its user, password and database")
    if isinstance(cause, asyncpg.ProtocolViolationError) and (parameter := _UNSUPPORTED.match(_first_line(cause))):
        return DatabaseRefuses(_WITHOUT_ROLE if parameter[1] == "role" else _WITHOUT_PARAMETER.format(parameter[1]))
    return None


def _meaning_of_cause(cause: BaseException | None) -> Exception | None:
    """The same as `meaning_of`, of what asyncpg raised."""
    for kinds, meaning in _MEANINGS:
        if isinstance(cause, kinds):
            return meaning()
    if isinstance(cause, asyncpg.UniqueViolationError):
        return DuplicateKey(cause.constraint_name or "")
    return None


def _first_line(error: BaseException) -> str:
    """What it says, without what Postgres or the driver adds as a detail or a hint."""
    return str(error).partition("\n")[0]
