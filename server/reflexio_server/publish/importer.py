"""Importing: one transaction, then the embedder is told."""

import asyncio
from dataclasses import dataclass

from reflexio_server.domain.ids import OrgId
from reflexio_server.domain.request import ImportOutcome, RequestRecord
from reflexio_server.embed.backlog import Backlog
from reflexio_server.store.importing import ImportStore


@dataclass(frozen=True, slots=True)
class Importer:
    """Stores requests that were exported and has them embedded."""

    store: ImportStore
    backlog: Backlog

    async def add(self, org_id: OrgId, record: RequestRecord) -> ImportOutcome:
        """Store a request under the ids and times that it has, unless it is there.

        Raises:
            ImportConflict: Something else has its id or one of its interactions'.
            DatabaseUnavailable: Whether it was stored is not known; repeating it is safe.
        """
        # A caller that hangs up must not leave a statement half way: its connection would be lost to the pool.
        outcome = await asyncio.shield(self.store.add(org_id, record))
        self.backlog.wake()
        return outcome
