"""How much waits in the queue of interactions that are to be embedded, and what was set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reflexio_server.domain.ids import InteractionId, OrgId, UserId

_COUNTS = text("""
    select count(*) filter (where set_aside_reason is null) as waiting,
           count(set_aside_reason) filter (where failed_model is null) as set_aside,
           extract(epoch from now() - min(queued_at) filter (where set_aside_reason is null)) as oldest_seconds
    from embedding_queue where org_id = :org_id
""")

_NEWEST_SET_ASIDE = text("""
    select user_id, interaction_id, set_aside_reason from embedding_queue
    where org_id = :org_id and set_aside_reason is not null and failed_model is null
    order by interaction_id desc limit :count
""")

_SIZES = text("""
    select org_id, user_id, grouping(user_id) = 1 as is_total,
           count(*) filter (where set_aside_reason is null) as waiting, count(set_aside_reason) as set_aside,
           extract(epoch from now() - min(queued_at) filter (where set_aside_reason is null)) as oldest_seconds
    from embedding_queue
    group by grouping sets ((org_id), (org_id, user_id))
    having grouping(user_id) = 1 or count(*) filter (where set_aside_reason is null) >= :least
""")


@dataclass(frozen=True, slots=True)
class SetAside:
    """An interaction that the model failed on."""

    user_id: UserId
    interaction_id: InteractionId
    reason: str


class QueueCounts(NamedTuple):
    """How much of the queue belongs to an organisation."""

    waiting: int
    set_aside: int
    """The model failed on them."""
    oldest_seconds: float | None
    """For how long the oldest that waits has waited; None where nothing waits."""


@dataclass(frozen=True, slots=True)
class QueueSizes:
    """How much there is in the queue, of everybody."""

    waiting: Mapping[tuple[OrgId, UserId | None], int]
    """How many interactions wait of each organisation, under None, and of each user of whom at least so many do."""
    set_aside: int
    oldest_seconds: float | None
    """For how long the oldest that waits has waited; None where nothing waits."""


async def counts(connection: AsyncConnection, org_id: OrgId) -> QueueCounts:
    """How much of an organisation's there is in the queue."""
    row = (await connection.execute(_COUNTS, {"org_id": org_id})).one()
    return QueueCounts(row.waiting, row.set_aside, _seconds(row.oldest_seconds))


async def newest_set_aside(connection: AsyncConnection, org_id: OrgId, count: int) -> Sequence[SetAside]:
    """Those of an organisation that were set aside, the newest first, `count` at most."""
    rows = await connection.execute(_NEWEST_SET_ASIDE, {"org_id": org_id, "count": count})
    return [SetAside(*row) for row in rows]


async def sizes(connection: AsyncConnection, least: int) -> QueueSizes:
    """How much waits of whom; users of whom less than `least` does are left out."""
    rows = (await connection.execute(_SIZES, {"least": least})).all()
    totals = [row for row in rows if row.is_total]
    return QueueSizes(
        {(OrgId(row.org_id), None if row.is_total else UserId(row.user_id)): row.waiting for row in rows},
        sum(row.set_aside for row in totals),
        max((float(row.oldest_seconds) for row in totals if row.oldest_seconds is not None), default=None),
    )


def _seconds(value: Decimal | None) -> float | None:
    return float(value) if value is not None else None
