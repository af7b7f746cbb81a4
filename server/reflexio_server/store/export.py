"""Reading everything that was published, as it was at one moment."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from reflexio_server.domain.ids import InteractionId, OrgId, RequestId, SessionId, UserId
from reflexio_server.domain.interaction import Interaction, NewInteraction
from reflexio_server.domain.request import NewRequest, RequestRecord
from reflexio_server.store import interactions as stored
from reflexio_server.store.database import Database
from reflexio_server.store.tables import interactions, requests

_PAGE_REQUESTS = 200
_PAGE_BYTES = 4 * 1024 * 1024
"""How much is read at a time: so many requests, and so many bytes unless a single one has more."""

_STALLED = text("set idle_in_transaction_session_timeout = '10min'")
"""A reader that takes nothing for so long loses its snapshot, which keeps Postgres from tidying up; the contract
names it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is to export."""

    requests: int
    interactions: int


class Snapshot:
    """What one organisation, or one of its users, has at one moment."""

    def __init__(self, connection: AsyncConnection, org_id: OrgId, user_id: UserId | None) -> None:
        self._connection = connection
        self._org_id = org_id
        self._user_id = user_id

    async def totals(self) -> Totals:
        """How much there is.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        counts = [
            (await self._connection.execute(select(func.count()).where(*self._mine(table)))).scalar_one()
            for table in (requests, interactions)
        ]
        return Totals(*counts)

    async def records(self, *, with_images: bool) -> AsyncIterator[RequestRecord]:
        """Every request with its interactions, the oldest first. No more than a page is in memory.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached, or the reader was too slow.
        """
        position: tuple[int, RequestId] | None = None
        while rows := await self._page(position, with_images=with_images):
            position = (rows[-1].created_at, RequestId(rows[-1].request_id))
            of_request: dict[RequestId, list[Interaction]] = defaultdict(list)
            ids = [row.request_id for row in rows]
            for interaction in await stored.of_requests(self._connection, self._org_id, ids, with_images=with_images):
                of_request[interaction.request_id].append(interaction)
            for row in rows:
                yield _record(row, of_request.pop(row.request_id, []))

    async def _page(self, after: tuple[int, RequestId] | None, *, with_images: bool) -> Sequence[Any]:
        table = requests.c
        conditions = self._mine(requests)
        if after is not None:
            conditions.append(tuple_(table.created_at, table.request_id) > tuple_(*after))
        size = table.text_bytes + table.image_bytes if with_images else table.text_bytes
        oldest_first = (table.created_at, table.request_id)
        query = select(requests, size.label("size")).where(*conditions).order_by(*oldest_first).limit(_PAGE_REQUESTS)
        rows = (await self._connection.execute(query)).all()
        total = 0
        for count, row in enumerate(rows):
            total += row.size
            if count and total > _PAGE_BYTES:
                return rows[:count]
        return rows

    def _mine(self, table: Any) -> list[Any]:
        mine = [table.c.org_id == self._org_id]
        if self._user_id is not None:
            mine.append(table.c.user_id == self._user_id)
        return mine


@asynccontextmanager
async def snapshot(database: Database, org_id: OrgId, user_id: UserId | None) -> AsyncIterator[Snapshot]:
    """What is there at the moment of the first read; whatever is stored or deleted meanwhile does not show.

    It has a connection of its own, beside the pool: readers may be slow, and calls must not wait for them.

    Args:
        database: Where to read.
        org_id: Whose.
        user_id: Of which user; None for every user.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
    """
    async with database.snapshot(org_id) as connection:
        await connection.execute(_STALLED)
        yield Snapshot(connection, org_id, user_id)


def _record(row: Any, found: Sequence[Interaction]) -> RequestRecord:
    content = NewRequest(
        user_id=UserId(row.user_id),
        interactions=tuple(_as_published(interaction) for interaction in found),
        source=row.source,
        agent_version=row.agent_version,
        session_id=SessionId(row.session_id),
        skip_aggregation=row.skip_aggregation,
        force_extraction=row.force_extraction,
    )
    omitted = frozenset(i.interaction_id for i in found if i.has_image and i.image is None)
    ids = tuple(InteractionId(interaction.interaction_id) for interaction in found)
    return RequestRecord(RequestId(row.request_id), row.created_at, content, ids, omitted)


def _as_published(interaction: Interaction) -> NewInteraction:
    return NewInteraction(
        role=interaction.role,
        content=interaction.content,
        shadow_content=interaction.shadow_content,
        expert_content=interaction.expert_content,
        user_action=interaction.user_action,
        user_action_description=interaction.user_action_description,
        interacted_image_url=interaction.interacted_image_url,
        image=interaction.image,
        tools_used=interaction.tools_used,
        created_at=interaction.created_at,
    )
