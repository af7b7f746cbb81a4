"""The switch from the active embedding model to the one that was built: one transaction, while nobody writes vectors.

What still waits in the embedding queue then is embedded with the new model.
"""

from collections import defaultdict

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from reflexio_server.domain.ids import OrgId
from reflexio_server.store import embedding_models, reindexing
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.embedding_models import Lease
from reflexio_server.store.reach import Purpose

_LOCK_USERS = text("""
    select user_id from user_versions where org_id = :org_id and user_id = any(:user_ids) order by user_id for update
""").bindparams(bindparam("user_ids", type_=ARRAY(Text)))
_REQUEUE = text("""
    insert into embedding_queue (org_id, interaction_id, user_id, leased_until)
    select org_id, interaction_id, user_id, now() from interactions
    where org_id = :org_id and interaction_id = any(:interaction_ids)
    on conflict do nothing
""").bindparams(bindparam("interaction_ids", type_=ARRAY(BigInteger)))
# What the old model failed on gets a new chance; what the new one failed on has none any more.
_SETTLE_FAILURES = text("""
    update embedding_queue
    set set_aside_reason = case when failed_model is not null then set_aside_reason end,
        attempts = 0, leased_until = now(), failed_model = null
    where set_aside_reason is not null
""")
_RETIRE_OLD = text("update embedding_models set state = 'retired', leased_until = now() where state = 'active'")
_ACTIVATE = text("""
    update embedding_models set state = 'active', lease_token = lease_token + 1, leased_until = now()
    where model = :model and state = 'building' and lease_token = :token
""")


async def switch(database: Database, lease: Lease, version: int, most_requeued: int) -> bool:
    """Make the new model the active one, unless too many interactions lack its vectors.

    Those few that do go back to the embedding queue: a search waits for them as for what was just published.

    Args:
        database: Where.
        lease: The right to do it.
        version: Nothing that came up to it lacks vectors.
        most_requeued: How many may lack them.

    Returns:
        Whether it is done.

    Raises:
        DatabaseUnavailable: Whether it was done is not known.
        LeaseLost: It was not done.
    """

    async def work() -> bool:
        async with database.transaction(Purpose.REINDEXING) as connection:
            await embedding_models.alone(connection)
            lacking = await reindexing.came_since(connection, lease, version, most_requeued + 1)
            if len(lacking) > most_requeued:
                return False
            by_org: dict[OrgId, list[reindexing.Place]] = defaultdict(list)
            for place in lacking:
                by_org[place.org_id].append(place)
            for org_id, places in by_org.items():
                # So that no deletion is on its way.
                users = sorted({place.user_id for place in places})
                await connection.execute(_LOCK_USERS, {"org_id": org_id, "user_ids": users})
                ids = [place.interaction_id for place in places]
                await connection.execute(_REQUEUE, {"org_id": org_id, "interaction_ids": ids})
            await connection.execute(_SETTLE_FAILURES)
            await connection.execute(_RETIRE_OLD)
            await embedding_models.fenced(connection, lease, _ACTIVATE)
            await connection.commit()
        return True

    return await retried(work)
