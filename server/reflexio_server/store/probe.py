"""Asks Postgres whether it answers."""

import asyncio

import asyncpg

from reflexio_server.store.location import driver_arguments

_SECONDS = 1.0
"""For an answer, and for connecting before it. Somebody who is only slow is asked once more."""


class Probe:
    """Asks over a connection of its own: neither a busy pool nor a long transaction looks like an outage."""

    def __init__(self, url: str) -> None:
        """`url` is a SQLAlchemy URL of the asyncpg driver."""
        self._arguments = driver_arguments(url)
        self._connection: asyncpg.Connection | None = None

    async def failure(self) -> Exception | None:
        """Why Postgres does not answer; None where it does."""
        had_connection = self._connection is not None
        failure = await self._attempt()
        if had_connection and failure is not None:
            # That connection may have been cut, and no more than that.
            failure = await self._attempt()
        return failure

    async def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _attempt(self) -> Exception | None:
        try:
            async with asyncio.timeout(_SECONDS):
                if self._connection is None:
                    self._connection = await asyncpg.connect(**self._arguments)
                # Without parameters no statement is prepared, which some connection poolers cannot do.
                await self._connection.execute("select 1")
        except asyncpg.TooManyConnectionsError:
            return None  # That is an answer, and those who have a connection get others.
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is no answer.
            await self.close()
            return error
        return None
