"""Deleting: exact, complete, and gone for every reader from the commit on.

Each deletion first locks the version rows of the users it concerns, as the embedder does before it stores vectors.
Then one statement takes everything away and notes what it took, so that nothing but counts comes back: a session of
a hundred thousand interactions is as little to this server as one of ten. An embedder stores vectors only for what it
itself takes from the embedding queue, so whichever of the two comes first, none is left for an interaction that is
gone.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text, TypeEngine, Uuid

from reflexio_server.domain.ids import InteractionId, OrgId, RequestId, SessionId, UserId
from reflexio_server.domain.request import DeletedCounts
from reflexio_server.store import user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried

_MOST_LISTED = 1000
"""Larger deletions make partitions reload: a list of ids that long is no quicker to apply."""

_TYPES: dict[str, TypeEngine[Any]] = {
    "request_ids": ARRAY(Uuid),
    "session_id": Text(),
    "user_id": Text(),
    "user_ids": ARRAY(Text),
    "interaction_id": BigInteger(),
}


def _statement(sql: str, *parameters: str) -> TextClause:
    return text(sql).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in parameters))


_CONCERNED = "select distinct user_id from requests where org_id = :org_id and {condition}"

# What belongs to interactions that are gone, and what caches are told. A version row that was made only to be locked
# has both its numbers from that moment: it goes again, because a name that nothing belongs to must not stay.
_REST = f"""
    queued as (
        delete from embedding_queue d using gone g where d.org_id = :org_id and d.interaction_id = g.interaction_id
    ), vector as (
        delete from vectors d using gone g where d.org_id = :org_id and d.interaction_id = g.interaction_id
    ), image as (
        delete from images d using gone g where d.org_id = :org_id and d.interaction_id = g.interaction_id
    ), told as (
        select user_id, count(*) as size, array_agg(interaction_id) as interaction_ids from gone group by user_id
    ), listed as (
        insert into vector_deletions (org_id, user_id, version, interaction_ids)
        select u.org_id, u.user_id, u.version, t.interaction_ids
        from told t join user_versions u on u.org_id = :org_id and u.user_id = t.user_id
        where t.size <= {_MOST_LISTED} and u.reload_before < u.version
    ), reloaded as (
        update user_versions u set reload_before = u.version
        from told t
        where u.org_id = :org_id and u.user_id = t.user_id and t.size > {_MOST_LISTED} and u.reload_before < u.version
    ), made_to_be_locked as (
        delete from user_versions
        where org_id = :org_id and user_id = any(:user_ids) and reload_before = version
    )
"""  # noqa: S608 -- the only thing put in is a constant.

# Those of users who were not locked stay: what they have came later.
_DELETE_REQUESTS = """
    with request as (
        delete from requests where org_id = :org_id and user_id = any(:user_ids) and {condition}
        returning request_id
    ), gone as (
        delete from interactions i using request r where i.org_id = :org_id and i.request_id = r.request_id
        returning i.interaction_id, i.user_id
    ), {rest}
    select (select count(*) from request) as requests, (select count(*) from gone) as interactions
"""

_OF_REQUESTS = "request_id = any(:request_ids)"
_OF_SESSION = "session_id = :session_id and session_id <> ''"
_OF_SESSION_AND_USER = f"{_OF_SESSION} and user_id = :user_id"


class _Deletion:
    """Deletes the requests that fulfil a condition."""

    def __init__(self, condition: str, *parameters: str) -> None:
        self._concerned = _statement(_CONCERNED.format(condition=condition), *parameters)
        self._delete = _statement(_DELETE_REQUESTS.format(condition=condition, rest=_REST), "user_ids", *parameters)

    async def run(self, database: Database, org_id: OrgId, parameters: Mapping[str, Any]) -> DeletedCounts:
        async def work() -> DeletedCounts:
            values = {**parameters, "org_id": org_id}
            async with database.transaction(org_id) as connection:
                users = (await connection.execute(self._concerned, values)).scalars().all()
                if not users:
                    return DeletedCounts()
                await user_versions.bump(connection, org_id, users)
                gone = (await connection.execute(self._delete, {**values, "user_ids": users})).one()
                await connection.commit()
            return DeletedCounts(gone.requests, gone.interactions)

        return await retried(work)


_REQUESTS = _Deletion(_OF_REQUESTS, "request_ids")
_SESSION = _Deletion(_OF_SESSION, "session_id")
_SESSION_OF_USER = _Deletion(_OF_SESSION_AND_USER, "session_id", "user_id")

_MINE = "org_id = :org_id and interaction_id = :interaction_id and user_id = :user_id"

_EXISTS = _statement(
    f"select 1 from interactions where {_MINE}",  # noqa: S608 -- what is put in is written above.
    "interaction_id",
    "user_id",
)

_DELETE_INTERACTION = _statement(
    f"""
    with gone as (delete from interactions where {_MINE} returning interaction_id, user_id), {_REST}
    select count(*) from gone
    """,  # noqa: S608 -- what is put in is written above.
    "interaction_id",
    "user_id",
    "user_ids",
)

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
    values = {"org_id": org_id, "interaction_id": interaction_id, "user_id": user_id}
    values_and_users = {**values, "user_ids": [user_id]}

    async def work() -> DeletedCounts:
        async with database.transaction(org_id) as connection:
            if (await connection.execute(_EXISTS, values)).first() is None:
                return DeletedCounts()
            await user_versions.bump(connection, org_id, [user_id])
            gone = (await connection.execute(_DELETE_INTERACTION, values_and_users)).scalar_one()
            await connection.commit()
        return DeletedCounts(interactions=gone)

    return await retried(work)


async def delete_requests(database: Database, org_id: OrgId, request_ids: Collection[RequestId]) -> DeletedCounts:
    """Delete these requests with their interactions: all of those that exist, in one transaction."""
    return await _REQUESTS.run(database, org_id, {"request_ids": list(request_ids)})


async def delete_session(
    database: Database, org_id: OrgId, session_id: SessionId, user_id: UserId | None
) -> DeletedCounts:
    """Delete the requests of a session with their interactions, of all its users or of one."""
    if user_id is None:
        return await _SESSION.run(database, org_id, {"session_id": session_id})
    return await _SESSION_OF_USER.run(database, org_id, {"session_id": session_id, "user_id": user_id})


async def delete_everything(database: Database, org_id: OrgId) -> DeletedCounts:
    """Delete all requests and interactions of an organisation."""

    async def work() -> DeletedCounts:
        async with database.transaction(org_id) as connection:
            await user_versions.lock_all(connection, org_id)
            gone = (await connection.execute(_DELETE_PUBLISHED, {"org_id": org_id})).one()
            await connection.execute(_DELETE_VECTORS, {"org_id": org_id})
            # Last, so that users whom an embedder made known meanwhile are among them.
            await user_versions.bump_all(connection, org_id)
            await connection.commit()
        return DeletedCounts(gone.requests, gone.interactions)

    return await retried(work)
