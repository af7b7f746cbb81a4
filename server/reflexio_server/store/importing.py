"""Storing requests that were exported: as publications are stored, but under the ids and times that they have."""

from dataclasses import dataclass

from sqlalchemy import select

from reflexio_server.domain.errors import ImportConflict
from reflexio_server.domain.ids import OrgId
from reflexio_server.domain.request import ImportOutcome, RequestRecord
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import DuplicateKey
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.published_rows import (
    INTERACTION_ROWS,
    REQUEST_COLUMNS,
    REQUEST_VALUES,
    ROW_TYPES,
    row_parameters,
)
from reflexio_server.store.statement import Statement
from reflexio_server.store.tables import requests

_INSERT = Statement(
    f"""
    with admitted as (
        insert into requests ({REQUEST_COLUMNS}) values ({REQUEST_VALUES})
        on conflict do nothing
        returning 1
    ), {INTERACTION_ROWS}
    select count(*) from admitted
    """,  # noqa: S608 -- what is put in are constants.
    ROW_TYPES,
)


@dataclass(frozen=True, slots=True)
class ImportStore:
    """Writes requests that were exported."""

    database: Database
    interaction_ids: InteractionIds
    text_search_config: str

    async def add(self, org_id: OrgId, record: RequestRecord) -> ImportOutcome:
        """Store a request, in one transaction, unless it is there. When this returns, it is durable.

        Its texts wait for being embedded, free for any server.

        Raises:
            ImportConflict: Something else has its id or one of its interactions'.
            DatabaseUnavailable: Whether it was stored is not known; repeating it is safe.
        """
        if record.interaction_ids:
            # Before anything is stored: what is drawn from then on lies behind it, also after a crash.
            await self.interaction_ids.pass_over(record.interaction_ids[-1])
        rows = row_parameters(
            record.content, record.request_id, record.created_at, record.interaction_ids, 0, self.text_search_config
        )
        try:
            async with self.database.direct(org_id) as connection:
                stored = await connection.fetchval(_INSERT.sql, *_INSERT.arguments({"org_id": org_id, **rows}))
        except DuplicateKey as error:
            raise ImportConflict("interaction_id", str(record.request_id)) from error
        if stored:
            return ImportOutcome.IMPORTED
        if not await self._is_there(org_id, record):
            raise ImportConflict("request_id", str(record.request_id))
        return ImportOutcome.ALREADY_THERE

    async def _is_there(self, org_id: OrgId, record: RequestRecord) -> bool:
        table = requests.c
        same = (
            table.org_id == org_id,
            table.request_id == record.request_id,
            table.user_id == record.content.user_id,
            table.session_id == record.content.session_id,
            table.created_at == record.created_at,
        )
        async with self.database.autocommit(org_id) as connection:
            return (await connection.execute(select(table.request_id).where(*same))).first() is not None
