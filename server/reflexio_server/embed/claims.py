"""Which texts are taken from the queue next: some of each user's, from user to user and round again."""

from collections.abc import Sequence

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store import embedding_queue
from reflexio_server.store.database import Database
from reflexio_server.store.embedding_queue import QueuedText
from reflexio_server.store.reach import Purpose

_MOST_OWNERS = 64
"""Among how many users a portion is divided."""

_BEFORE_ALL = (OrgId(-(2**63)), UserId(""))


class FairClaims:
    """Leases portions of the queue. Remembers how far it came, so that every user has a turn."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = _BEFORE_ALL

    async def next(self, count: int, most_bytes: int, lease_seconds: float) -> Sequence[QueuedText]:
        """A portion of what nobody works on; empty when there is nothing.

        Args:
            count: How many texts at most.
            most_bytes: How long they may be together; one is taken even if it is longer.
            lease_seconds: For how long they are leased.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        async with self._database.autocommit(Purpose.EMBEDDING) as connection:
            owners = await embedding_queue.owners(connection, self._last, _MOST_OWNERS)
            if len(owners) < _MOST_OWNERS and self._last != _BEFORE_ALL:
                again = await embedding_queue.owners(connection, _BEFORE_ALL, _MOST_OWNERS - len(owners))
                owners = list(dict.fromkeys([*owners, *again]))
            self._last = owners[-1] if len(owners) == _MOST_OWNERS else _BEFORE_ALL
            claimed: Sequence[QueuedText] = []
            if owners:
                each = max(count // len(owners), 1)
                claimed = await embedding_queue.claim_of(connection, owners, each, most_bytes, lease_seconds)
            # These users may have nothing free where other servers work on it, or the model failed on it.
            return claimed or await embedding_queue.claim(connection, count, most_bytes, lease_seconds)
