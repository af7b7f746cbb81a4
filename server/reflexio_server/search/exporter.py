"""Exporting: everything that was published, as it was at one moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store import export
from reflexio_server.store.database import Database
from reflexio_server.store.export import Snapshot


class Exporter:
    """Opens exports, a few at a time. To be used from one event loop."""

    def __init__(self, database: Database, at_once: int) -> None:
        self._database = database
        self._turn = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def open(self, org_id: OrgId, user_id: UserId | None) -> AsyncIterator[Snapshot]:
        """What is there when its turn has come, to be read within the block.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached, or the reader was too slow.
        """
        async with self._turn, export.snapshot(self._database, org_id, user_id) as snapshot:
            yield snapshot
