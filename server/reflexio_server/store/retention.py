"""How long an organisation's data is kept, and whose turn it is to delete what is older."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, text

from reflexio_server.domain.ids import OrgId, RequestId
from reflexio_server.store.database import Database
from reflexio_server.store.reach import Purpose
from reflexio_server.store.tables import requests, retention_policies

_SET = text("""
    insert into retention_policies (org_id, max_age_seconds) values (:org_id, :seconds)
    on conflict (org_id) do update set max_age_seconds = :seconds, next_run = now()
""")

# Like a lease: whoever moves the moment does the work, and if that server dies the moment comes all the same.
_CLAIM = text("""
    update retention_policies set next_run = now() + make_interval(secs => :seconds)
    where next_run <= now()
    returning org_id, max_age_seconds
""")

_PROLONG = text("""
    update retention_policies set next_run = now() + make_interval(secs => :seconds)
    where org_id = :org_id
    returning max_age_seconds
""")


@dataclass(frozen=True, slots=True)
class Due:
    """An organisation whose data is to be looked through now."""

    org_id: OrgId
    max_age_seconds: int


async def max_age(database: Database, org_id: OrgId) -> int | None:
    """The age in seconds at which requests are deleted; None where they are kept for ever."""
    table = retention_policies.c
    async with database.autocommit(org_id) as connection:
        query = select(table.max_age_seconds).where(table.org_id == org_id)
        return (await connection.execute(query)).scalar_one_or_none()


async def set_max_age(database: Database, org_id: OrgId, seconds: int | None) -> None:
    """Keep requests up to this age; None for ever."""
    async with database.autocommit(org_id) as connection:
        if seconds is None:
            await connection.execute(delete(retention_policies).where(retention_policies.c.org_id == org_id))
        else:
            await connection.execute(_SET, {"org_id": org_id, "seconds": seconds})


async def claim(database: Database, pause_seconds: float) -> Sequence[Due]:
    """The organisations whose turn it is; no server gets them again before the pause is over."""
    async with database.autocommit(Purpose.HOUSEKEEPING) as connection:
        rows = await connection.execute(_CLAIM, {"seconds": pause_seconds})
        return [Due(OrgId(row.org_id), row.max_age_seconds) for row in rows]


async def prolong(database: Database, org_id: OrgId, pause_seconds: float) -> int | None:
    """Go on with an organisation. Returns the limit as it is now; None where there is none any more."""
    async with database.autocommit(org_id) as connection:
        rows = await connection.execute(_PROLONG, {"org_id": org_id, "seconds": pause_seconds})
        return rows.scalar_one_or_none()


async def stored_before(database: Database, org_id: OrgId, moment: int, limit: int) -> Sequence[RequestId]:
    """The oldest requests that were stored before a moment, in nanoseconds since the epoch; at most `limit`."""
    table = requests.c
    query = (
        select(table.request_id)
        .where(table.org_id == org_id, table.created_at < moment)
        .order_by(table.created_at, table.request_id)
        .limit(limit)
    )
    async with database.autocommit(org_id) as connection:
        return [RequestId(request_id) for request_id in (await connection.execute(query)).scalars()]
