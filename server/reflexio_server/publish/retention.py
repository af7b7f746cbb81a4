"""Deleting what is older than its organisation wants it kept."""

import time
from dataclasses import dataclass

import structlog

from reflexio_server.domain.ids import OrgId
from reflexio_server.domain.request import DeletedCounts
from reflexio_server.store import deletions, retention
from reflexio_server.store.database import Database

_log = structlog.get_logger("reflexio.retention")

SECONDS_BETWEEN = 60.0
"""How often an organisation's data is looked through, by whichever server comes first."""

_PORTION = 50
"""How many requests are deleted in one transaction: users' locks are held shortly."""

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Retention:
    """Applies the age limits of all organisations."""

    database: Database

    async def apply(self) -> DeletedCounts:
        """Delete all that is too old, of those organisations whose turn it is. Returns how much that was.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        requests = interactions = 0
        for due in await retention.claim(self.database, SECONDS_BETWEEN):
            gone = await self._apply_to(due.org_id, due.max_age_seconds)
            if gone.requests:
                _log.info("deleted what was too old", org_id=due.org_id, requests=gone.requests)
            requests += gone.requests
            interactions += gone.interactions
        return DeletedCounts(requests, interactions)

    async def _apply_to(self, org_id: OrgId, max_age_seconds: int | None) -> DeletedCounts:
        requests = interactions = 0
        while max_age_seconds is not None:
            moment = time.time_ns() - max_age_seconds * _SECOND
            old = await retention.stored_before(self.database, org_id, moment, _PORTION)
            if not old:
                break
            gone = await deletions.delete_requests(self.database, org_id, old)
            requests += gone.requests
            interactions += gone.interactions
            # The limit may have been changed or taken away meanwhile.
            max_age_seconds = await retention.prolong(self.database, org_id, SECONDS_BETWEEN)
        return DeletedCounts(requests, interactions)
