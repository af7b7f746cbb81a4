"""Importing: one transaction, then the embedder is told."""

import asyncio
from dataclasses import dataclass

from reflexio_server.domain.ids import OrgId
from reflexio_server.domain.request import ImportOutcome, RequestRecord
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.backlog_limits import BacklogLimits
from reflexio_server.store.importing import ImportStore

_SECONDS_BETWEEN_LOOKS = 0.1
"""How often to look whether there is room."""


@dataclass(frozen=True, slots=True)
class Importer:
    """Stores requests that were exported and has them embedded."""

    store: ImportStore
    backlog: Backlog
    limits: BacklogLimits

    async def add(self, org_id: OrgId, record: RequestRecord) -> ImportOutcome:
        """Store a request under the ids and times that it has, unless it is there.

        While too much waits for being embedded, it waits too: an import is in no hurry, and no reason to refuse others.

        Raises:
            ImportConflict: Something else has its id or one of its interactions'.
            DatabaseUnavailable: Whether it was stored is not known; repeating it is safe.
        """
        user_id, count = record.content.user_id, record.content.searchable_count
        while not self.limits.has_room(org_id, user_id, count):  # noqa: ASYNC110 -- other servers tell nobody.
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        # Noted before it is stored: many at once must not all find room for one.
        self.limits.accepted(org_id, user_id, count)
        outcome = None
        try:
            # A caller that hangs up must not leave a statement half way: its connection would be lost to the pool.
            outcome = await asyncio.shield(self.store.add(org_id, record))
        finally:
            if outcome is not ImportOutcome.IMPORTED:
                self.limits.accepted(org_id, user_id, -count)
        self.backlog.wake()
        return outcome
