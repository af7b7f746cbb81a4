"""Deleting: exact, complete, and gone for every reader from the commit on.

Each deletion first locks the version rows of the users it concerns, as the embedder does before it stores vectors.
It takes rows from the embedding queue before it takes vectors: an embedder stores vectors only for what it
itself takes from the queue, so whichever of the two comes first, none is left for an interaction that is gone.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, any_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Uuid

from reflexio_server.domain.ids import InteractionId, OrgId, RequestId, SessionId, UserId
from reflexio_server.domain.request import DeletedCounts
from reflexio_server.store import user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.tables import embedding_queue, images, interactions, requests, vectors

_DERIVED = (embedding_queue, vectors, images)

# As a publish fills these tables in one statement, they are emptied in one: what is published meanwhile stays whole.
_DELETE_PUBLISHED = text("""
    with interaction as (
        delete from interactions where org_id = :org_id returning 1
    ), queued as (
        delete from embedding_queue where org_id = :org_id
    ), image as (
        delete from images where org_id = :org_id
    ), request as (
        delete from requests where org_id = :org_id returning 1
    )
    select (select count(*) from interaction) as interactions, (select count(*) from request) as requests
""")

# With a later snapshot, because an embedder may have been quicker in taking from the queue.
_DELETE_VECTORS = text("""
    delete from vectors v where org_id = :org_id and not exists (
        select from interactions i where i.org_id = v.org_id and i.interaction_id = v.interaction_id)
""")


async def delete_interaction(
    database: Database, org_id: OrgId, user_id: UserId, interaction_id: InteractionId
) -> DeletedCounts:
    """Delete one interaction of this user. Its request stays."""
    table = interactions.c

    async def work() -> DeletedCounts:
        async with database.transaction() as connection:
            mine = (table.org_id == org_id, table.interaction_id == interaction_id, table.user_id == user_id)
            if (await connection.execute(select(table.interaction_id).where(*mine))).first() is None:
                return DeletedCounts()
            versions = await user_versions.bump(connection, org_id, [user_id])
            gone = (await connection.execute(delete(interactions).where(*mine))).rowcount
            await _delete_derived(connection, org_id, [interaction_id])
            await user_versions.record_deletion(connection, org_id, user_id, versions[user_id], [interaction_id])
            await connection.commit()
        return DeletedCounts(interactions=gone)

    return await retried(work)


async def delete_requests(database: Database, org_id: OrgId, request_ids: Collection[RequestId]) -> DeletedCounts:
    """Delete these requests with their interactions: all of those that exist, in one transaction."""
    return await _delete_requests_where(database, org_id, requests.c.request_id == _any_request(request_ids))


async def delete_session(
    database: Database, org_id: OrgId, session_id: SessionId, user_id: UserId | None
) -> DeletedCounts:
    """Delete the requests of a session with their interactions, of all its users or of one."""
    conditions: list[ColumnElement[bool]] = [requests.c.session_id == session_id, requests.c.session_id != ""]
    if user_id is not None:
        conditions.append(requests.c.user_id == user_id)
    return await _delete_requests_where(database, org_id, *conditions)


async def delete_everything(database: Database, org_id: OrgId) -> DeletedCounts:
    """Delete all requests and interactions of an organisation."""

    async def work() -> DeletedCounts:
        async with database.transaction() as connection:
            await user_versions.lock_all(connection, org_id)
            gone = (await connection.execute(_DELETE_PUBLISHED, {"org_id": org_id})).one()
            await connection.execute(_DELETE_VECTORS, {"org_id": org_id})
            # Last, so that users whom an embedder made known meanwhile are among them.
            await user_versions.bump_all(connection, org_id)
            await connection.commit()
        return DeletedCounts(gone.requests, gone.interactions)

    return await retried(work)


async def _delete_requests_where(database: Database, org_id: OrgId, *conditions: ColumnElement[bool]) -> DeletedCounts:
    async def work() -> DeletedCounts:
        async with database.transaction() as connection:
            query = select(requests.c.request_id, requests.c.user_id).where(requests.c.org_id == org_id, *conditions)
            found = (await connection.execute(query)).all()
            if not found:
                return DeletedCounts()
            versions = await user_versions.bump(connection, org_id, {UserId(row.user_id) for row in found})
            these = _any_request([row.request_id for row in found])
            gone = await _delete_interactions_of(connection, org_id, these)
            for user_id, interaction_ids in gone.items():
                await user_versions.record_deletion(connection, org_id, user_id, versions[user_id], interaction_ids)
            deleted = await connection.execute(
                delete(requests).where(requests.c.org_id == org_id, requests.c.request_id == these)
            )
            await connection.commit()
        return DeletedCounts(deleted.rowcount, sum(map(len, gone.values())))

    return await retried(work)


async def _delete_interactions_of(
    connection: AsyncConnection, org_id: OrgId, these: Any
) -> dict[UserId, list[InteractionId]]:
    gone: dict[UserId, list[InteractionId]] = defaultdict(list)
    rows = await connection.execute(
        delete(interactions)
        .where(interactions.c.org_id == org_id, interactions.c.request_id == these)
        .returning(interactions.c.user_id, interactions.c.interaction_id)
    )
    for row in rows:
        gone[UserId(row.user_id)].append(InteractionId(row.interaction_id))
    await _delete_derived(connection, org_id, [i for ids in gone.values() for i in ids])
    return gone


async def _delete_derived(connection: AsyncConnection, org_id: OrgId, interaction_ids: Sequence[InteractionId]) -> None:
    gone = any_(bindparam("gone", list(interaction_ids), ARRAY(BigInteger)))
    for table in _DERIVED:
        await connection.execute(delete(table).where(table.c.org_id == org_id, table.c.interaction_id == gone))


def _any_request(request_ids: Collection[RequestId]) -> ColumnElement[Any]:
    return any_(bindparam("these", list(request_ids), ARRAY(Uuid)))
