"""How much waits in the queue of interactions that are to be embedded, and what was set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reflexio_server.domain.ids import InteractionId, OrgId, UserId

_COUNTS = text("""
    select count(*) filter (where set_aside_reason is null) as waiting,
           count(set_aside_reason) filter (where failed_model is null) as set_aside
    from embedding_queue where org_id = :org_id
""")

_NEWEST_SET_ASIDE = text("""
    select user_id, interaction_id, set_aside_reason from embedding_queue
    where org_id = :org_id and set_aside_reason is not null and failed_model is null
    order by interaction_id desc limit :count
""")

_SIZES = text("""
    select org_id, user_id, count(*) as waiting from embedding_queue where set_aside_reason is null
    group by grouping sets ((org_id), (org_id, user_id)) having grouping(user_id) = 1 or count(*) >= :least
""")


@dataclass(frozen=True, slots=True)
class SetAside:
    """An interaction that the model failed on."""

    user_id: UserId
    interaction_id: InteractionId
    reason: str


async def counts(connection: AsyncConnection, org_id: OrgId) -> tuple[int, int]:
    """How many interactions of an organisation wait, and how many were set aside."""
    row = (await connection.execute(_COUNTS, {"org_id": org_id})).one()
    return row.waiting, row.set_aside


async def newest_set_aside(connection: AsyncConnection, org_id: OrgId, count: int) -> Sequence[SetAside]:
    """Those of an organisation that were set aside, the newest first, `count` at most."""
    rows = await connection.execute(_NEWEST_SET_ASIDE, {"org_id": org_id, "count": count})
    return [SetAside(*row) for row in rows]


async def sizes(connection: AsyncConnection, least: int) -> Mapping[tuple[OrgId, UserId | None], int]:
    """How many interactions wait of each organisation, under None, and of each user of whom at least so many do."""
    rows = await connection.execute(_SIZES, {"least": least})
    return {(OrgId(row.org_id), UserId(row.user_id) if row.user_id is not None else None): row.waiting for row in rows}
