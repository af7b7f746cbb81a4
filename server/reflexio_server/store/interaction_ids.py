"""Interaction ids, taken from Postgres by the block: known before they are stored, without a round trip each."""

import asyncio

from sqlalchemy import text

from reflexio_server.store.database import Database
from reflexio_server.store.tables import INTERACTION_ID_BLOCK

_NEXT_BLOCK = text("select nextval('interaction_id_blocks')")


class InteractionIds:
    """Gives ranges of ids that nobody else has. What is left of a block when the server stops is never used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = 0
        self._end = 0
        self._refill = asyncio.Lock()

    async def take(self, count: int) -> int:
        """The first of `count` ids in a row, at most a block of them.

        Raises:
            DatabaseUnavailable: A new block was needed and Postgres cannot be reached.
        """
        if self._end - self._next < count:
            async with self._refill:
                # Whoever waited here may find that the block was renewed meanwhile.
                if self._end - self._next < count:
                    async with self._database.autocommit() as connection:
                        block = (await connection.execute(_NEXT_BLOCK)).scalar_one()
                    self._next = (block - 1) * INTERACTION_ID_BLOCK + 1
                    self._end = self._next + INTERACTION_ID_BLOCK
        first = self._next
        self._next += count
        return first
