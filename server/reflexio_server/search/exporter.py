"""Exporting: everything that was published, as it was at one moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reflexio_server.domain.errors import TooManyCalls
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.under_way import UnderWay
from reflexio_server.store import export
from reflexio_server.store.database import Database
from reflexio_server.store.export import Snapshot


class Exporter:
    """Opens exports, a few at a time. To be used from one event loop.

    None waits for another: an export lasts as long as its reader likes, and who waited would not know why.
    """

    def __init__(self, database: Database, at_once: int, of_organization: int) -> None:
        """`at_once` bounds the exports of all, `of_organization` those of one organisation."""
        self._database = database
        self._at_once = at_once
        self._of_organization = of_organization
        self._under_way = UnderWay()

    @asynccontextmanager
    async def open(self, org_id: OrgId, user_id: UserId | None) -> AsyncIterator[Snapshot]:
        """What is there now, to be read within the block.

        Raises:
            TooManyCalls: There are as many exports as may be, of all or of this organisation.
            DatabaseUnavailable: Postgres cannot be reached, or the reader was too slow.
        """
        if self._under_way.total() >= self._at_once:
            raise TooManyCalls("exports", self._at_once)
        if self._under_way[org_id] >= self._of_organization:
            raise TooManyCalls("exports", self._of_organization, whose="organization")
        with self._under_way.counted((org_id,)):
            async with export.snapshot(self._database, org_id, user_id) as snapshot:
                yield snapshot
