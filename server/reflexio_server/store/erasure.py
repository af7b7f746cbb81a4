"""Erasing a user: whatever belongs to one, in one transaction.

The user's row in `user_versions` is locked first, as the embedder does before it stores vectors. What the embedder
stored before is deleted here; what it wants to store afterwards it finds taken from the queue. A deletion or an
embedder that waited for the lock makes the row anew, and discards it when it finds nothing to do.

The audit trail, which nothing is taken from, keeps a truncated hash of the user's name.
"""

from sqlalchemy import CTE, ColumnElement, Select, Table, delete, func, select, update

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.request import DeletedCounts
from reflexio_server.store import user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.tables import (
    embedding_queue,
    idempotency_keys,
    images,
    interactions,
    requests,
    vector_deletions,
    vectors,
)
from reflexio_server.store.tables import user_versions as version_rows

DERIVED = (vectors, vector_deletions, version_rows)
"""What was made of what a user published, under the lock of the user's version; the row that is locked comes last.
A new table with a `user_id` column belongs here, or beside those that a publish fills in `_published`."""


async def erase_user(database: Database, org_id: OrgId, user_id: UserId) -> DeletedCounts:
    """Delete everything of a user. When this returns, nothing brings it back.

    Raises:
        DatabaseUnavailable: Whether it was done is not known; repeating it is safe.
    """

    async def work() -> DeletedCounts:
        async with database.transaction(org_id) as connection:
            await user_versions.bump(connection, org_id, [user_id])
            gone = (await connection.execute(_published(org_id, user_id))).one()
            for table in DERIVED:
                await connection.execute(delete(table).where(*_of(table, org_id, user_id)))
            await connection.commit()
        return DeletedCounts(gone.requests, gone.interactions)

    return await retried(work)


def _published(org_id: OrgId, user_id: UserId) -> Select[tuple[int, int]]:
    """Deletes what publishes store, in one statement as they store it: what is published meanwhile stays whole."""

    def gone(table: Table) -> CTE:
        return delete(table).where(*_of(table, org_id, user_id)).returning(table).cte(f"gone_{table.name}")

    gone_requests, gone_interactions, gone_queue = (gone(table) for table in (requests, interactions, embedding_queue))
    of_user = images.c.interaction_id.in_(select(gone_interactions.c.interaction_id))
    gone_images = delete(images).where(images.c.org_id == org_id, of_user).returning(images.c.org_id).cte("gone_images")
    # They stay, so that a late repetition stores nothing.
    blanked = (
        update(idempotency_keys)
        .where(*_of(idempotency_keys, org_id, user_id))
        .values(user_id="", fingerprint=b"")
        .returning(idempotency_keys.c.org_id)
        .cte("blanked")
    )
    count_requests, count_interactions = (
        select(func.count()).select_from(rows).scalar_subquery() for rows in (gone_requests, gone_interactions)
    )
    return select(count_requests.label("requests"), count_interactions.label("interactions")).add_cte(
        gone_queue, gone_images, blanked
    )


def _of(table: Table, org_id: OrgId, user_id: UserId) -> tuple[ColumnElement[bool], ...]:
    return (table.c.org_id == org_id, table.c.user_id == user_id)
