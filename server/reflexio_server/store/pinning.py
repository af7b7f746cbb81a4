"""Telling Postgres whom a connection works for, without a round trip where it knows already.

A connection stays pinned to what it was last told. The pool remembers that, and lends a connection that is pinned to
what is wanted where there is one at rest, else the one that has rested longest. Behind a pooler that lends out
Postgres's processes for a transaction at a time, what a session was told is not ours: there, each transaction is told.
"""

import asyncio
from contextvars import ContextVar
from typing import Any, cast

from sqlalchemy import AsyncAdaptedQueuePool, PoolProxiedConnection
from sqlalchemy.util.queue import AsyncAdaptedQueue

from reflexio_server.store.reach import Reach, setting_session

wanted: ContextVar[Reach] = ContextVar("wanted")
"""What the next connection that this task takes from a pool should be pinned to."""

_REACH = "reach"
_IS_SHARED = "is shared"
_UNKNOWN = object()


class _Resting(asyncio.Queue[Any]):
    """Connections at rest, the one that came last at the end."""

    def _init(self, maxsize: int) -> None:
        self._connections: list[Any] = []

    def qsize(self) -> int:
        return len(self._connections)

    def empty(self) -> bool:
        return not self._connections

    def _put(self, item: Any) -> None:
        self._connections.append(item)

    def _get(self) -> Any:
        reach = wanted.get(None)
        for place in range(len(self._connections) - 1, -1, -1):
            if self._connections[place].info.get(_REACH, _UNKNOWN) == reach:
                return self._connections.pop(place)
        return self._connections.pop(0)


class _RestingConnections(AsyncAdaptedQueue[Any]):
    """What SQLAlchemy's pool keeps its connections in."""

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        super().__init__(maxsize, use_lifo)
        self._queue = _Resting(maxsize)


class PinningPool(AsyncAdaptedQueuePool):
    """A pool that prefers a connection pinned to what is `wanted`."""

    _queue_class = _RestingConnections


def begin(connection: Any, record: Any, shared: bool | None) -> bool:
    """Begin with a new connection, which reaches nothing yet.

    Args:
        connection: SQLAlchemy's, in its greenlet.
        record: The pool's record of it.
        shared: Whether a pooler lends Postgres's processes for a transaction at a time; None to find out.

    Returns:
        Whether it does.
    """
    if shared is None:
        shared = connection.run_async(_is_shared)
    if not shared:
        connection.run_async(lambda driver: driver.execute(setting_session(None)))
    record.info[_IS_SHARED] = shared
    record.info[_REACH] = _UNKNOWN if shared else None
    return cast(bool, shared)


async def _is_shared(driver: Any) -> bool:
    # A pooler makes up the number that it gives its client.
    async with driver.transaction():
        return bool(await driver.fetchval("select pg_backend_pid()") != driver.get_server_pid())


def is_pinned(lent: PoolProxiedConnection, reach: Reach) -> bool:
    """Whether the statements of a connection reach `reach` already. One that is shared never is."""
    return bool(lent.info[_REACH] == reach)


def is_shared(lent: PoolProxiedConnection) -> bool:
    """Whether what its session is told is not ours, so that each transaction is to be told."""
    return bool(lent.info[_IS_SHARED])


async def pin(lent: PoolProxiedConnection, reach: Reach) -> None:
    """Have all further statements on a connection that is not shared, and not in a transaction, reach `reach`.

    Raises:
        Exception: The driver's. The connection is then not pinned to anything.
    """
    lent.info[_REACH] = _UNKNOWN
    await cast(Any, lent.driver_connection).execute(setting_session(reach))
    lent.info[_REACH] = reach
