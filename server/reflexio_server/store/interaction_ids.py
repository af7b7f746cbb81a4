"""Interaction ids, taken from Postgres by the block: known before they are stored, without a round trip each."""

import asyncio

from sqlalchemy import text

from reflexio_server.store.database import Database
from reflexio_server.store.tables import INTERACTION_ID_BLOCK

_NEXT_BLOCK = text("select nextval('interaction_id_blocks')")

# It changes nothing, but while the transaction lasts nobody else draws from the sequence or sets it.
_LOCK = text("alter sequence interaction_id_blocks no cycle")

_LAST_BLOCK = text("select case when is_called then last_value else 0 end from interaction_id_blocks")

_ADVANCE = text("""
    select setval('interaction_id_blocks', :block) from interaction_id_blocks
    where case when is_called then last_value else 0 end < :block
""")

_AHEAD = 100
"""How many blocks more than asked for are passed over: ids that are imported come in order, and each step takes a lock
that publishing elsewhere waits for."""


_HIGHEST_PASSED = 2**52
"""Higher ids may be imported, and are not passed over: what is given here must stay below 2⁵³, or no import takes it.
Should the sequence come that far, publishing meets them and goes on with another block."""


class InteractionIds:
    """Gives ranges of ids that nobody else has. What is left of a block when the server stops is never used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = 0
        self._end = 0
        self._refill = asyncio.Lock()
        self._passed_block = 0
        """The sequence is known to be here or further."""

    async def take(self, count: int) -> int:
        """The first of `count` ids in a row, at most a block of them.

        Raises:
            DatabaseUnavailable: A new block was needed and Postgres cannot be reached.
        """
        if self._end - self._next < count:
            async with self._refill:
                # Whoever waited here may find that the block was renewed meanwhile.
                if self._end - self._next < count:
                    async with self._database.autocommit(None) as connection:
                        block = (await connection.execute(_NEXT_BLOCK)).scalar_one()
                    self._next = (block - 1) * INTERACTION_ID_BLOCK + 1
                    self._end = self._next + INTERACTION_ID_BLOCK
        first = self._next
        self._next += count
        return first

    def give_up(self, first: int) -> None:
        """Take no more from the block that `first` came from: an import has used ids of it."""
        if self._end - INTERACTION_ID_BLOCK <= first < self._end:
            self._next = self._end

    async def pass_over(self, interaction_id: int) -> None:
        """See to it that no block drawn from now on, by whichever server, reaches back to this id.

        A block that a server holds already may contain it; see `give_up`.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        block = _block_of(interaction_id)
        if block <= self._passed_block or interaction_id > _HIGHEST_PASSED:
            return
        async with self._database.transaction(None) as connection:
            # None while somebody else is just moving it.
            passed = (await connection.execute(_LAST_BLOCK)).scalar_one_or_none() or 0
            if passed < block:
                passed = block + _AHEAD
                await connection.execute(_LOCK)
                await connection.execute(_ADVANCE, {"block": passed})
                await connection.commit()
        self._passed_block = passed


def _block_of(interaction_id: int) -> int:
    return (interaction_id - 1) // INTERACTION_ID_BLOCK + 1
