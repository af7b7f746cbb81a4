"""Asks Postgres whether it answers and takes changes."""

import asyncio

import asyncpg

from reflexio_server.store.location import driver_arguments

_SECONDS = 1.0
"""For an answer, and for connecting before it. Somebody who is only slow is asked once more."""

# Without parameters no statement is prepared, which some connection poolers cannot do; how many rows there are is told.
_IS_READ_ONLY = "select where current_setting('transaction_read_only') = 'on'"


class ReadOnly(Exception):
    """Postgres answers and takes no changes."""

    def __init__(self) -> None:
        super().__init__("transaction_read_only is on: it is a standby, or default_transaction_read_only is set")


class Probe:
    """Asks over a connection of its own: neither a busy pool nor a long transaction looks like an outage."""

    def __init__(self, url: str) -> None:
        """`url` is a SQLAlchemy URL of the asyncpg driver."""
        self._arguments = driver_arguments(url)
        self._connection: asyncpg.Connection | None = None

    async def failure(self) -> Exception | None:
        """Why Postgres does not answer, or `ReadOnly`; None where all is well."""
        had_connection = self._connection is not None
        failure = await self._attempt()
        if had_connection and failure is not None:
            # That connection may have been cut, or lead to the standby of before, and no more than that.
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
                if await self._connection.execute(_IS_READ_ONLY) != "SELECT 0":
                    raise ReadOnly  # noqa: TRY301 -- it ends as whatever else is wrong.
        except asyncpg.TooManyConnectionsError:
            return None  # That is an answer, and those who have a connection get others.
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is no answer.
            await self.close()
            return error
        return None
