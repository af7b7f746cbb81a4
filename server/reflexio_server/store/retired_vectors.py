"""Removing the vectors of a model that is not active any more, or was given up."""

from sqlalchemy import text

from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.embedding_models import Lease, LeaseLost
from reflexio_server.store.reach import Purpose

_REMOVE = text("""
    with portion as (
        select distinct org_id, interaction_id from (
            select org_id, interaction_id from vectors
            where model = :model and (org_id, interaction_id) > (:org_id, :interaction_id)
            order by org_id, interaction_id limit :count) as first
    ), gone as (
        delete from vectors v using portion p
        where v.org_id = p.org_id and v.interaction_id = p.interaction_id and v.model = :model
    )
    select org_id, interaction_id from portion order by org_id desc, interaction_id desc limit 1
""")
_STILL_RETIRED = text("""
    select model from embedding_models where model = :model and state = 'retired' and lease_token = :token for share
""")
_FORGET = text("delete from embedding_models where model = :model and state = 'retired' and lease_token = :token")


async def remove(database: Database, lease: Lease, after: tuple[int, int], count: int) -> tuple[int, int] | None:
    """Remove some vectors of a retired model, and the model with the last.

    Returns:
        After which place to go on; None at the end.

    Raises:
        LeaseLost: Nothing was removed.
    """

    async def work() -> tuple[int, int] | None:
        async with database.transaction(Purpose.REINDEXING) as connection:
            key = {"model": lease.model, "token": lease.token}
            # Locked, so that it cannot begin to be built again meanwhile.
            if (await connection.execute(_STILL_RETIRED, key)).first() is None:
                raise LeaseLost
            values = {"model": lease.model, "org_id": after[0], "interaction_id": after[1], "count": count}
            last = (await connection.execute(_REMOVE, values)).one_or_none()
            if last is None:
                await connection.execute(_FORGET, key)
            await connection.commit()
        return (last.org_id, last.interaction_id) if last is not None else None

    return await retried(work)
