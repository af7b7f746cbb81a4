"""Importing: one transaction, then the embedder is told."""

from dataclasses import dataclass

from reflexio_server.domain.ids import OrgId
from reflexio_server.domain.request import ImportOutcome, RequestRecord
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.backlog_limits import BacklogLimits
from reflexio_server.publish.uninterrupted import to_its_end
from reflexio_server.store.importing import ImportStore


@dataclass(frozen=True, slots=True)
class Importer:
    """Stores requests that were exported and has them embedded."""

    store: ImportStore
    backlog: Backlog
    limits: BacklogLimits

    async def add(self, org_id: OrgId, record: RequestRecord) -> ImportOutcome:
        """Store a request under the ids and times that it has, unless it is there.

        While much waits for being embedded, it waits too: an import is in no hurry.

        Raises:
            ImportConflict: Something else has its id or one of its interactions'.
            NotReady: The server is stopping.
            DatabaseUnavailable: Whether it was stored is not known; repeating it is safe.
        """
        await self.limits.wait_for_room(org_id, record.content.user_id, record.content.searchable_count)
        return await to_its_end(self._store(org_id, record), "an import")

    async def _store(self, org_id: OrgId, record: RequestRecord) -> ImportOutcome:
        user_id, count = record.content.user_id, record.content.searchable_count
        # Noted before it is stored: many at once must not all find room for one.
        self.limits.accepted(org_id, user_id, count)
        outcome = None
        try:
            outcome = await self.store.add(org_id, record)
        finally:
            if outcome is not ImportOutcome.IMPORTED:
                self.limits.accepted(org_id, user_id, -count)
        self.backlog.wake()
        return outcome
